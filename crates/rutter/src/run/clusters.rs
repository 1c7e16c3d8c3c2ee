//! What the gateway is told of other clusters: the fabric's picture in the gateway's words.
//!
//! ```text
//!   fabric ──▶ Forwarding, one picture ─▶ ways, keys, who is connected ─▶ gateway
//!   book ─── what each neighbour is told of `services` ([`told`]) ──────▶ whom it serves
//! ```
//!
//! Each request looks at the picture that is there and waits for nobody.

mod told;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use anyhow::Context;
use rustls::sign::CertifiedKey;
use rutter_book::BookHandle;
use rutter_fabric::{FabricConfig, FabricHandle, Forwarding};
use rutter_gateway::{Clusters, Way};
use rutter_link::PeerKey;
use rutter_protocol::keys::PublicKey;
use rutter_protocol::planner::{Ask, Neighbours};
use rutter_route::{ClusterId, DestinationKind, HostName, Service};
use tokio::sync::watch;

use crate::config::tables;
use told::Told;

/// See the module's head.
#[derive(Debug)]
pub(super) struct OfFabric {
    own: ClusterId,
    view: RwLock<View>,
    told: Told,
}

/// What is looked at.
#[derive(Debug)]
struct View {
    picture: watch::Receiver<Arc<Forwarding>>,
    /// Added to the picture's own epoch, which begins anew with each fabric.
    epochs_before: u64,
}

impl OfFabric {
    /// By the fabric's picture, and by what its neighbours are told of the controller's services.
    ///
    /// # Errors
    /// A policy that contradicts itself, or a book without services.
    pub(super) async fn start(
        fabric: &FabricHandle,
        config: &FabricConfig,
        book: BookHandle,
    ) -> anyhow::Result<Self> {
        let told = Told::new(book, tables::SERVICES.parse()?);
        let view = RwLock::new(View { picture: fabric.forwarding(), epochs_before: 0 });
        let clusters = Self { own: config.cluster.clone(), view, told };
        clusters.reload(config).await?;
        Ok(clusters)
    }

    /// By another configuration from now on.
    ///
    /// # Errors
    /// As [`OfFabric::start`]; then all is as before.
    pub(super) async fn reload(&self, config: &FabricConfig) -> anyhow::Result<()> {
        let fabric = config.scopes.iter().find(|scope| scope.kind == DestinationKind::Cluster);
        let fabric = fabric.context("a fabric carries clusters")?;
        let services = config.scopes.iter().find(|scope| scope.table.as_str() == tables::SERVICES);
        let services = services.map(|scope| &scope.scope);
        let neighbours = config.neighbours.keys().cloned();
        self.told.follow((&self.own, &fabric.scope), services, neighbours, &config.policy).await
    }

    /// Goes by the picture as it is now, whatever the fabric does: requests go on while another process
    /// takes over.
    pub(super) fn freeze(&self) {
        // What is seen of a channel whose sender has gone is what it held last.
        let (_, picture) = watch::channel(self.now());
        self.view.write().unwrap_or_else(PoisonError::into_inner).picture = picture;
    }

    /// Goes by the picture of a fabric that began anew.
    pub(super) fn follow(&self, fabric: &FabricHandle) {
        let view = View { picture: fabric.forwarding(), epochs_before: self.epoch() + 1 };
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Arc<Forwarding> {
        self.view().picture.borrow().clone()
    }
}

impl Clusters for OfFabric {
    fn own(&self) -> &ClusterId {
        &self.own
    }

    fn ways(&self, to: &ClusterId, visited: &[ClusterId]) -> Vec<Way> {
        let ask = Ask {
            destination: to.clone(),
            avoid: Vec::new(),
            visited: visited.to_vec(),
            // The request's own budget is counted where it is forwarded, with a code of its own.
            hop_budget: u16::MAX,
        };
        let ways = match self.now().ways(&ask) {
            Ok(ways) => ways,
            Err(why) => {
                tracing::debug!(cluster = %to, ?why, "no neighbour is to be asked");
                return Vec::new();
            }
        };
        let way = |way: rutter_fabric::Way| {
            let (host, port) = host_and_port(&way.gateway)?;
            Some(Way { neighbour: way.neighbour, host, port })
        };
        ways.into_iter().filter_map(way).collect()
    }

    fn is_connected(&self, neighbour: &ClusterId) -> bool {
        self.now().is_connected(neighbour)
    }

    fn neighbour_of(&self, key: &PeerKey) -> Option<ClusterId> {
        self.now().neighbour_of(&PublicKey(key.0)).cloned()
    }

    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        Some(self.now().identity.clone())
    }

    fn epoch(&self) -> u64 {
        let view = self.view();
        let epoch = view.picture.borrow().epoch;
        view.epochs_before + epoch
    }

    fn is_told(&self, neighbour: &ClusterId, service: &Service) -> bool {
        self.told.is_told(neighbour, service)
    }
}

/// `HOST:PORT`, as the configuration was checked for.
fn host_and_port(text: &str) -> Option<(HostName, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_address_is_read_with_its_port() {
        let read = |text| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(read("10.0.0.1:8443").as_deref(), Some("10.0.0.1 8443"));
        assert_eq!(read("[fd00::1]:8443").as_deref(), Some("[fd00::1] 8443"));
        assert_eq!(read("gw.example:8443").as_deref(), Some("gw.example 8443"));
        assert_eq!(read("gw.example"), None);
    }
}
