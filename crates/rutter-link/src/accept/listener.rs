//! The link's own listener: TLS in which dialers show their keys.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use async_trait::async_trait;
use rustls::server::ResolvesServerCert;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::incoming::{ByteStream, Handshake, Incoming};
use super::{AcceptConfig, Admission, link_service};
use crate::{LinkError, Proof, tls};

/// The most streams that one connection may have open: a session, and an enrolment before it.
const STREAMS: u32 = 8;

/// A socket for dialers.
#[derive(Debug)]
pub struct LinkListener {
    socket: TcpListener,
    address: SocketAddr,
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
        let tls = TlsAcceptor::from(Arc::new(tls::server_config(certificate)?));
        let (handshake, max) = (Arc::new(Keys(tls)), config.max_connections);
        let incoming = Incoming::of(self.socket, "the link", max, handshake, stop.clone());
        let served = Server::builder()
            .max_concurrent_streams(STREAMS)
            .add_service(link_service(config, admission, stop.clone()))
            .serve_with_incoming_shutdown(incoming, stop.cancelled())
            .await;
        served.map_err(|error| LinkError::Tls(error.to_string()))
    }
}

/// Takes whoever shows an Ed25519 key.
struct Keys(TlsAcceptor);

#[async_trait]
impl Handshake for Keys {
    async fn shake(&self, stream: TcpStream) -> io::Result<(Box<dyn ByteStream>, Proof)> {
        let stream = self.0.accept(stream).await?;
        let key = tls::peer_key(stream.get_ref().1.peer_certificates());
        let key = key.ok_or_else(|| io::Error::other("no Ed25519 key was shown"))?;
        Ok((Box::new(stream), Proof::Key(key)))
    }
}
