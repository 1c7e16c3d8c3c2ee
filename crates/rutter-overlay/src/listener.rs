//! Connections of callers, and the names that they prove.
//!
//! Bounds: [`CONNECTIONS`], over which a newcomer is closed; [`STREAMS`] calls a connection, each
//! with a message of the configured size at most; a handshake has [`HANDSHAKE`].

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::service::Service;
use super::wire::v1::n_net_man_server::NNetManServer;
use super::{Host, NNetManError, tls};
use crate::Identity;

/// The most connections.
const CONNECTIONS: usize = 1024;

/// The most calls at once on a connection.
const STREAMS: u32 = 16;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often an idle connection is asked, and how long its answer may take, as in the original.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(10);

/// How long the listener rests when the system has no more descriptors.
const REST: Duration = Duration::from_millis(100);

/// A socket for callers.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// What a connection proves of its caller.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    /// The common name of its certificate; `None` without TLS.
    pub(super) name: Option<Arc<str>>,
}

impl Listener {
    /// Takes an address. Port 0 lets the system choose.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket: TcpListener::from_std(socket)?, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// Certificates that can't be used, or the listener's own fault.
    pub async fn serve(self, host: Host, stop: CancellationToken) -> Result<(), NNetManError> {
        let exchange = &host.config().exchange;
        let acceptor = match &exchange.identity {
            Identity::Certificates(files) => {
                Some(TlsAcceptor::from(Arc::new(tls::server_config(files)?)))
            }
            Identity::Unproven | Identity::Insecure => None,
        };
        let (ready, incoming) = mpsc::channel(16);
        let accepting = tokio::spawn(accept(self.socket, acceptor, ready, stop.clone()));
        let limit = exchange.max_message;
        let service = NNetManServer::new(Service { host, stop: stop.clone() })
            .max_decoding_message_size(limit)
            .max_encoding_message_size(limit);
        let served = Server::builder()
            .max_concurrent_streams(STREAMS)
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PONG))
            .add_service(service)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled())
            .await;
        accepting.abort();
        served.map_err(|error| NNetManError::Serve(error.to_string()))
    }
}

async fn accept(
    socket: TcpListener,
    acceptor: Option<TlsAcceptor>,
    ready: mpsc::Sender<io::Result<Connection>>,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the overlay's exchange can't accept a connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            tracing::warn!(%from, "the overlay's exchange has its {CONNECTIONS} connections");
            continue;
        };
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, handshake(acceptor, stream, place)).await {
                Ok(Ok(connection)) => {
                    // The server is gone only at the end.
                    let _ended = ready.send(Ok(connection)).await;
                }
                Ok(Err(why)) => tracing::debug!(%from, %why, "no handshake with a peer"),
                Err(_) => tracing::debug!(%from, "a handshake with a peer took too long"),
            }
        });
    }
}

async fn handshake(
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        let proven = Proven { name: None };
        return Ok(Connection { stream: Box::new(stream), proven, _place: place });
    };
    let stream = acceptor.accept(stream).await?;
    let name = tls::common_name(stream.get_ref().1.peer_certificates());
    let name = name.ok_or_else(|| io::Error::other("the certificate has not one common name"))?;
    let proven = Proven { name: Some(name.into()) };
    Ok(Connection { stream: Box::new(stream), proven, _place: place })
}

/// A connection, with or without TLS.
struct Connection {
    stream: Box<dyn tls::Stream>,
    proven: Proven,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Proven;

    fn connect_info(&self) -> Proven {
        self.proven.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
