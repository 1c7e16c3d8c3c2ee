//! Places of their own: services of HTTP that are asked for at an address or a port of theirs.
//!
//! ```text
//!  feed ─▶ Places ─┬─ an index a place ◀─ asked before the gateway's own, by where a client connected
//!                  └─ listeners: bound when a place's first service comes, closed when its last goes
//! ```
//!
//! A service says an address, a port, or both; what it doesn't say is the gateway's own. So it may be
//! asked for at a listener that is there anyway: one that listens at that port, or at all addresses.
//! Only where there is none a listener is made ([`listeners`]): one of HTTPS if the gateway has
//! certificates, with those of its first listener of HTTPS and all else that this one asks of clients,
//! else a plain one. At such a listener nothing is found but what has its place there.
//!
//! Invariants:
//! - a service with a place is found there and nowhere else;
//! - of several places that a connection belongs to the narrower comes first: address and port, the
//!   port, the address, then what has no place of its own;
//! - without such services a request pays for one look at a flag.
//!
//! Bounds: an index a place, and one place a service at most, of which the table has a bound.

mod listeners;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use rutter_route::{ListenAt, Service, ServiceName};

use crate::index::{Found, HostIndex, HostMatching};
use crate::routes::Routes;
use crate::server::{Front, Gate};
use listeners::Listeners;

/// Where a client is connected to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectedAt {
    /// Our end of the connection.
    pub(crate) local: SocketAddr,
    /// Whether its listener was made for services with places of their own.
    pub(crate) is_place: bool,
}

/// The services with places of their own.
#[derive(Debug)]
pub(crate) struct Places {
    domains: Vec<ServiceName>,
    hosts: HostMatching,
    indexes: ArcSwap<HashMap<ListenAt, Arc<HostIndex>>>,
    /// Whether there is any.
    is_used: AtomicBool,
    listeners: Listeners,
}

impl Places {
    /// Nobody is listened for before [`Places::open`]. A service that says no address is listened
    /// for at `address`.
    pub(crate) fn new(domains: &[ServiceName], hosts: HostMatching, address: IpAddr) -> Self {
        Self {
            domains: domains.to_vec(),
            hosts,
            indexes: ArcSwap::default(),
            is_used: AtomicBool::new(false),
            listeners: Listeners::new(address),
        }
    }

    /// Sets the routes of services with places; `None`: it is gone. One caller at a time.
    pub(crate) fn apply(&self, updates: Vec<(Service, Option<Arc<Routes>>)>) {
        if updates.is_empty() {
            return;
        }
        let mut by_place: HashMap<ListenAt, Vec<_>> = HashMap::new();
        for (service, routes) in updates {
            by_place.entry(service.at()).or_default().push((service, routes));
        }
        let mut indexes = HashMap::clone(&self.indexes.load());
        for (at, updates) in by_place {
            let index = indexes
                .entry(at)
                .or_insert_with(|| Arc::new(HostIndex::small(&self.domains, self.hosts.clone())));
            index.apply(updates);
            if index.is_empty() {
                indexes.remove(&at);
            }
        }
        self.listeners.want(indexes.keys().copied().collect());
        self.is_used.store(!indexes.is_empty(), Ordering::Relaxed);
        self.indexes.store(Arc::new(indexes));
    }

    /// The first of what the host leads to at the places of a connection, narrower ones first, that
    /// `wanted` takes.
    pub(crate) fn find_map<R>(
        &self,
        local: SocketAddr,
        host: &str,
        mut wanted: impl FnMut(Found) -> Option<R>,
    ) -> Option<R> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let indexes = self.indexes.load();
        let (address, port) = (Some(local.ip().to_canonical()), Some(local.port()));
        let places = [
            ListenAt { address, port },
            ListenAt { address: None, port },
            ListenAt { address, port: None },
        ];
        let found = places.iter().filter_map(|at| indexes.get(at)?.find(host));
        found.into_iter().find_map(&mut wanted)
    }

    /// Listens from now on. `own` are the gateway's listeners.
    pub(crate) fn open(&self, own: Vec<(SocketAddr, Arc<Front>)>, gate: Arc<Gate>) {
        self.listeners.open(own, gate);
    }

    /// Stops to listen, and waits until every socket is closed.
    pub(crate) async fn close(&self) {
        self.listeners.close().await;
    }

    /// The same without the wait.
    pub(crate) fn stop_listening(&self) {
        self.listeners.stop();
    }
}
