//! The way to one peer: connections to its address, with TLS where there are certificates.
//!
//! The other end's certificate must be good for its address, as the original asks, and must name the
//! peer: a host of the same CA isn't any peer. Both protocols go this way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::pki_types::ServerName;
use rutter_link::{ByteStream, Connects};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::{Exchange, Identity, OverlayError, Peer, PeerName, tls};

/// See the module's head. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Way {
    peer: PeerName,
    at: SocketAddr,
    interface: Option<String>,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("peer", &self.peer).field("at", &self.at).finish()
    }
}

impl Way {
    /// The way to `peer` at `at`. Nothing is connected yet.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub(crate) fn to(
        peer: &Peer,
        at: SocketAddr,
        exchange: &Exchange,
    ) -> Result<Self, OverlayError> {
        let tls = match &exchange.identity {
            Identity::Certificates(files) => {
                Some(TlsConnector::from(Arc::new(tls::client_config(files)?)))
            }
            Identity::Unproven | Identity::Insecure => None,
        };
        let interface = peer.interface.as_ref().map(ToString::to_string);
        Ok(Self { peer: peer.name.clone(), at, interface, tls })
    }

    /// Whose it is.
    pub(crate) fn peer(&self) -> &PeerName {
        &self.peer
    }

    /// Where it leads.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = match self.at {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.connect(self.at).await
    }
}

#[async_trait]
impl Connects for Way {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        let stream = self.dial().await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let stream = tls.connect(ServerName::from(self.at.ip()), stream).await?;
        let name = tls::common_name(stream.get_ref().1.peer_certificates());
        match name.as_deref() {
            Some(name) if name == self.peer.as_str() => Ok(Box::new(stream)),
            name => Err(io::Error::other(format!("its certificate names {name:?}, not the peer"))),
        }
    }
}
