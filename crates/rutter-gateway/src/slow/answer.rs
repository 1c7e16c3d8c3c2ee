//! An answer of HTTP/2, and how long the gateway waits until the client makes room for more of it.
//!
//! The server's library asks an answer's body for more only when the stream has room, so between
//! one piece and the next question it is the client that we wait for. Where nobody asks, no code of
//! the body runs; so the body leaves a mark of when it was last emptied ([`Turn`]), and whoever
//! drives the stream looks at it ([`hurried`]). The stream that takes too long is dropped, which
//! resets it by CANCEL; the connection's others go on.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::{Pace, Patience};
use crate::metrics::GatewayMetrics;

tokio::task_local! {
    /// The turn of the stream whose task runs.
    static TURN: Turn;
}

/// Whose turn it is on a stream: while [`Patience`] waits, the client's.
#[derive(Debug, Clone)]
struct Turn(Arc<Mutex<Patience>>);

impl Turn {
    fn lock(&self) -> MutexGuard<'_, Patience> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a stream of an HTTP/2 connection until it ends or its client doesn't take the answer.
pub(crate) async fn hurried(stream: impl Future, pace: Pace, metrics: Arc<GatewayMetrics>) {
    let turn = Turn(Arc::new(Mutex::new(Patience::new(pace))));
    let mut stream = std::pin::pin!(TURN.scope(turn.clone(), stream));
    loop {
        // While it isn't the client's turn there is nothing to time, but it may become so at any
        // time without our being told: we look again after a while.
        let now = Instant::now();
        let look = {
            let mut patience = turn.lock();
            if patience.waits() { patience.wait(now) } else { now + pace.longest / 4 }
        };
        tokio::select! {
            biased;
            _ = &mut stream => return,
            () = sleep_until(look) => {
                let mut patience = turn.lock();
                if patience.waits() && patience.wait(now) <= Instant::now() {
                    break;
                }
            }
        }
    }
    metrics.slow_readers.add(1);
    tracing::debug!("a client didn't take its answer");
}

/// An answer's body that says when it is the client's turn.
#[derive(Debug)]
pub(crate) struct Delivered<B> {
    inner: B,
    turn: Option<Turn>,
}

impl<B> Delivered<B> {
    /// For the stream whose task runs; it is the client's turn from now on, to make room for the
    /// first piece.
    pub(crate) fn new(inner: B) -> Self {
        let turn = TURN.try_with(Clone::clone).ok();
        if let Some(turn) = &turn {
            turn.lock().wait(Instant::now());
        }
        Self { inner, turn }
    }
}

impl<B: Body<Data = bytes::Bytes> + Unpin> Body for Delivered<B> {
    type Data = bytes::Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(turn) = &this.turn {
            let now = Instant::now();
            let mut patience = turn.lock();
            // Somebody asked, so there was room for what came before.
            let piece = match &polled {
                Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, bytes::Bytes::len),
                _ => 0,
            };
            patience.moved(now, piece);
            if matches!(polled, Poll::Ready(Some(Ok(_)))) {
                patience.wait(now);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
