//! The listener: connections, their TLS, and the keys that they show.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::server::ResolvesServerCert;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::{AcceptConfig, Accepter, Admission, HANDSHAKE};
use crate::wire::MAX_MESSAGE;
use crate::wire::v1::link_server::LinkServer;
use crate::{LinkError, PeerKey, tls};

/// The most streams that one connection may have open: a session, and an enrolment before it.
const STREAMS: u32 = 8;

/// How long the listener rests when the system has no more descriptors.
const REST: std::time::Duration = std::time::Duration::from_millis(100);

/// A socket for dialers.
#[derive(Debug)]
pub struct LinkListener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Who dialled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) from: SocketAddr,
}

impl LinkListener {
    /// Takes an address. Port 0 lets the system choose.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::from_std(std::net::TcpListener::bind(address)?)
    }

    /// A socket that listens already, as one that was handed over.
    ///
    /// # Errors
    /// The socket can't be used.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket: TcpListener::from_std(socket)?, address })
    }

    /// The socket, once more: for another process that is to go on with it.
    ///
    /// # Errors
    /// There are no more descriptors.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then sessions are told goodbye and end.
    ///
    /// # Errors
    /// [`LinkError::Tls`].
    pub async fn serve(
        self,
        config: AcceptConfig,
        certificate: Arc<dyn ResolvesServerCert>,
        admission: Arc<dyn Admission>,
        stop: CancellationToken,
    ) -> Result<(), LinkError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(certificate)?));
        let room = Arc::new(Semaphore::new(config.max_connections));
        let (shaken, incoming) = mpsc::channel(16);
        let accepting = accept(self.socket, acceptor, room, shaken, stop.clone());
        let accepting = tokio::spawn(accepting);
        let service = LinkServer::new(Accepter::new(config, admission, stop.clone()))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let served = Server::builder()
            .max_concurrent_streams(STREAMS)
            .add_service(service)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled())
            .await;
        accepting.abort();
        served.map_err(|error| LinkError::Tls(error.to_string()))
    }
}

async fn accept(
    socket: TcpListener,
    acceptor: TlsAcceptor,
    room: Arc<Semaphore>,
    shaken: mpsc::Sender<io::Result<Connection>>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the link can't accept a connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            tracing::warn!(%from, "the link has as many connections as it may have");
            continue;
        };
        let (acceptor, shaken) = (acceptor.clone(), shaken.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, handshake(acceptor, stream, from, place)).await {
                Ok(Ok(connection)) => {
                    // The server is gone only at the end.
                    let _ended = shaken.send(Ok(connection)).await;
                }
                Ok(Err(why)) => tracing::debug!(%from, %why, "no TLS handshake on the link"),
                Err(_) => tracing::debug!(%from, "a TLS handshake on the link took too long"),
            }
        });
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let key = tls::peer_key(stream.get_ref().1.peer_certificates());
    let key = key.ok_or_else(|| io::Error::other("no Ed25519 key was shown"))?;
    Ok(Connection { stream, peer: Peer { key, from }, _place: place })
}

/// A connection whose key is known.
struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
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
