//! The gRPC service before the sessions.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};

use super::parked::{Parked, Sessions};
use super::{AcceptConfig, Admission, Enrolment, run_session};
use crate::talk::QUEUE;
use crate::wire::v1;
use crate::wire::v1::link_server::Link;
use crate::{Peer, Refusal, RefusalCode};

/// What all sessions of an accepting end share.
pub(crate) struct Shared {
    pub(crate) config: AcceptConfig,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) parked: Parked,
    pub(crate) sessions: Sessions,
    pub(crate) stop: CancellationToken,
}

/// The service of an accepting end.
#[derive(Clone)]
pub struct Accepter(Arc<Shared>);

impl std::fmt::Debug for Accepter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accepter")
    }
}

impl Accepter {
    pub(crate) fn new(
        config: AcceptConfig,
        admission: Arc<dyn Admission>,
        stop: CancellationToken,
    ) -> Self {
        let (parked, sessions) = (Parked::default(), Sessions::default());
        Self(Arc::new(Shared { config, admission, parked, sessions, stop }))
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.0.clone()
    }
}

#[tonic::async_trait]
impl Link for Accepter {
    async fn enrol(
        &self,
        request: Request<v1::EnrolRequest>,
    ) -> Result<Response<v1::EnrolReply>, Status> {
        let Peer { proof, from } = peer(&request)?;
        let key = proof.caller("").and_then(|caller| caller.key()).map_err(|r| status(&r))?;
        let v1::EnrolRequest { token, name, role } = request.into_inner();
        let role = (!role.is_empty()).then_some(role);
        let enrolment = Enrolment { key, from, token, name, role };
        let enrolled = self.0.admission.enrol(enrolment).await.map_err(|r| status(&r))?;
        Ok(Response::new(v1::EnrolReply {
            name: enrolled.name,
            role: enrolled.role,
            domain: enrolled.domain.unwrap_or_default(),
            address: enrolled.address.unwrap_or_default(),
            ca: enrolled.ca,
        }))
    }

    type SessionStream = Pin<Box<dyn Stream<Item = Result<v1::Frame, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::Frame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = peer(&request)?;
        let (said, to_send) = mpsc::channel(QUEUE);
        tokio::spawn(run_session(self.0.clone(), peer, request.into_inner(), said));
        let sent = futures_util::StreamExt::map(ReceiverStream::new(to_send), Ok);
        Ok(Response::new(Box::pin(sent)))
    }
}

pub(crate) fn peer<T>(request: &Request<T>) -> Result<Peer, Status> {
    let peer = request.extensions().get::<Peer>().cloned();
    peer.ok_or_else(|| Status::unauthenticated("nothing is known of the connection"))
}

/// The header in which a refusal's own word travels beside gRPC's.
pub(crate) const CODE: &str = "rutter-code";

pub(crate) fn status(refusal: &Refusal) -> Status {
    let code = match refusal.code {
        RefusalCode::NotKnown | RefusalCode::Token => Code::Unauthenticated,
        RefusalCode::NameTaken => Code::AlreadyExists,
        RefusalCode::Invalid | RefusalCode::Protocol => Code::InvalidArgument,
        RefusalCode::NotAllowed => Code::PermissionDenied,
        RefusalCode::Bound => Code::ResourceExhausted,
        RefusalCode::Pending => Code::FailedPrecondition,
        RefusalCode::Superseded
        | RefusalCode::Silent
        | RefusalCode::Shutdown
        | RefusalCode::Unavailable => Code::Unavailable,
    };
    let mut status = Status::new(code, refusal.why.clone());
    let word = tonic::metadata::MetadataValue::from_static(refusal.code.as_str());
    status.metadata_mut().insert(CODE, word);
    status
}
