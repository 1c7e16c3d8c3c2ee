//! The listeners that places need beside the gateway's own.
//!
//! A socket that can't be bound (another program has the port, this machine lacks the address for
//! now, a predecessor or a wider listener of ours is about to close) is tried again every [`AGAIN`],
//! and told of once it has failed for a second. Who is connected when a listener closes stays
//! connected, and finds there what still has its place there.
//!
//! Sockets of places aren't handed over to a successor: it binds them as soon as they are closed here.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_route::ListenAt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::{Acceptor, Front, Gate, To};

/// How long until it is tried again to listen.
const AGAIN: Duration = Duration::from_millis(200);

/// After how many tries somebody is told.
const TRIES: u32 = 5;

#[derive(Debug)]
pub(super) struct Listeners {
    /// Where is listened for places that say no address.
    address: IpAddr,
    state: Mutex<State>,
    listening: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    wanted: HashSet<ListenAt>,
    /// `None`: nobody is listened for yet, or any more.
    open: Option<Open>,
    bound: BTreeMap<SocketAddr, CancellationToken>,
}

#[derive(Debug)]
struct Open {
    own: Vec<(SocketAddr, Arc<Front>)>,
    gate: Arc<Gate>,
}

impl Listeners {
    pub(super) fn new(address: IpAddr) -> Self {
        Self { address, state: Mutex::default(), listening: TaskTracker::new() }
    }

    /// These places are to be listened at, and no others.
    pub(super) fn want(&self, wanted: HashSet<ListenAt>) {
        let mut state = self.state();
        if state.wanted != wanted {
            state.wanted = wanted;
            self.reconcile(&mut state);
        }
    }

    pub(super) fn open(&self, own: Vec<(SocketAddr, Arc<Front>)>, gate: Arc<Gate>) {
        let mut state = self.state();
        state.open = Some(Open { own, gate });
        self.reconcile(&mut state);
    }

    pub(super) async fn close(&self) {
        self.stop();
        self.listening.close();
        self.listening.wait().await;
    }

    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.open = None;
        self.reconcile(&mut state);
    }

    fn reconcile(&self, state: &mut State) {
        let State { wanted, open, bound } = state;
        let needed = match open {
            None => BTreeMap::new(),
            Some(open) => {
                let own: Vec<_> = open.own.iter().map(|(address, _)| *address).collect();
                needed(wanted, &own, self.address)
            }
        };
        bound.retain(|address, stop| {
            let stays = needed.contains_key(address);
            if !stays {
                tracing::info!(listener = %address, "no service has its place there any more");
                stop.cancel();
            }
            stays
        });
        let Some(open) = open else { return };
        for (address, like) in needed {
            bound.entry(address).or_insert_with(|| {
                let stop = CancellationToken::new();
                // The first try is made at once, so that what is served when the feed returns can be
                // reached.
                let first = crate::socket::listen(address);
                let front = open.front(like);
                let listening = listen(first, address, front, open.gate.clone(), stop.clone());
                self.listening.spawn(listening);
                stop
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// How HTTP is spoken at a place: as at that listener of the gateway's own, else as at the first
    /// of those that speak TLS, else as at the first.
    fn front(&self, like: Option<usize>) -> Front {
        let fronts = || self.own.iter().map(|(_, front)| front);
        let found = match like {
            Some(number) => fronts().nth(number),
            None => fronts().find(|front| front.has_tls()).or_else(|| fronts().next()),
        };
        let mut front = found.map_or_else(Front::default, |front| Front::clone(front));
        // A port of its own is served, and sends nobody elsewhere.
        front.redirect = front.redirect.filter(|_| like.is_some());
        front.is_place = true;
        front
    }
}

/// Which sockets those places need that the gateway's own listeners don't give them, and like which
/// of these each is to be.
fn needed(
    places: &HashSet<ListenAt>,
    own: &[SocketAddr],
    anywhere: IpAddr,
) -> BTreeMap<SocketAddr, Option<usize>> {
    let mut needed = BTreeMap::new();
    for place in places {
        match (place.address, place.port) {
            // It is said by the gateway that such a port is listened at, and where.
            (None, Some(port)) if own.iter().any(|own| own.port() == port) => {}
            (address, Some(port)) => {
                let address = SocketAddr::new(address.unwrap_or(anywhere), port);
                if !own.iter().any(|own| covers(own, &address)) {
                    needed.insert(address, None);
                }
            }
            (Some(address), None) => {
                for (number, own_one) in own.iter().enumerate() {
                    let address = SocketAddr::new(address, own_one.port());
                    if !own.iter().any(|own| covers(own, &address)) {
                        needed.insert(address, Some(number));
                    }
                }
            }
            (None, None) => {}
        }
    }
    let all: Vec<SocketAddr> = needed.keys().copied().collect();
    needed.retain(|address, _| !all.iter().any(|wide| wide != address && covers(wide, address)));
    needed
}

/// Whether who listens at the one is connected to by who asks for the other.
fn covers(listener: &SocketAddr, address: &SocketAddr) -> bool {
    let all = listener.ip().is_unspecified()
        && (listener.is_ipv6() || address.is_ipv4() || address.ip().is_unspecified());
    listener.port() == address.port() && (all || listener.ip() == address.ip())
}

async fn listen(
    first: std::io::Result<TcpListener>,
    address: SocketAddr,
    front: Front,
    gate: Arc<Gate>,
    stop: CancellationToken,
) {
    let listener = tokio::select! {
        () = stop.cancelled() => return,
        listener = bound(first, address) => listener,
    };
    tracing::info!(listener = %address, tls = front.has_tls(), "services have their place there");
    let to = To::Http(Arc::new(front));
    Acceptor { listener: Arc::new(listener), address, to, gate }.run(stop).await;
}

async fn bound(mut tried: std::io::Result<TcpListener>, address: SocketAddr) -> TcpListener {
    let mut n_tries = 0;
    loop {
        match tried {
            Ok(listener) => return listener,
            Err(error) => {
                n_tries += 1;
                if n_tries == TRIES {
                    tracing::error!(
                        listener = %address, %error,
                        "services can't be listened for at their place; tried again"
                    );
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
        tried = crate::socket::listen(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places, the gateway's own listeners, and what is needed beside these.
    type Case = (
        &'static [&'static str],
        &'static [&'static str],
        &'static [(&'static str, Option<usize>)],
    );

    #[test]
    fn a_listener_is_made_only_where_the_gateway_has_none() {
        let cases: &[Case] = &[
            (&[":8443"], &["0.0.0.0:443"], &[("0.0.0.0:8443", None)]),
            (&[":443"], &["127.0.0.1:443"], &[]),
            (&["10.0.0.1:443"], &["0.0.0.0:443"], &[]),
            (&["10.0.0.1:443", "[::1]:443"], &["[::]:443"], &[]),
            (&["[::1]:443"], &["0.0.0.0:443"], &[("[::1]:443", None)]),
            (&["10.0.0.1:443"], &["127.0.0.1:443"], &[("10.0.0.1:443", None)]),
            (&["10.0.0.1"], &["0.0.0.0:80", "0.0.0.0:443"], &[]),
            (
                &["10.0.0.1"],
                &["127.0.0.1:80", "127.0.0.1:443"],
                &[("10.0.0.1:80", Some(0)), ("10.0.0.1:443", Some(1))],
            ),
            // A wider one of ours covers the narrower.
            (&["10.0.0.1:9000", ":9000"], &["0.0.0.0:443"], &[("0.0.0.0:9000", None)]),
            (&[], &["0.0.0.0:443"], &[]),
        ];
        for (places, own, want) in cases {
            let wanted = places.iter().map(|place| place.parse().unwrap()).collect();
            let own: Vec<_> = own.iter().map(|address| address.parse().unwrap()).collect();
            let want = want.iter().map(|(address, like)| (address.parse().unwrap(), *like));
            let anywhere = std::net::Ipv4Addr::UNSPECIFIED.into();
            let got = needed(&wanted, &own, anywhere);
            assert_eq!(got, want.collect::<BTreeMap<_, _>>(), "{places:?} {own:?}");
        }
    }
}
