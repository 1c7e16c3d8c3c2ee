//! One listener: accepts, and hands each connection to the worker with the fewest; turns away whom
//! the ACL doesn't let in and whom [`super::clients`] finds to have too many.
//!
//! Where the client's address comes in a PROXY header both are asked by the worker that reads it
//! ([`super::proxied`]): here it isn't known yet, and nobody but trusted peers gets that far.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ServerConfig;
use smol_str::SmolStr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::clients::{ClientPlace, Clients};
use super::worker::{Inbox, Job};
use crate::proxy::{Settings, Shared};
use crate::proxy_protocol::Expected;
use crate::streams::{Datagrams, Place};

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A connection on its way to a worker. The stream belongs to no runtime yet.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) to: To,
    /// Whether a PROXY header comes first.
    pub(super) header: Option<HeaderFirst>,
    pub(super) admitted: Arc<Admitted>,
}

/// What is done with the connections of a listener.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// HTTP is spoken.
    Http(Arc<Front>),
    /// They are passed on as they are, to whom the place leads.
    Stream {
        /// The place.
        place: Arc<Place>,
        /// For those whose TLS ends here; `None`: the gateway has none.
        certificates: Option<Arc<Certificates>>,
    },
}

/// How HTTP is spoken at a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Front {
    /// `None`: plain.
    pub(super) tls: Option<Arc<Certificates>>,
    /// The TLS of neighbours, who alone are let in; `None`: it is for people.
    pub(super) neighbours: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 may begin unasked on a plain connection.
    pub(super) h2c: bool,
    /// The port of HTTPS that its requests are sent to instead.
    pub(crate) redirect: Option<u16>,
    /// The profile of which every client shows a certificate.
    pub(super) profile: Option<SmolStr>,
    /// Whether only services with a place of their own are found there.
    pub(crate) is_place: bool,
}

impl Front {
    /// Whether TLS is spoken.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some() || self.neighbours.is_some()
    }
}

/// A trusted peer may send, or must, a PROXY header before anything else. Until then it isn't known
/// whose connection it is.
#[derive(Debug)]
pub(super) struct HeaderFirst {
    pub(super) required: bool,
    /// Where the client is counted when it is known.
    pub(super) clients: Arc<Clients>,
}

/// A connection's places among all and among its client's. They are given back when the last part
/// of it has ended: a tunnel that it became outlives the task that served it.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Among `max_connections`.
    _permit: OwnedSemaphorePermit,
    /// Among `max_connections_per_client`; unset until it is known who that is.
    client: OnceLock<ClientPlace>,
}

impl Admitted {
    /// Keeps the place of a client that wasn't known when the connection was accepted.
    pub(super) fn keep(&self, place: ClientPlace) {
        // A connection has one client; a second place would be given back at once.
        drop(self.client.set(place));
    }

    /// Of a connection that shares its bounds with no other.
    #[cfg(test)]
    pub(super) fn alone() -> Self {
        let one = Arc::new(Semaphore::new(1));
        let client = OnceLock::from(ClientPlace::exempt());
        Self { _permit: one.try_acquire_owned().unwrap(), client }
    }
}

/// What all listeners share: the bounds, and the workers behind them.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(super) permits: Arc<Semaphore>,
    pub(super) clients: Arc<Clients>,
    pub(super) workers: Vec<Inbox>,
    pub(crate) shared: Arc<Shared>,
    /// The certificates of listeners that come with a route: those of the first TLS listener.
    pub(super) certificates: Option<Arc<Certificates>>,
}

/// Who may come in, as far as an address says.
enum Entry {
    In(ClientPlace),
    /// Its address will be told.
    Told(HeaderFirst),
    Out,
}

impl Gate {
    /// Whether somebody who connects from there is let in.
    fn enter(&self, peer: SocketAddr) -> Entry {
        let settings = self.shared.settings.load();
        match settings.proxy_protocol.header_of(peer.ip()) {
            Expected::None => {}
            Expected::Untrusted => {
                self.shared.metrics.proxy_headers_refused.add(1);
                tracing::debug!(client = %peer, "a client may not send the PROXY header it must");
                return Entry::Out;
            }
            Expected::Header { required } => {
                return Entry::Told(HeaderFirst { required, clients: self.clients.clone() });
            }
        }
        match lets_in(&self.shared, &settings, &self.clients, peer) {
            Some(place) => Entry::In(place),
            None => Entry::Out,
        }
    }

    /// A place for a client of UDP, of whom no header tells; `None`: it isn't let in.
    pub(crate) fn enter_udp(&self, client: SocketAddr) -> Option<ClientPlace> {
        lets_in(&self.shared, &self.shared.settings.load(), &self.clients, client)
    }

    /// The worker with the fewest connections.
    fn freest(&self) -> Option<&Inbox> {
        self.workers.iter().min_by_key(|w| w.n_open())
    }

    /// For a listener of a stream.
    pub(crate) fn stream(&self, place: Arc<Place>) -> To {
        To::Stream { place, certificates: self.certificates.clone() }
    }

    /// Has a worker pass on datagrams.
    pub(crate) fn datagrams(&self, datagrams: Datagrams) {
        // There is at least one worker, and its thread lives until the listeners are gone.
        if let Some(inbox) = self.freest() {
            inbox.put(Job::Datagrams(datagrams));
        }
    }
}

/// A place for one connection more of the client at that address; `None`: it isn't let in, or has
/// too many.
pub(super) fn lets_in(
    shared: &Shared,
    settings: &Settings,
    clients: &Arc<Clients>,
    client: SocketAddr,
) -> Option<ClientPlace> {
    if !settings.acl.lets_in(client.ip()) {
        shared.metrics.acl_denied.add(1);
        tracing::debug!(%client, "a client isn't let in by the ACL");
        return None;
    }
    if settings.trusts(client) {
        return Some(ClientPlace::exempt());
    }
    let place = clients.enter(client.ip(), settings.max_connections_per_client);
    if place.is_none() {
        shared.metrics.connections_refused.add(1);
        tracing::debug!(%client, "a client has too many connections");
    }
    place
}

/// A listener's task to be.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) listener: Arc<TcpListener>,
    pub(crate) address: SocketAddr,
    pub(crate) to: To,
    pub(crate) gate: Arc<Gate>,
}

impl Acceptor {
    /// Accepts until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.hand_over(accepted),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(listener = %self.address, %error, "can't accept connections");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        // The permit first: with none left nobody is accepted.
        let permit = self.gate.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer, client, header) = loop {
            let (stream, peer) = self.listener.accept().await?;
            match self.gate.enter(peer) {
                Entry::In(place) => break (stream, peer, OnceLock::from(place), None),
                Entry::Told(header) => break (stream, peer, OnceLock::new(), Some(header)),
                // A reset, so that nothing of it stays here, not even the kernel's memory of a
                // closed socket.
                Entry::Out => stream.set_zero_linger()?,
            }
        };
        let admitted = Arc::new(Admitted { _permit: permit, client });
        Ok(Accepted { stream: detach(stream)?, peer, to: self.to.clone(), header, admitted })
    }

    fn hand_over(&self, accepted: Accepted) {
        self.gate.shared.metrics.connections.add(1);
        // There is at least one worker, and its thread lives until the acceptors are gone.
        if let Some(inbox) = self.gate.freest() {
            inbox.put(Job::Connection(accepted));
        }
    }
}

fn detach(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    crate::socket::prepare(&stream)?;
    stream.into_std()
}

/// Errors that a client caused by going away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput
    )
}
