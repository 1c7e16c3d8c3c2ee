//! An answer's body that has begun: what of it came while its head was kept back.
//!
//! A gateway that dies between the head of an answer and its body leaves an answer that nobody can
//! take back, if the head is with the client. So a neighbour's answer to what may be repeated is
//! kept back until it is whole, as most are in the same read; it is passed on as it comes beyond
//! [`MAX_KEPT`] bytes or [`MAX_FRAMES`] frames, or when [`PATIENCE`] is over: a stream of events isn't
//! held up for longer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

/// How many bytes of an answer are kept back, and a frame more.
const MAX_KEPT: u64 = 64 * 1024;

/// How many frames, which may be empty: what one costs isn't its bytes.
const MAX_FRAMES: usize = 64;

/// For how long.
const PATIENCE: Duration = Duration::from_millis(50);

/// An upstream's body, and what came of it already.
#[derive(Debug)]
pub(crate) struct Begun {
    incoming: Incoming,
    /// In a box, as only neighbours' answers are waited for.
    kept: Option<Box<Kept>>,
}

/// What came while it was kept back.
#[derive(Debug, Default)]
struct Kept {
    frames: VecDeque<Frame<Bytes>>,
    n_bytes: u64,
    /// Whether its end came too.
    ended: bool,
}

impl Begun {
    /// A body of which nothing was read.
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self { incoming, kept: None }
    }

    /// Reads on until it is whole, too much, or late. One that says that it is too much isn't waited
    /// for at all.
    ///
    /// # Errors
    /// The upstream's connection failed.
    pub(crate) async fn wait(&mut self) -> Result<(), hyper::Error> {
        let until = Instant::now() + PATIENCE;
        let mut kept = Box::<Kept>::default();
        while !self.incoming.is_end_stream() && !kept.ended {
            let is_much = kept.n_bytes + self.incoming.size_hint().lower() > MAX_KEPT;
            if is_much || kept.frames.len() >= MAX_FRAMES {
                break;
            }
            match timeout_at(until, self.incoming.frame()).await {
                Ok(Some(frame)) => kept.push(frame?),
                Ok(None) => kept.ended = true,
                Err(_late) => break,
            }
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// Whether all of it has come from the upstream.
    pub(super) fn has_come(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.ended) || self.incoming.is_end_stream()
    }
}

impl Kept {
    fn push(&mut self, frame: Frame<Bytes>) {
        self.n_bytes += n_bytes(&frame);
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Frame<Bytes>> {
        let frame = self.frames.pop_front()?;
        self.n_bytes -= n_bytes(&frame);
        Some(frame)
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
        if let Some(kept) = &mut self.kept {
            let frame = kept.pop();
            if frame.is_some() || kept.ended {
                return Poll::Ready(frame.map(Ok));
            }
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.frames.is_empty()) && self.has_come()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(kept) = &self.kept else { return self.incoming.size_hint() };
        let mut hint = if kept.ended { SizeHint::with_exact(0) } else { self.incoming.size_hint() };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + kept.n_bytes);
        }
        hint.set_lower(hint.lower() + kept.n_bytes);
        hint
    }
}
