//! Connections, each after a handshake that says who dialled: for the link's own listener and for
//! others that serve sessions beside something else.
//!
//! Bounds: so many connections, over which a newcomer is closed at once; a handshake has
//! [`HANDSHAKE`]; 16 connections wait for the server.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::server::Connected;

use super::HANDSHAKE;
use crate::{Peer, Proof};

/// How long the listener rests when the system has no more descriptors.
const REST: Duration = Duration::from_millis(100);

/// Connections that wait for the server.
const WAITING: usize = 16;

/// What a connection's bytes go over: TCP, with TLS or without.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Finds out who dialled.
#[async_trait]
pub trait Handshake: Send + Sync + 'static {
    /// What the connection goes over from now on, and what it proves.
    ///
    /// # Errors
    /// It isn't one that is spoken with.
    async fn shake(&self, stream: TcpStream) -> io::Result<(Box<dyn ByteStream>, Proof)>;
}

/// The connections of a socket, until the token is cancelled. Dropping it closes the socket.
pub struct Incoming {
    shaken: mpsc::Receiver<io::Result<Connection>>,
    _accepting: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Incoming")
    }
}

impl Incoming {
    /// Begins to accept. `what` is what the socket is for, in logs.
    pub fn of(
        socket: TcpListener,
        what: &'static str,
        max_connections: usize,
        handshake: Arc<dyn Handshake>,
        stop: CancellationToken,
    ) -> Self {
        let (ready, shaken) = mpsc::channel(WAITING);
        let room = Arc::new(Semaphore::new(max_connections));
        let door = Door { socket, what, room, handshake, ready };
        Self { shaken, _accepting: AbortOnDropHandle::new(tokio::spawn(door.accept(stop))) }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shaken.poll_recv(cx)
    }
}

struct Door {
    socket: TcpListener,
    what: &'static str,
    room: Arc<Semaphore>,
    handshake: Arc<dyn Handshake>,
    ready: mpsc::Sender<io::Result<Connection>>,
}

impl Door {
    async fn accept(self, stop: CancellationToken) {
        let what = self.what;
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "{what} can't accept a connection");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Ok(place) = self.room.clone().try_acquire_owned() else {
                tracing::warn!(%from, "{what} has as many connections as it may have");
                continue;
            };
            let (handshake, ready) = (self.handshake.clone(), self.ready.clone());
            tokio::spawn(async move {
                let shaken = shake(&*handshake, stream, from, place);
                match tokio::time::timeout(HANDSHAKE, shaken).await {
                    Ok(Ok(connection)) => {
                        // The server is gone only at the end.
                        let _ended = ready.send(Ok(connection)).await;
                    }
                    Ok(Err(why)) => tracing::debug!(%from, %why, "{what}: no handshake"),
                    Err(_) => tracing::debug!(%from, "{what}: a handshake took too long"),
                }
            });
        }
    }
}

async fn shake(
    handshake: &dyn Handshake,
    stream: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let (stream, proof) = handshake.shake(stream).await?;
    Ok(Connection { stream, peer: Peer { proof, from }, _place: place })
}

/// A connection after its handshake.
pub struct Connection {
    stream: Box<dyn ByteStream>,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
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
