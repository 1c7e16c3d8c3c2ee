//! The end that is dialled: the gRPC service, and a listener for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::{MAX_NEIGHBOUR_MESSAGE, NeighbourSession, NextHopAnswer, NextHopAsk};
use crate::accept::{ByteStream, Handshake, Incoming, peer, status};
use crate::talk::QUEUE;
use crate::wire::v1::fabric_server::{Fabric, FabricServer};
use crate::wire::{self, v1};
use crate::{KeyVerifier, LinkError, PeerKey, Proof, Pulse, Refusal, SharedIdentity, tls};

/// The most streams that one connection may have open: a session, and questions beside it.
const STREAMS: u32 = 16;

/// The receive windows of a stream and of its connection, in bytes: a frame fits.
const WINDOW: u32 = 1024 * 1024;

/// Connections at once, before anybody has shown who it is and after.
const CONNECTIONS: usize = 4096;

/// Who has the sessions that neighbours begin.
#[async_trait]
pub trait TakesNeighbours: Send + Sync + 'static {
    /// How this end shows that it lives, and how long it waits.
    fn pulse(&self) -> Pulse;

    /// What this end calls itself.
    fn name(&self) -> String;

    /// Whether one with this key may begin a session now. What it shows in TLS was known then.
    ///
    /// # Errors
    /// What speaks against it.
    fn admit(&self, key: &PeerKey) -> Result<(), Refusal>;

    /// A session of one with this key has begun.
    async fn session(&self, key: PeerKey, session: NeighbourSession);

    /// It asks for a next hop.
    ///
    /// # Errors
    /// What speaks against an answer.
    async fn next_hop(&self, key: PeerKey, ask: NextHopAsk) -> Result<NextHopAnswer, Refusal>;
}

/// Serves neighbours on a socket until `stop`. Their sessions end with whoever took them.
///
/// # Errors
/// [`LinkError::Tls`].
pub async fn serve_neighbours(
    socket: TcpListener,
    identity: &SharedIdentity,
    verifier: KeyVerifier,
    takes: Arc<dyn TakesNeighbours>,
    stop: CancellationToken,
) -> Result<(), LinkError> {
    let config = tls::mutual_server(verifier, identity)?;
    let handshake = Arc::new(Keys(TlsAcceptor::from(Arc::new(config))));
    let incoming = Incoming::of(socket, "the fabric", CONNECTIONS, handshake, stop.clone());
    let service = FabricServer::new(NeighbourService(takes))
        .max_decoding_message_size(MAX_NEIGHBOUR_MESSAGE)
        .max_encoding_message_size(MAX_NEIGHBOUR_MESSAGE);
    let served = Server::builder()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled())
        .await;
    served.map_err(|error| LinkError::Tls(error.to_string()))
}

/// Takes whoever shows a key that the verifier knows.
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

/// The gRPC service of neighbours.
#[derive(Clone)]
pub struct NeighbourService(Arc<dyn TakesNeighbours>);

impl std::fmt::Debug for NeighbourService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NeighbourService")
    }
}

#[tonic::async_trait]
impl Fabric for NeighbourService {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<v1::Frame, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::Frame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (key, from) = known(&request)?;
        self.0.admit(&key).map_err(|refusal| status(&refusal))?;
        let (said, to_send) = mpsc::channel(QUEUE);
        let takes = self.0.clone();
        tokio::spawn(async move {
            let (name, pulse) = (takes.name(), takes.pulse());
            let heard = request.into_inner();
            match NeighbourSession::begin(heard, said, (from, &name), pulse).await {
                Ok(session) => takes.session(key, session).await,
                Err(why) => tracing::debug!(%why, "a neighbour's session doesn't begin"),
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(to_send).map(Ok))))
    }

    async fn next_hop(
        &self,
        request: Request<v1::NextHopRequest>,
    ) -> Result<Response<v1::NextHopReply>, Status> {
        let (key, _) = known(&request)?;
        let v1::NextHopRequest { destination, avoid, visited, hop_budget } = request.into_inner();
        let ask = NextHopAsk { destination, avoid, visited, hop_budget };
        let answer = self.0.next_hop(key, ask).await.map_err(|refusal| status(&refusal))?;
        let NextHopAnswer { next_hop, path, reason } = answer;
        Ok(Response::new(wire::v1::NextHopReply { next_hop, path, reason }))
    }
}

/// The key that the caller proved, and where it calls from.
fn known<T>(request: &Request<T>) -> Result<(PeerKey, String), Status> {
    let peer = peer(request)?;
    let caller = peer.proof.caller("").and_then(|caller| caller.key());
    Ok((caller.map_err(|refusal| status(&refusal))?, peer.from.to_string()))
}
