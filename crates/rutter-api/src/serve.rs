//! Listeners: bind, accept, serve, stop.
//!
//! One way for every listener of this crate. What a stranger can take is bounded: the number of
//! connections (more wait in the kernel's queue), the time to shake hands and to send a request's
//! head, the size of the head, and the time an answer may lie unread. A body's size and the time of
//! a whole request are the router's business ([`crate::limits`]).
//!
//! At the stop a listener accepts nothing more, lets each connection finish the request that is
//! under way, or bring one that its client had sent already ([`LINGER`]), and drops what is left
//! after [`Limits::drain`]. Event streams end at once: they watch the same token.
//!
//! Written on hyper rather than with `axum::serve`, which has neither TLS nor any of these bounds.

mod error;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

pub use error::BindError;

use crate::peer::Peer;

/// How long a connection that is kept may still bring a request after the stop, since its client may
/// be sending right now. Its answer says that it was the last.
const LINGER: Duration = Duration::from_millis(500);

/// How much longer one may that was accepted and hasn't asked for anything yet: its client has
/// connected to ask, and a busy machine takes its time.
const LINGER_NEW: Duration = Duration::from_millis(2500);

/// What one listener gives at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, counted from when the connection is ready for it; so it also
    /// ends idle connections.
    pub head: Duration,
    /// For an answer that nobody reads.
    pub unread: Duration,
    /// For requests under way when the listener stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            unread: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// A listener that has its address and doesn't serve yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
}

impl Listener {
    /// Binds an address; port 0 takes a free one. With `tls` it speaks TLS only.
    ///
    /// # Errors
    /// [`BindError`] says what to do. `name` is the listener's, as in the config.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let error = |source| BindError::new(name, address, source);
        let tcp = listen(address).map_err(error)?;
        let address = tcp.local_addr().map_err(error)?;
        Ok(Self { tcp, address, tls, limits })
    }

    /// A listener on a socket that listens already, as from a process before this one; what waits
    /// in its queue is served.
    ///
    /// # Errors
    /// The socket isn't one that can be used so.
    pub fn on(
        socket: std::net::TcpListener,
        tls: Option<Arc<ServerConfig>>,
        limits: Limits,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let tcp = TcpListener::from_std(socket)?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address, tls, limits })
    }

    /// The socket, once more.
    ///
    /// # Errors
    /// The process may have no more files open.
    pub fn socket(&self) -> std::io::Result<OwnedFd> {
        self.tcp.as_fd().try_clone_to_owned()
    }

    /// The address it has, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves until `stop` is cancelled and the connections have drained.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let tls = self.tls.map(TlsAcceptor::from);
        let tasks = TaskTracker::new();
        loop {
            let permit = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                permit = Arc::clone(&room).acquire_owned() => permit,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { break };
            // The last thing that is waited for: a connection that was accepted is served, and one
            // that wasn't waits in the socket's queue for a successor.
            let (stream, peer) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(&self.tcp) => accepted,
            };
            let connection = Connection {
                router: router.clone(),
                peer,
                limits: self.limits,
                stop: stop.clone(),
            };
            let tls = tls.clone();
            tasks.spawn(async move {
                connection.run(stream, tls).await;
                drop(permit);
            });
        }
        drop(self.tcp);
        tasks.close();
        // Each ends by itself within its bounds.
        tasks.wait().await;
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a restart needn't wait for the connections of the life before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// The next connection. Errors of `accept` are of one connection (it was reset before we came), or
/// of the process (no file descriptors left): in either case the listener goes on, after a breath.
async fn accept(tcp: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match tcp.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
    stop: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        if let Err(error) = prepare(&stream, self.limits.unread) {
            tracing::debug!(peer = %self.peer, %error, "a connection can't be prepared");
            return;
        }
        match tls {
            None => self.http(stream).await,
            Some(tls) => match timeout(self.limits.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream).await,
                Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "TLS failed"),
                Err(_) => tracing::debug!(peer = %self.peer, "TLS took too long"),
            },
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (router, peer, stop) = (self.router, Peer(self.peer), &self.stop);
        let asked = &AtomicBool::new(false);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            let mut router = router.clone();
            async move {
                // A router is always ready and never fails.
                let mut response = match router.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                if stop.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = lingered(stop, asked) => {
                connection.as_mut().graceful_shutdown();
                match timeout(self.limits.drain, connection).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        tracing::info!(peer = %self.peer, "dropped a connection at the stop");
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection ended early");
        }
    }
}

/// Waits until a connection may close that is idle, and was asked for something or not.
async fn lingered(stop: &CancellationToken, asked: &AtomicBool) {
    stop.cancelled().await;
    tokio::time::sleep(LINGER).await;
    if !asked.load(Ordering::Relaxed) {
        tokio::time::sleep(LINGER_NEW).await;
    }
}

/// No delay for small answers; and a peer that acknowledges nothing for `unread` is gone.
fn prepare(stream: &TcpStream, unread: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(unread))?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(unread).with_interval(unread))
}

#[cfg(test)]
mod tests;
