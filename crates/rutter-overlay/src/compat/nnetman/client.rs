//! One peer, as we call it.
//!
//! A connection is made when a call needs one, and made again after it was lost; calls at the same
//! time share it. The other end's certificate must be good for its address, as the original asks,
//! and must name the peer: a host of the same CA isn't any peer.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tower::service_fn;

use super::service::now_ms;
use super::wire::v1;
use super::wire::v1::n_net_man_client::NNetManClient;
use super::{NNetManError, tls};
use crate::{Exchange, Identity, Peer, PeerName};

/// A peer that can be called. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    calls: Arc<Mutex<NNetManClient<Channel>>>,
    way: Arc<Way>,
    node_id: String,
}

/// What a connection is made by.
struct Way {
    peer: PeerName,
    at: SocketAddr,
    interface: Option<String>,
    tls: Option<TlsConnector>,
    /// How long a connection may take to come about.
    patience: Duration,
    max_message: usize,
}

impl Client {
    /// Calls `peer` at `at`, as `node`. Nothing is connected yet.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub(super) fn new(
        node: &PeerName,
        peer: &Peer,
        at: SocketAddr,
        exchange: &Exchange,
    ) -> Result<Self, NNetManError> {
        let tls = match &exchange.identity {
            Identity::Certificates(files) => {
                Some(TlsConnector::from(Arc::new(tls::client_config(files)?)))
            }
            Identity::Unproven | Identity::Insecure => None,
        };
        let interface = peer.interface.as_ref().map(ToString::to_string);
        let way = Arc::new(Way {
            peer: peer.name.clone(),
            at,
            interface,
            tls,
            patience: peer.timers_of_original.dead,
            max_message: exchange.max_message,
        });
        let calls = Arc::new(Mutex::new(way.calls()));
        Ok(Self { calls, way, node_id: node.to_string() })
    }

    /// The same without a name, as a caller may be whose certificate names it.
    #[cfg(test)]
    pub(super) fn unnamed(&self) -> Self {
        Self { node_id: String::new(), ..self.clone() }
    }

    /// Calls from now on go over a new connection.
    pub(super) fn reconnect(&self) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = self.way.calls();
    }

    fn calls(&self) -> NNetManClient<Channel> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says all there is, or with no routes asks whether the peer is there; both are answered with
    /// its own routes.
    pub(super) async fn exchange(
        &self,
        routes: Vec<v1::Route>,
        within: Duration,
    ) -> Result<Vec<v1::Route>, NNetManError> {
        let node_id = self.node_id.clone();
        let request = v1::StateRequest { node_id, routes, timestamp_ms: now_ms() };
        let mut calls = self.calls();
        let answer = self.within(within, calls.exchange_state(Request::new(request))).await?;
        if answer.node_id != self.way.peer.as_str() {
            let why = format!("it is {:?}, not the peer", answer.node_id);
            return Err(NNetManError::Refused { peer: self.way.peer.to_string(), why });
        }
        Ok(answer.routes)
    }

    /// Says further routes, or the same again. Answers with what the peer says of refused ones.
    pub(super) async fn announce(
        &self,
        routes: Vec<v1::Route>,
        within: Duration,
    ) -> Result<String, NNetManError> {
        let node_id = self.node_id.clone();
        let request = v1::RouteAnnouncement { node_id, routes, timestamp_ms: now_ms() };
        let mut calls = self.calls();
        let ack = self.within(within, calls.announce_routes(Request::new(request))).await?;
        self.accepted(ack)
    }

    /// Takes networks back.
    pub(super) async fn withdraw(
        &self,
        prefixes: Vec<String>,
        within: Duration,
    ) -> Result<(), NNetManError> {
        let node_id = self.node_id.clone();
        let request = v1::RouteWithdrawal { node_id, prefixes, timestamp_ms: now_ms() };
        let mut calls = self.calls();
        let ack = self.within(within, calls.withdraw_routes(Request::new(request))).await?;
        self.accepted(ack).map(drop)
    }

    fn accepted(&self, ack: v1::RouteAck) -> Result<String, NNetManError> {
        match ack.accepted {
            true => Ok(ack.error),
            false => Err(NNetManError::Refused { peer: self.way.peer.to_string(), why: ack.error }),
        }
    }

    /// The answer to a call, which is given up after a while.
    async fn within<T>(
        &self,
        within: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, NNetManError> {
        match tokio::time::timeout(within, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failed(&status)),
            Err(_) => Err(NNetManError::Unreachable {
                peer: self.way.peer.to_string(),
                why: format!("no answer in {within:?}"),
                closed: false,
            }),
        }
    }

    fn failed(&self, status: &Status) -> NNetManError {
        let peer = self.way.peer.to_string();
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                let (why, closed) = cause(status);
                NNetManError::Unreachable { peer, why, closed }
            }
            code => NNetManError::Refused { peer, why: format!("{code:?}: {}", status.message()) },
        }
    }
}

/// The cause at the bottom, and whether it is that nobody is at the other end.
fn cause(status: &Status) -> (String, bool) {
    let mut cause: &(dyn std::error::Error + 'static) = status;
    let mut closed = false;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        closed |= cause.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            )
        });
    }
    (cause.to_string(), closed)
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("peer", &self.peer).field("at", &self.at).finish()
    }
}

impl Way {
    fn calls(self: &Arc<Self>) -> NNetManClient<Channel> {
        let way = self.clone();
        let connect = service_fn(move |_: Uri| {
            let way = way.clone();
            async move { way.connect().await.map(TokioIo::new) }
        });
        // Never looked up: the connector goes where the peer is.
        let channel = Endpoint::from_static("http://peer.invalid")
            .connect_timeout(self.patience)
            .connect_with_connector_lazy(connect);
        NNetManClient::new(channel)
            .max_decoding_message_size(self.max_message)
            .max_encoding_message_size(self.max_message)
    }

    async fn connect(&self) -> io::Result<Box<dyn tls::Stream>> {
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
