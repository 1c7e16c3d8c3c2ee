//! What an original is to be told: the outlets of its overlays, gathered into one set.
//!
//! `nnetman.v1` has neither snapshots nor numbers, so what an outlet tells is kept here, as large as
//! what the peer holds, and the task compares it with what the peer was told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use rutter_rib::{Batch, OutletSpec, Tell};
use rutter_route::{NextHop, Prefix};
use tokio::sync::watch;

use crate::host::{Handle, Host};
use crate::{Announced, OwnRoute, Peer, Vni};

/// See the module's head.
pub(super) struct Outlets<'a> {
    host: &'a Host,
    peer: &'a Peer,
    handle: Handle,
}

#[derive(Default)]
struct Gathered {
    all: Announced,
    /// Overlays whose snapshot isn't whole yet.
    pending: BTreeSet<Vni>,
}

type Tells = watch::Sender<Option<Arc<Announced>>>;

impl<'a> Outlets<'a> {
    pub(super) fn new(host: &'a Host, peer: &'a Peer, handle: Handle) -> Self {
        Self { host, peer, handle }
    }

    /// Gathers until the book ends, beginning anew whenever what the peer may hear has changed.
    pub(super) async fn gather(&self, tells: &Tells) {
        let mut changed = self.handle.changed.clone();
        loop {
            tokio::select! {
                () = changed.cancelled() => changed = self.host.handle(&self.peer.name).changed,
                () = self.gather_all(tells) => return,
            }
        }
    }

    async fn gather_all(&self, tells: &Tells) {
        let outlets = self.host.outlets(&self.peer.name, &self.peer.overlays);
        let pending = outlets.keys().copied().collect();
        let gathered = Mutex::new(Gathered { all: Announced::default(), pending });
        let each =
            outlets.into_iter().map(|(vni, spec)| self.gather_one(vni, spec, &gathered, tells));
        join_all(each).await;
    }

    async fn gather_one(&self, vni: Vni, spec: OutletSpec, into: &Mutex<Gathered>, tells: &Tells) {
        let subscribed = self.host.book().subscribe::<Prefix>(vni.table(), spec).await;
        let Ok(Some(mut subscription)) = subscribed else { return };
        while let Some(batch) = subscription.next().await {
            let lease = self.lease(vni);
            let mut gathered = into.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.take(vni, &batch, lease);
            // Half of what is being told isn't worth a message.
            if !batch.more && gathered.pending.is_empty() {
                tells.send_replace(Some(Arc::new(gathered.all.clone())));
            }
        }
    }

    fn lease(&self, vni: Vni) -> std::time::Duration {
        let config = self.host.config();
        config.overlays.get(&vni).map(|overlay| overlay.install.lease).unwrap_or_default()
    }
}

impl Gathered {
    fn take(&mut self, vni: Vni, batch: &Batch<Prefix>, lease: std::time::Duration) {
        if batch.begin_snapshot {
            self.all.clear(vni);
        }
        for tell in &batch.tells {
            let route = match tell {
                Tell::Withdraw { .. } => None,
                Tell::Advertise { routes, .. } => routes.first(),
            };
            let route = route.map(|told| OwnRoute {
                next_hop: match told.attributes.next_hop {
                    NextHop::Address(address) => Some(address),
                    _ => None,
                },
                metric: told.attributes.metric,
                lease,
            });
            self.all.set(vni, *tell.destination(), route);
        }
        if batch.end_of_snapshot {
            self.pending.remove(&vni);
        }
    }
}
