//! One peer, as we call it.
//!
//! A connection is made when a call needs one, and made again after it was lost; calls at the same
//! time share it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rutter_link::Connects;
use tokio::sync::Notify;
use tokio_util::io::InspectReader;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tower::service_fn;

use super::service::now_ms;
use super::wire::v1;
use super::wire::v1::n_net_man_client::NNetManClient;
use crate::way::Way;
use crate::{OverlayError, PeerName};

/// A peer that can be called. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    calls: NNetManClient<Channel>,
    peer: PeerName,
    node_id: String,
    closed: Arc<Notify>,
}

/// Tells when it is dropped.
struct Tells(Arc<Notify>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Client {
    /// Calls the peer at the end of the way, as `node`. Nothing is connected yet. A connection may
    /// take `patience` to come about.
    pub(super) fn new(node: &PeerName, way: &Way, patience: Duration, max_message: usize) -> Self {
        let (peer, node_id) = (way.peer().clone(), node.to_string());
        let (way, closed) = (way.clone(), Arc::new(Notify::new()));
        let closes = closed.clone();
        let connect = service_fn(move |_: Uri| {
            let (way, tells) = (way.clone(), Tells(closes.clone()));
            async move {
                let stream = way.connect().await?;
                // The channel doesn't say that a connection has ended, but lets go of it then.
                let kept = move |_: &[u8]| _ = &tells;
                io::Result::Ok(TokioIo::new(InspectReader::new(stream, kept)))
            }
        });
        // Never looked up: the connector goes where the peer is.
        let channel = Endpoint::from_static("http://peer.invalid")
            .connect_timeout(patience)
            .connect_with_connector_lazy(connect);
        let calls = NNetManClient::new(channel)
            .max_decoding_message_size(max_message)
            .max_encoding_message_size(max_message);
        Self { calls, peer, node_id, closed }
    }

    /// A connection has ended since this was waited for last, by the peer or because it couldn't be
    /// made.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// The same without a name, as a caller may be whose certificate names it.
    #[cfg(test)]
    pub(super) fn unnamed(&self) -> Self {
        Self { node_id: String::new(), ..self.clone() }
    }

    /// Says all there is, or with no routes asks whether the peer is there; both are answered with
    /// its own routes.
    pub(super) async fn exchange(
        &self,
        routes: Vec<v1::Route>,
        within: Duration,
    ) -> Result<Vec<v1::Route>, OverlayError> {
        let node_id = self.node_id.clone();
        let request = v1::StateRequest { node_id, routes, timestamp_ms: now_ms() };
        let mut calls = self.calls.clone();
        let answer = self.within(within, calls.exchange_state(Request::new(request))).await?;
        if answer.node_id != self.peer.as_str() {
            let why = format!("it is {:?}, not the peer", answer.node_id);
            return Err(OverlayError::Refused { peer: self.peer.to_string(), why });
        }
        Ok(answer.routes)
    }

    /// Says further routes, or the same again. Answers with what the peer says of refused ones.
    pub(super) async fn announce(
        &self,
        routes: Vec<v1::Route>,
        within: Duration,
    ) -> Result<String, OverlayError> {
        let node_id = self.node_id.clone();
        let request = v1::RouteAnnouncement { node_id, routes, timestamp_ms: now_ms() };
        let mut calls = self.calls.clone();
        let ack = self.within(within, calls.announce_routes(Request::new(request))).await?;
        self.accepted(ack)
    }

    /// Takes networks back.
    pub(super) async fn withdraw(
        &self,
        prefixes: Vec<String>,
        within: Duration,
    ) -> Result<(), OverlayError> {
        let node_id = self.node_id.clone();
        let request = v1::RouteWithdrawal { node_id, prefixes, timestamp_ms: now_ms() };
        let mut calls = self.calls.clone();
        let ack = self.within(within, calls.withdraw_routes(Request::new(request))).await?;
        self.accepted(ack).map(drop)
    }

    fn accepted(&self, ack: v1::RouteAck) -> Result<String, OverlayError> {
        match ack.accepted {
            true => Ok(ack.error),
            false => Err(OverlayError::Refused { peer: self.peer.to_string(), why: ack.error }),
        }
    }

    /// The answer to a call, which is given up after a while.
    async fn within<T>(
        &self,
        within: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, OverlayError> {
        match tokio::time::timeout(within, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failed(&status)),
            Err(_) => Err(OverlayError::Unreachable {
                peer: self.peer.to_string(),
                why: format!("no answer in {within:?}"),
                closed: false,
            }),
        }
    }

    fn failed(&self, status: &Status) -> OverlayError {
        let peer = self.peer.to_string();
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                let (why, closed) = cause(status);
                OverlayError::Unreachable { peer, why, closed }
            }
            code => OverlayError::Refused { peer, why: format!("{code:?}: {}", status.message()) },
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
