//! A client's body: how long the gateway waits for more of it, and how much of it there may be.
//!
//! A body that says its length is refused by that, before anything is done for it
//! ([`says_too_much`]). One that doesn't is counted as it comes: the piece that goes over
//! `limits.max_body_bytes` is an error instead of a piece, and nothing comes after it. So whoever
//! reads the body sees it cut, and never a shorter one that ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::{Pace, Patience};
use crate::access::Tally;
use crate::metrics::GatewayMetrics;
use crate::proxy::pages;
use crate::server::Busy;

/// Why a client's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// The connection failed, or the client broke the framing.
    #[error("it broke off")]
    Broken(#[source] hyper::Error),
    /// The client took too long.
    #[error("it came too slowly")]
    TooSlow,
    /// There was more of it than there may be.
    #[error("it is too large")]
    TooLarge,
}

/// Whether a body says of itself that it is larger than it may be. What counts is hyper's reading
/// of the framing, by which the body will be read.
pub(crate) fn says_too_much(body: &Incoming, max_bytes: u64) -> bool {
    body.size_hint().lower() > max_bytes
}

/// A client's body that must keep coming, and end in time. Time counts only while somebody wants more of it and
/// there is none.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    patience: Patience,
    /// How many more bytes of it there may be.
    room: u64,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    metrics: Arc<GatewayMetrics>,
    /// The connection isn't idle before this was read or dropped.
    busy: Busy,
    /// Whether the end was seen.
    ended: bool,
    /// Counts its bytes, if anybody wants to know.
    tally: Option<Arc<Tally>>,
    /// Whether it may be quiet for as long as it likes.
    may_rest: bool,
}

impl ClientBody {
    pub(crate) fn new(
        incoming: Incoming,
        pace: Pace,
        max_bytes: u64,
        metrics: Arc<GatewayMetrics>,
        busy: Busy,
        tally: Option<Arc<Tally>>,
    ) -> Self {
        let (ended, patience) = (incoming.is_end_stream(), Patience::new(pace));
        let (room, timer) = (max_bytes, None);
        Self { incoming, patience, room, timer, metrics, busy, ended, tally, may_rest: false }
    }

    /// From now on it may be quiet: it is one half of a conversation, in which it is the other
    /// side's turn as often as the client's.
    pub(crate) fn may_rest(&mut self) {
        self.may_rest = true;
    }

    /// So many bytes came; whether there may be as many.
    fn takes(&mut self, n_bytes: usize) -> bool {
        let n_bytes = u64::try_from(n_bytes).unwrap_or(u64::MAX);
        match self.room.checked_sub(n_bytes) {
            Some(room) => self.room = room,
            None => return false,
        }
        true
    }

    /// Notes that the gateway ends the body, for who reads the log when an answer has begun.
    fn note_cut(&self, page: pages::Page) {
        if let Some(tally) = &self.tally {
            tally.cut(page.code);
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                let data = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref());
                let n_bytes = data.map_or(0, Bytes::len);
                if let Some(tally) = &this.tally {
                    tally.add_read(n_bytes);
                }
                if this.patience.waits() {
                    this.patience.moved(Instant::now(), n_bytes);
                }
                let at_end = frame.is_none() || this.incoming.is_end_stream();
                let failed = matches!(frame, Some(Err(_)));
                if at_end && !failed && !std::mem::replace(&mut this.ended, true) {
                    this.busy.has_read_body();
                }
                if !this.takes(n_bytes) {
                    this.metrics.large_bodies.add(1);
                    this.note_cut(pages::BODY_TOO_LARGE);
                    return Poll::Ready(Some(Err(Cut::TooLarge)));
                }
                Poll::Ready(frame.map(|f| f.map_err(Cut::Broken)))
            }
            Poll::Pending if this.may_rest => Poll::Pending,
            Poll::Pending => {
                let until = this.patience.wait(Instant::now());
                std::task::ready!(super::poll_timer(&mut this.timer, until, cx));
                this.metrics.slow_bodies.add(1);
                this.note_cut(pages::BODY_TOO_SLOW);
                Poll::Ready(Some(Err(Cut::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
