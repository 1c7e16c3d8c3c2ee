//! The one port: connections of peers, whichever of the two protocols they speak.
//!
//! `rutter.v1` and `nnetman.v1` are two gRPC services on it, so a peer is found without knowing what
//! it runs, and what a connection proves of its caller is found out once, for both.
//!
//! Bounds: [`CONNECTIONS`], over which a newcomer is closed; [`STREAMS`] calls a connection, each
//! with a message of the configured size at most.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rutter_link::{AcceptConfig, ByteStream, Handshake, Incoming, Proof, link_service};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::compat::nnetman;
use crate::host::Host;
use crate::{Identity, OverlayError, tls};

/// The most connections.
const CONNECTIONS: usize = 1024;

/// The most calls at once on a connection.
const STREAMS: u32 = 16;

/// How often an idle connection is asked, and how long its answer may take, as in the original.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(10);

/// A socket for peers.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
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
        Ok(Self { socket, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What serves until `stop`; sessions are told goodbye then.
    ///
    /// # Errors
    /// Certificates, or a socket, that can't be used.
    pub(crate) fn serve(
        self,
        host: Host,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = Result<(), OverlayError>> + Send, OverlayError> {
        let config = host.config();
        let tls = match &config.exchange.identity {
            Identity::Certificates(files) => {
                Some(TlsAcceptor::from(Arc::new(tls::server_config(files)?)))
            }
            Identity::Unproven | Identity::Insecure => None,
        };
        let accept = AcceptConfig {
            pulse: crate::Timers::RUTTER.into(),
            max_connections: CONNECTIONS,
            ..AcceptConfig::new(config.node.as_str())
        };
        let socket = TcpListener::from_std(self.socket)
            .map_err(|error| OverlayError::Serve(error.to_string()))?;
        let sessions = link_service(accept, Arc::new(host.clone()), stop.clone());
        let calls = nnetman::service(host, stop.clone());
        Ok(async move {
            let (what, handshake) = ("the overlay's exchange", Arc::new(Names(tls)));
            let incoming = Incoming::of(socket, what, CONNECTIONS, handshake, stop.clone());
            let served = Server::builder()
                .max_concurrent_streams(STREAMS)
                .http2_keepalive_interval(Some(PING))
                .http2_keepalive_timeout(Some(PONG))
                .add_service(sessions)
                .add_service(calls)
                .serve_with_incoming_shutdown(incoming, stop.cancelled())
                .await;
            served.map_err(|error| OverlayError::Serve(error.to_string()))
        })
    }
}

/// Takes whoever shows a certificate of the CA; without TLS, everybody, of whom nothing is proven.
struct Names(Option<TlsAcceptor>);

#[async_trait]
impl Handshake for Names {
    async fn shake(&self, stream: TcpStream) -> io::Result<(Box<dyn ByteStream>, Proof)> {
        let Some(tls) = &self.0 else { return Ok((Box::new(stream), Proof::Nothing)) };
        let stream = tls.accept(stream).await?;
        let name = tls::common_name(stream.get_ref().1.peer_certificates());
        let name =
            name.ok_or_else(|| io::Error::other("the certificate has not one common name"))?;
        Ok((Box::new(stream), Proof::Name(name.into())))
    }
}
