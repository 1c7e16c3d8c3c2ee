//! The dialing end: one address, one way to connect to it, sessions.

pub(crate) mod announce;
mod keyed;
pub(crate) mod seen;
pub(crate) mod uplink;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status, Streaming};
use tower::service_fn;

use crate::accept::{ByteStream, Enrolled};
use crate::talk::{Ended, QUEUE, RESTART, Talk, said_by};
use crate::wire::v1::frame::Body;
use crate::wire::v1::link_client::LinkClient;
use crate::wire::{MAX_MESSAGE, v1};
use crate::{CaPin, LinkError, LinkKey, Pulse, RefusalCode};

/// How long a connection may take to come about, TLS included, and an answer to an enrolment,
/// unless a dialer is told otherwise.
const CONNECT: Duration = Duration::from_secs(10);

/// The receive windows of one stream and of its connection, in bytes. A batch of routes fits, so
/// that a snapshot doesn't wait a round trip an update.
const WINDOW: u32 = 1024 * 1024;

/// Whom to dial by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// `HOST:PORT`; the host is also the name that the certificate must be good for.
    pub address: String,
    /// The accepter's CA.
    pub pin: CaPin,
}

/// Makes connections to one accepter, and proves on them what there is to prove.
#[async_trait]
pub trait Connects: std::fmt::Debug + Send + Sync + 'static {
    /// A new connection.
    ///
    /// # Errors
    /// None comes about, or the other end isn't who it should be.
    async fn connect(&self) -> io::Result<Box<dyn ByteStream>>;
}

/// Dials one accepter.
#[derive(Debug, Clone)]
pub struct Dialer {
    remote: Arc<str>,
    connects: Arc<dyn Connects>,
    /// What it calls itself in its hello.
    name: Arc<str>,
    pulse: Pulse,
    patience: Duration,
}

/// Who has a dialer when one is needed: a [`Dialer`] itself, or somebody who must first find out
/// where to dial, or join.
#[async_trait]
pub trait Dials: Send + Sync + 'static {
    /// A dialer for the next session.
    ///
    /// # Errors
    /// What speaks against it now; it is asked again later.
    async fn dialer(&self) -> Result<Dialer, LinkError>;
}

#[async_trait]
impl Dials for Dialer {
    async fn dialer(&self) -> Result<Dialer, LinkError> {
        Ok(self.clone())
    }
}

/// A session that has begun.
pub(crate) struct Dialled {
    pub(crate) talk: Talk<Streaming<v1::Frame>>,
    pub(crate) hello: v1::Hello,
    remote: String,
}

impl Dialer {
    /// A dialer that is known by its key.
    ///
    /// # Errors
    /// [`LinkError::Tls`] for an address that isn't `HOST:PORT`, [`LinkError::Key`].
    pub fn new(remote: Remote, key: &LinkKey) -> Result<Self, LinkError> {
        let connects = keyed::Keyed::new(&remote, key)?;
        Ok(Self::over(&remote.address, Arc::new(connects), ""))
    }

    /// A dialer over connections that another makes. `remote` is what errors call the other end,
    /// `name` what this end calls itself.
    pub fn over(remote: &str, connects: Arc<dyn Connects>, name: &str) -> Self {
        let (pulse, patience) = (Pulse::default(), CONNECT);
        Self { remote: remote.into(), connects, name: name.into(), pulse, patience }
    }

    /// As it is, but showing this pulse.
    #[must_use]
    pub fn with_pulse(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// As it is, but a connection may take this long to come about.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Makes this end's key known by a join token for that role. Asking again with the same key
    /// changes nothing.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`], [`LinkError::Refused`].
    pub async fn enrol(&self, token: &str, name: &str, role: &str) -> Result<Enrolled, LinkError> {
        let mut client = self.connect().await?;
        let mut request = Request::new(v1::EnrolRequest {
            token: token.to_owned(),
            name: name.to_owned(),
            role: role.to_owned(),
        });
        request.set_timeout(self.patience);
        let reply = client.enrol(request).await.map_err(|status| self.refused(&status))?;
        let v1::EnrolReply { name, role, domain, address, ca } = reply.into_inner();
        let some = |text: String| (!text.is_empty()).then_some(text);
        Ok(Enrolled { name, role, domain: some(domain), address: some(address), ca })
    }

    async fn open(&self) -> Result<Dialled, LinkError> {
        let mut client = self.connect().await?;
        let (said, to_send) = mpsc::channel(QUEUE);
        let heard = client.session(ReceiverStream::new(to_send));
        // The accepter answers the call at once; a stopped one never does.
        let heard = match tokio::time::timeout(self.patience, heard).await {
            Ok(Ok(heard)) => heard.into_inner(),
            Ok(Err(status)) => return Err(self.refused(&status)),
            Err(_) => return Err(self.unreachable("no answer in time")),
        };
        let mut talk = Talk::new(heard, said, self.pulse);
        let hello = talk.hello(&self.name);
        talk.say(Body::Hello(hello)).await.map_err(|ended| self.ended(ended))?;
        let hello = talk.greeted().await.map_err(|ended| self.ended(ended))?;
        Ok(Dialled { talk, hello, remote: self.remote.to_string() })
    }

    async fn connect(&self) -> Result<LinkClient<Channel>, LinkError> {
        let channel = self.channel().await?;
        Ok(LinkClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE))
    }

    /// A connection, before anything is said on it.
    pub(crate) async fn channel(&self) -> Result<Channel, LinkError> {
        let connects = self.connects.clone();
        let connect = service_fn(move |_: Uri| {
            let connects = connects.clone();
            async move { io::Result::Ok(TokioIo::new(connects.connect().await?)) }
        });
        // Never looked up: the connector above goes where the dialer says.
        let endpoint = Endpoint::from_static("https://rutter.invalid")
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        let connecting = endpoint.connect_with_connector(connect);
        match tokio::time::timeout(self.patience, connecting).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(self.unreachable(innermost(&error))),
            Err(_) => Err(self.unreachable("no connection in time")),
        }
    }

    pub(crate) fn unreachable(&self, why: impl std::fmt::Display) -> LinkError {
        LinkError::Unreachable { remote: self.remote.to_string(), why: why.to_string() }
    }

    /// A call that failed: by the other end's word, or on the way.
    pub(crate) fn refused(&self, status: &Status) -> LinkError {
        let code = status.metadata().get(crate::accept::CODE).and_then(|v| v.to_str().ok());
        let code = match (code, status.code()) {
            (Some(code), _) => code.to_owned(),
            (
                None,
                Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Cancelled,
            ) => {
                return self.unreachable(said_by(status));
            }
            (None, Code::Unimplemented) => {
                return LinkError::NotSpoken { remote: self.remote.to_string() };
            }
            (None, _) => RefusalCode::Protocol.to_string(),
        };
        LinkError::Refused { remote: self.remote.to_string(), code, why: said_by(status) }
    }

    fn ended(&self, ended: Ended) -> LinkError {
        lost(self.remote.to_string(), ended)
    }
}

/// Begins a session.
pub(crate) async fn open(dials: &dyn Dials) -> Result<Dialled, LinkError> {
    dials.dialer().await?.open().await
}

/// A session that has ended, as an error.
fn lost(remote: String, ended: Ended) -> LinkError {
    match ended {
        Ended::Bye { code, why, back_within: Some(back_within) } if code == RESTART => {
            LinkError::Restarts { remote, why, back_within }
        }
        Ended::Bye { code, why, .. } => LinkError::Refused { remote, code, why },
        Ended::Protocol(why) => LinkError::Protocol { remote, why },
        Ended::Silent(_) | Ended::Broken(_) => {
            LinkError::Unreachable { remote, why: ended.to_string() }
        }
    }
}

/// The cause at the bottom, which is what people need: the layers above say "transport error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // An I/O error that carries another is no source of it, and shows this one's inner form.
    let io = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match io.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))) => {
            other.0.to_string()
        }
        _ => cause.to_string(),
    }
}
