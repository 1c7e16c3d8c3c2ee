//! The body of an answer on its way to the client, and its connection on the way to the pool.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use super::begun::Begun;
use super::connection::Connection;
use super::pool::Pool;
use super::target::Target;
use crate::files::body::FileBody;
use crate::files::reads::Reads;
use crate::health::Failure;
use crate::health::Health;
use crate::routes::Route;

/// How long a connection may take to become ready again after its answer ended, as when the
/// request's body is still on its way. After that it is closed.
const SETTLE: Duration = Duration::from_secs(5);

/// What the client gets as a body.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// The gateway's own words.
    Own(Full<Bytes>),
    /// The upstream's, streamed.
    Upstream(UpstreamBody),
    /// A file's, or parts of it.
    File(FileBody),
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The upstream's connection failed.
    #[error(transparent)]
    Upstream(hyper::Error),
    /// A file couldn't be read on, or is shorter than it was.
    #[error("a file: {0}")]
    File(std::io::Error),
}

/// An upstream's body. It holds the connection until the body ends, and then hands it to the pool;
/// dropped before, it closes it.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    begun: Begun,
    held: Option<Held>,
}

/// What goes back, and to whom.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) target: Target,
    pub(crate) route: Arc<Route>,
    pub(crate) home: Arc<Home>,
}

/// Where one worker's connections go back to, and who hears of answers that broke off.
#[derive(Debug)]
pub(crate) struct Home {
    /// The worker's own.
    pub(crate) pool: Pool,
    /// That of all workers, for upstreams that bound their connections.
    pub(crate) common: Arc<Pool>,
    pub(crate) health: Health,
    /// Its turns at reading files.
    pub(crate) reads: Reads,
}

impl Home {
    /// Where connections to that target are kept.
    pub(crate) fn pool(&self, target: &Target) -> &Pool {
        if target.is_limited() { &self.common } else { &self.pool }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        self.pool.sweep();
        self.common.sweep();
    }

    fn take_back(&self, target: Target, connection: Connection) {
        self.pool(&target).put(target, connection);
    }
}

impl UpstreamBody {
    pub(crate) fn new(begun: Begun, held: Held) -> Self {
        let mut body = Self { begun, held: Some(held) };
        if body.begun.has_come() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        let Some(held) = self.held.take() else { return };
        if held.connection.is_ready() {
            held.home.take_back(held.target, held.connection);
            return;
        }
        tokio::spawn(async move {
            let Held { mut connection, target, home, .. } = held;
            if let Ok(true) = tokio::time::timeout(SETTLE, connection.ready()).await {
                home.take_back(target, connection);
            }
        });
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let body = match self.get_mut() {
            Self::Own(own) => {
                return Pin::new(own).poll_frame(cx).map_err(|never| match never {});
            }
            Self::File(file) => return Pin::new(file).poll_frame(cx).map_err(AnswerError::File),
            Self::Upstream(body) => body,
        };
        let frame = ready!(Pin::new(&mut body.begun).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !body.begun.has_come() => {}
            Some(Ok(_)) | None => body.give_back(),
            Some(Err(error)) => {
                if let Some(held) = body.held.take() {
                    let route = &held.route.id;
                    let by_client = held.connection.is_cut_by_client();
                    tracing::debug!(%route, %error, by_client, "an answer broke off");
                    // The route can't help it.
                    if !by_client {
                        held.home.health.failed(&held.route.health, Failure::Exchange);
                    }
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::Upstream)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(own) => own.is_end_stream(),
            Self::File(file) => file.is_end_stream(),
            Self::Upstream(body) => body.begun.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(own) => own.size_hint(),
            Self::File(file) => file.size_hint(),
            Self::Upstream(body) => body.begun.size_hint(),
        }
    }
}
