//! What this host announces to its peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use rutter_route::Prefix;

use crate::{Overlay, OverlayConfig, Vni};

/// All that this host announces, by overlay and network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced(BTreeMap<(Vni, Prefix), OwnRoute>);

/// What is said of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRoute {
    /// This host's address in the overlay; `None` where it has none, and the peer must know.
    pub next_hop: Option<IpAddr>,
    /// The metric.
    pub metric: u32,
    /// How long it stands unless it is said again.
    pub lease: Duration,
}

impl Announced {
    /// The networks that the configuration names.
    pub fn of(config: &OverlayConfig) -> Self {
        let mut announced = Self::default();
        for (vni, overlay) in &config.overlays {
            for prefix in &overlay.export.networks {
                announced.add(*vni, *prefix, overlay);
            }
        }
        announced
    }

    /// Announces a network in an overlay.
    pub fn add(&mut self, vni: Vni, prefix: Prefix, overlay: &Overlay) {
        let route = OwnRoute {
            next_hop: next_hop(overlay, prefix.is_v4()),
            metric: overlay.export.metric,
            lease: overlay.install.lease,
        };
        self.0.insert((vni, prefix), route);
    }

    /// What those hear who have part in these overlays.
    pub fn within(
        &self,
        overlays: &BTreeSet<Vni>,
    ) -> impl Iterator<Item = (Vni, Prefix, OwnRoute)> {
        let part = |((vni, _), _): &(&(Vni, Prefix), &OwnRoute)| overlays.contains(vni);
        self.0.iter().filter(part).map(|((vni, prefix), route)| (*vni, *prefix, *route))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The bridge's address of the network's family, else its address of the other: IPv4 goes by an
/// IPv6 next hop too (RFC 8950), and a peer that can't do that has no use for the network anyhow.
fn next_hop(overlay: &Overlay, v4: bool) -> Option<IpAddr> {
    let addresses = || overlay.bridge.addresses.iter().map(crate::InterfaceAddress::address);
    addresses().find(|address| address.is_ipv4() == v4).or_else(|| addresses().next())
}
