//! The end that dials.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Channel;

use super::{MAX_NEIGHBOUR_MESSAGE, NeighbourSession, NextHopAnswer, NextHopAsk};
use crate::accept::ByteStream;
use crate::talk::QUEUE;
use crate::wire::v1;
use crate::wire::v1::fabric_client::FabricClient;
use crate::{Connects, Dialer, KeyVerifier, LinkError, Pulse, SharedIdentity};

/// Dials one address of one neighbour.
#[derive(Debug, Clone)]
pub struct NeighbourDialer {
    dialer: Dialer,
    remote: String,
    name: String,
    pulse: Pulse,
    patience: Duration,
}

impl NeighbourDialer {
    /// A dialer of `HOST:PORT`, which shows `identity` and takes whom `verifier` knows. It calls
    /// itself `name`; a session may take `patience` to come about.
    ///
    /// # Errors
    /// [`LinkError::Tls`].
    pub fn new(
        (address, name): (&str, &str),
        identity: &SharedIdentity,
        verifier: KeyVerifier,
        (pulse, patience): (Pulse, Duration),
    ) -> Result<Self, LinkError> {
        let tls = TlsConnector::from(Arc::new(verifier.client_config(identity)?));
        let connects = Mutual { address: address.to_owned(), tls };
        let dialer = Dialer::over(address, Arc::new(connects), name).with_patience(patience);
        let (remote, name) = (address.to_owned(), name.to_owned());
        Ok(Self { dialer, remote, name, pulse, patience })
    }

    /// Begins a session.
    ///
    /// # Errors
    /// None comes about.
    pub async fn session(&self) -> Result<NeighbourSession, LinkError> {
        let mut client = self.client().await?;
        let (said, to_send) = mpsc::channel(QUEUE);
        let heard = client.session(ReceiverStream::new(to_send));
        let heard = match tokio::time::timeout(self.patience, heard).await {
            Ok(Ok(heard)) => heard.into_inner(),
            Ok(Err(status)) => return Err(self.dialer.refused(&status)),
            Err(_) => return Err(self.dialer.unreachable("no answer in time")),
        };
        let ends = (self.remote.clone(), self.name.as_str());
        let begun = NeighbourSession::begin(heard, said, ends, self.pulse);
        match tokio::time::timeout(self.patience, begun).await {
            Ok(begun) => begun,
            Err(_) => Err(self.dialer.unreachable("no hello in time")),
        }
    }

    /// Asks the neighbour which of its own a request goes to.
    ///
    /// # Errors
    /// It can't be reached, or says no.
    pub async fn next_hop(&self, ask: NextHopAsk) -> Result<NextHopAnswer, LinkError> {
        let mut client = self.client().await?;
        let NextHopAsk { destination, avoid, visited, hop_budget } = ask;
        let asked = v1::NextHopRequest { destination, avoid, visited, hop_budget };
        let mut request = Request::new(asked);
        request.set_timeout(self.patience);
        let reply = client.next_hop(request).await.map_err(|s| self.dialer.refused(&s))?;
        let v1::NextHopReply { next_hop, path, reason } = reply.into_inner();
        Ok(NextHopAnswer { next_hop, path, reason })
    }

    async fn client(&self) -> Result<FabricClient<Channel>, LinkError> {
        let channel = self.dialer.channel().await?;
        Ok(FabricClient::new(channel)
            .max_decoding_message_size(MAX_NEIGHBOUR_MESSAGE)
            .max_encoding_message_size(MAX_NEIGHBOUR_MESSAGE))
    }
}

/// Connections in which both ends show keys.
struct Mutual {
    address: String,
    tls: TlsConnector,
}

impl std::fmt::Debug for Mutual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mutual").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connects for Mutual {
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        // Who it is, is told by its key and by no name.
        let name = ServerName::try_from("rutter.invalid").map_err(io::Error::other)?;
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }
}

impl KeyVerifier {
    /// TLS of one who dials.
    ///
    /// # Errors
    /// [`LinkError::Tls`].
    pub fn client_config(self, identity: &SharedIdentity) -> Result<ClientConfig, LinkError> {
        crate::tls::mutual_client(self, identity)
    }
}
