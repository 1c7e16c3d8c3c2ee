//! One listener: accepts, and hands each connection to the worker with the fewest; turns away whom
//! [`super::clients`] finds to have too many.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::clients::{ClientPlace, Clients};
use super::worker::Inbox;
use crate::proxy::Shared;

/// How long to wait when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A connection on its way to a worker. The stream belongs to no runtime yet.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 may begin unasked on a plain connection.
    pub(super) h2c: bool,
    /// The port of HTTPS that its requests are sent to instead.
    pub(super) redirect: Option<u16>,
    pub(super) admitted: Arc<Admitted>,
}

/// A connection's places among all and among its client's. They are given back when the last part
/// of it has ended: a tunnel that it became outlives the task that served it.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Among `max_connections`.
    _permit: OwnedSemaphorePermit,
    /// Among `max_connections_per_client`.
    _client: ClientPlace,
}

#[cfg(test)]
impl Admitted {
    /// Of a connection that shares its bounds with no other.
    pub(super) fn alone() -> Self {
        let one = Arc::new(Semaphore::new(1));
        Self { _permit: one.try_acquire_owned().unwrap(), _client: ClientPlace::exempt() }
    }
}

/// A listener's task to be.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) listener: Arc<TcpListener>,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Arc<Certificates>>,
    pub(super) h2c: bool,
    /// The port of HTTPS that requests are sent to instead.
    pub(super) redirect: Option<u16>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) clients: Arc<Clients>,
    pub(super) workers: Vec<Inbox>,
    pub(super) shared: Arc<Shared>,
}

impl Acceptor {
    /// Accepts until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
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
        let permit = self.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer, client) = loop {
            let (stream, peer) = self.listener.accept().await?;
            match self.enter(peer) {
                Some(client) => break (stream, peer, client),
                None => self.turn_away(&stream, peer),
            }
        };
        let tls = self.tls.as_ref().map(|t| t.config());
        let (h2c, redirect) = (self.h2c, self.redirect);
        let admitted = Arc::new(Admitted { _permit: permit, _client: client });
        Ok(Accepted { stream: detach(stream)?, peer, tls, h2c, redirect, admitted })
    }

    /// A place for one connection more of that client; `None`: it has too many.
    fn enter(&self, peer: SocketAddr) -> Option<ClientPlace> {
        let settings = self.shared.settings.load();
        match settings.trusts(peer) {
            true => Some(ClientPlace::exempt()),
            false => self.clients.enter(peer.ip(), settings.max_connections_per_client),
        }
    }

    /// A reset, so that nothing of it stays here, not even the kernel's memory of a closed socket.
    fn turn_away(&self, stream: &TcpStream, peer: SocketAddr) {
        self.shared.metrics.connections_refused.add(1);
        let reset = stream.set_zero_linger();
        tracing::debug!(client = %peer, ?reset, "a client has too many connections");
    }

    fn hand_over(&self, accepted: Accepted) {
        self.shared.metrics.connections.add(1);
        // There is at least one worker, and its thread lives until the acceptors are gone.
        if let Some(inbox) = self.workers.iter().min_by_key(|w| w.n_open()) {
            inbox.put(accepted);
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
