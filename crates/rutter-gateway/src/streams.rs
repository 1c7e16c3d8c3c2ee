//! Streams: TCP and UDP, passed on as they are.
//!
//! ```text
//!  services table ─▶ feed ─▶ Streams::set ─┬─ a port of its own ─▶ Place ─┬─ TCP: an acceptor ─▶ worker: relay
//!                                          │                             └─ UDP: one socket ─▶ worker: sessions
//!                                          └─ none: by SNI ─▶ index ◀── the HTTPS listeners' handshakes
//! ```
//!
//! **Places.** A service of TCP or UDP that says a port is listened for there, from the moment that it
//! has routes until it is gone. A place that can't be listened at (another program has the port, or this
//! machine lacks the address for now) is told once and tried again, at first soon ([`SOON`]) and then
//! seldom ([`SELDOM`]). Of several
//! services at one place the first by name is served, which is the same everywhere; the controller's
//! catalogue lets only one in anyway.
//!
//! **What is open stays open.** A change of routes is of the next connection on. Whoever is connected
//! stays with its upstream until one of the two ends it, also when the service is gone: nobody can say
//! of bytes that they don't understand where they might be cut.
//!
//! **Failover.** Until an upstream is connected to, nothing of a client has been passed on, so the
//! routes are tried one after the other, as those of a request are; after that never again.
//!
//! **The end.** Listeners close with those of HTTP. Streams go on until `limits.drain` is over, and
//! are then closed and counted (`tunnels_cut`). Sockets of streams aren't handed over: a successor
//! listens as soon as they are closed here, which its next try finds, and who connects in between is
//! refused.
//!
//! Bounds: connections of TCP are among `limits.max_connections` and those of their client, as any;
//! clients of UDP are bounded by [`StreamConfig::max_udp_sessions`] and per client as well. A stream
//! at rest holds no buffer.

mod config;
mod datagrams;
mod pick;
mod place;
mod relay;
mod splice;
mod tcp;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_route::{Listener, Service};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::StreamConfig;
pub(crate) use datagrams::Datagrams;
pub(crate) use place::Place;
pub(crate) use tcp::{Stranger, pass_on};

use crate::index::{Found, HostIndex};
use crate::routes::Routes;
use crate::server::Gate;

/// How long until it is first tried again to listen at a place; each further time twice as long.
const SOON: Duration = Duration::from_millis(10);

/// How long at most.
const SELDOM: Duration = Duration::from_secs(1);

/// The services that are no HTTP: where they are listened for, and by which ways they are passed on.
#[derive(Debug)]
pub(crate) struct Streams {
    config: StreamConfig,
    /// Services of TCP without a port, by the names in handshakes.
    by_name: HostIndex,
    placed: Mutex<Placed>,
    /// Among [`StreamConfig::max_udp_sessions`].
    sessions: Arc<Semaphore>,
    /// Listeners, waited for at the end.
    listening: TaskTracker,
}

#[derive(Debug, Default)]
struct Placed {
    at: HashMap<(Listener, SocketAddr), AtPlace>,
    /// What listeners need; `None`: nobody is listened for yet, or any more.
    gate: Option<Arc<Gate>>,
}

/// What is asked for at one place.
#[derive(Debug)]
struct AtPlace {
    wanted: BTreeMap<Service, Arc<Routes>>,
    place: Arc<Place>,
    stop: CancellationToken,
}

impl Streams {
    /// Nobody is listened for before [`Streams::open`]. `by_name` is empty, and matches as the index
    /// of HTTP does.
    pub(crate) fn new(config: StreamConfig, by_name: HostIndex) -> Self {
        let sessions =
            Arc::new(Semaphore::new(config.max_udp_sessions.min(Semaphore::MAX_PERMITS)));
        let (placed, listening) = (Mutex::default(), TaskTracker::new());
        Self { config, by_name, placed, sessions, listening }
    }

    /// Sets the routes of a service of TCP or UDP, best first; `None`: it is gone.
    pub(crate) fn set(&self, service: &Service, routes: Option<Arc<Routes>>) {
        let at = service.at();
        let Some(port) = at.port else {
            if service.listener == Listener::Tcp && at.address.is_none() {
                return self.by_name.set(service, routes);
            }
            if routes.is_some() {
                tracing::warn!(%service, "nobody reaches it: it says no port");
            }
            return;
        };
        let address = SocketAddr::new(at.address.unwrap_or(self.config.address), port);
        self.set_at((service.listener, address), service, routes);
    }

    fn set_at(&self, key: (Listener, SocketAddr), service: &Service, routes: Option<Arc<Routes>>) {
        let mut placed = self.placed();
        let Placed { at, gate } = &mut *placed;
        let Some(routes) = routes else {
            let Some(there) = at.get_mut(&key) else { return };
            there.wanted.remove(service);
            if !there.serve() {
                there.stop.cancel();
                at.remove(&key);
            } else {
                there.tell_others();
            }
            return;
        };
        let there = at.entry(key).or_insert_with(|| {
            let there = AtPlace::new(key);
            if let Some(gate) = gate {
                self.listen(&there, gate);
            }
            there
        });
        let is_new = there.wanted.insert(service.clone(), routes).is_none();
        there.serve();
        if is_new {
            there.tell_others();
        }
    }

    /// The routes of a service that is asked for by that name on an HTTPS listener, if there is one.
    pub(crate) fn by_name(&self, name: &str) -> Option<Found> {
        // Streams have no paths, so the host's own are meant.
        self.by_name.find(name)?.at("/")
    }

    /// Whether any service is asked for by name.
    pub(crate) fn has_names(&self) -> bool {
        self.config.sni && !self.by_name.is_empty()
    }

    /// Listens from now on.
    pub(crate) fn open(&self, gate: Arc<Gate>) {
        let mut placed = self.placed();
        placed.at.values().for_each(|there| self.listen(there, &gate));
        placed.gate = Some(gate);
    }

    /// Stops to listen, and waits until every socket is closed.
    pub(crate) async fn close(&self) {
        self.stop_listening();
        self.listening.close();
        self.listening.wait().await;
    }

    /// The same without the wait.
    pub(crate) fn stop_listening(&self) {
        let mut placed = self.placed();
        placed.gate = None;
        placed.at.drain().for_each(|(_, there)| there.stop.cancel());
    }

    /// What streams are told.
    pub(crate) fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Places for clients of UDP.
    pub(crate) fn sessions(&self) -> Arc<Semaphore> {
        self.sessions.clone()
    }

    /// The first try is made at once, so that what is served when the feed returns can be reached.
    fn listen(&self, there: &AtPlace, gate: &Arc<Gate>) {
        let (place, gate, stop) = (there.place.clone(), gate.clone(), there.stop.clone());
        let first = place.bind();
        self.listening.spawn(place.listen(first, gate, stop));
    }

    fn placed(&self) -> MutexGuard<'_, Placed> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtPlace {
    fn new((listener, address): (Listener, SocketAddr)) -> Self {
        let place = Arc::new(Place::new(listener, address));
        Self { wanted: BTreeMap::new(), place, stop: CancellationToken::new() }
    }

    /// Serves the first of those that want the place; `false`: there is none.
    fn serve(&self) -> bool {
        let Some((_, first)) = self.wanted.first_key_value() else { return false };
        self.place.set(first.clone());
        true
    }

    /// Says who wants the place and doesn't have it.
    fn tell_others(&self) {
        let Some((served, _)) = self.wanted.first_key_value() else { return };
        let others: Vec<_> = self.wanted.keys().skip(1).map(Service::to_string).collect();
        if !others.is_empty() {
            tracing::warn!(%served, ?others, "several services want one place; the first has it");
        }
    }
}
