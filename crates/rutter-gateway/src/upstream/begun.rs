//! An answer's body that has begun: what of it came while its head was kept back.
//!
//! A gateway that dies between the head of an answer and its body leaves an answer that nobody can
//! take back, if the head is with the client. So a neighbour's answer to what may be repeated is
//! kept back until it is whole, as most are in the same read; it is passed on as it comes beyond
//! [`MAX_KEPT`] bytes, or when [`PATIENCE`] is over: a stream of events isn't held up for longer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

/// How many bytes of an answer are kept back, and a frame more.
const MAX_KEPT: u64 = 64 * 1024;

/// For how long.
const PATIENCE: Duration = Duration::from_millis(50);

/// An upstream's body, and what came of it already.
#[derive(Debug)]
pub(crate) struct Begun {
    kept: VecDeque<Frame<Bytes>>,
    n_kept: u64,
    incoming: Incoming,
    /// Whether its end was seen.
    ended: bool,
}

impl Begun {
    /// A body of which nothing was read.
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { kept: VecDeque::new(), n_kept: 0, incoming, ended: false }
    }

    /// Reads on until it is whole, too much, or late. One that says that it is too much isn't waited
    /// for at all.
    ///
    /// # Errors
    /// The upstream's connection failed.
    pub(crate) async fn wait(&mut self) -> Result<(), hyper::Error> {
        let until = Instant::now() + PATIENCE;
        while !self.has_come() && self.n_kept + self.incoming.size_hint().lower() <= MAX_KEPT {
            match timeout_at(until, self.incoming.frame()).await {
                Ok(Some(frame)) => self.keep(frame?),
                Ok(None) => self.ended = true,
                Err(_late) => break,
            }
        }
        Ok(())
    }

    fn keep(&mut self, frame: Frame<Bytes>) {
        self.n_kept += n_bytes(&frame);
        self.kept.push_back(frame);
    }

    /// Whether all of it has come from the upstream.
    pub(super) fn has_come(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }
}

fn n_bytes(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

impl Body for Begun {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(frame) = self.kept.pop_front() {
            self.n_kept -= n_bytes(&frame);
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.ended = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty() && self.has_come()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = if self.ended { SizeHint::with_exact(0) } else { self.incoming.size_hint() };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + self.n_kept);
        }
        hint.set_lower(hint.lower() + self.n_kept);
        hint
    }
}
