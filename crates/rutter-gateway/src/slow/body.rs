//! A client's body, and how long the gateway waits for more of it.

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
}

/// A client's body that must keep coming. Time counts only while somebody wants more of it and
/// there is none.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    patience: Patience,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    metrics: Arc<GatewayMetrics>,
    /// The connection isn't idle before this was read or dropped.
    busy: Busy,
    /// Whether the end was seen.
    ended: bool,
    /// Counts its bytes, if anybody wants to know.
    tally: Option<Arc<Tally>>,
}

impl ClientBody {
    pub(crate) fn new(
        incoming: Incoming,
        pace: Pace,
        metrics: Arc<GatewayMetrics>,
        busy: Busy,
        tally: Option<Arc<Tally>>,
    ) -> Self {
        let (ended, patience) = (incoming.is_end_stream(), Patience::new(pace));
        Self { incoming, patience, timer: None, metrics, busy, ended, tally }
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
                if let (Some(tally), Some(Ok(frame))) = (&this.tally, &frame) {
                    tally.add_read(frame.data_ref().map_or(0, Bytes::len));
                }
                if this.patience.waits() {
                    let data = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref());
                    this.patience.moved(Instant::now(), data.map_or(0, Bytes::len));
                }
                let at_end = frame.is_none() || this.incoming.is_end_stream();
                let failed = matches!(frame, Some(Err(_)));
                if at_end && !failed && !std::mem::replace(&mut this.ended, true) {
                    this.busy.has_read_body();
                }
                Poll::Ready(frame.map(|f| f.map_err(Cut::Broken)))
            }
            Poll::Pending => {
                let until = this.patience.wait(Instant::now());
                std::task::ready!(super::poll_timer(&mut this.timer, until, cx));
                this.metrics.slow_bodies.add(1);
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
