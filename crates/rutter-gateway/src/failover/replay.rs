//! The body of a request that may have to be sent again.
//!
//! [`Replay`] owns the client's body; each try gets a [`RequestBody`] over it that first repeats
//! what earlier tries read and then reads on. What is read is recorded while a replay could still
//! be allowed and [`CAPACITY`] isn't exceeded.
//!
//! Invariant: a try either yields the body from its first byte or fails. It is never the case that
//! a later try starts in the middle: once a byte is gone, [`Replay::left`] says so and
//! [`Replay::body`] gives a body that fails.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::BodyLeft;
use crate::slow::body::{ClientBody as Incoming, Cut};
use crate::upstream::Meter;

/// How many bytes of a body are kept for another try.
pub(crate) const CAPACITY: usize = 64 * 1024;

/// What was wrong with a client's body, as a [`Cut`] without its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It broke off.
    Broken,
    /// It came too slowly.
    TooSlow,
    /// There was too much of it.
    TooLarge,
}

impl From<&Cut> for Fault {
    fn from(cut: &Cut) -> Self {
        match cut {
            Cut::Broken(_) => Self::Broken,
            Cut::TooSlow => Self::TooSlow,
            Cut::TooLarge => Self::TooLarge,
        }
    }
}

/// Why a request's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client's connection failed, it broke the framing or a bound.
    #[error("the client's request body ended early")]
    Client(#[source] Cut),
    /// A later try took the body over.
    #[error("the request body belongs to another try")]
    Superseded,
}

/// The client's body and what was recorded of it.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Set once the client's body has failed.
    fault: OnceLock<Fault>,
}

#[derive(Debug)]
struct State {
    incoming: Incoming,
    kept: BytesMut,
    /// Whether everything that was read is in `kept`.
    whole: bool,
    /// Whether more is to be recorded.
    recording: bool,
    ended: bool,
    /// The try that may read now.
    turn: u32,
}

impl Replay {
    /// Takes the client's body.
    pub(crate) fn new(incoming: Incoming) -> Self {
        let state = State {
            incoming,
            kept: BytesMut::new(),
            whole: true,
            recording: true,
            ended: false,
            turn: 0,
        };
        let shared = Shared { state: Mutex::new(state), fault: OnceLock::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The body for the next try, over a connection with that meter. Earlier ones end.
    ///
    /// `repeatable`: whether it may be sent again after bytes of it were sent; if not, recording
    /// stops with the first byte out.
    pub(crate) fn body(&self, meter: Arc<Meter>, repeatable: bool) -> RequestBody {
        let mut state = self.shared.lock();
        state.turn += 1;
        RequestBody::Client(ClientBody {
            shared: self.shared.clone(),
            turn: state.turn,
            position: 0,
            before: meter.written(),
            meter,
            repeatable,
            ended: false,
        })
    }

    /// Lets the client be quiet from now on: its body is one half of a conversation.
    pub(crate) fn may_rest(&self) {
        self.shared.lock().incoming.may_rest();
    }

    /// What is left of the body.
    pub(crate) fn left(&self) -> BodyLeft {
        let state = self.shared.lock();
        match (state.whole, state.ended) {
            (false, _) => BodyLeft::Spent,
            (true, true) => BodyLeft::Kept,
            (true, false) => BodyLeft::Whole,
        }
    }

    /// How the client failed, if it was the client.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.shared.fault.get().copied()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is sent upstream as a body.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// Nothing.
    Empty,
    /// The client's.
    Client(ClientBody),
}

/// One try's view of the client's body.
#[derive(Debug)]
pub(crate) struct ClientBody {
    shared: Arc<Shared>,
    turn: u32,
    /// How much of what is kept this try has repeated.
    position: usize,
    meter: Arc<Meter>,
    /// The meter's reading when the try began.
    before: u64,
    repeatable: bool,
    ended: bool,
}

impl ClientBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let shared = self.shared.clone();
        let mut guard = shared.lock();
        let state = &mut *guard;
        if state.turn != self.turn || (!state.whole && self.position == 0) {
            self.ended = true;
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(rest) = state.kept.get(self.position..).filter(|r| !r.is_empty()) {
            let chunk = Bytes::copy_from_slice(rest);
            self.position = state.kept.len();
            self.ended = state.ended;
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if state.ended {
            self.ended = true;
            return Poll::Ready(None);
        }
        let frame = match std::task::ready!(Pin::new(&mut state.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.shared.fault.get_or_init(|| Fault::from(&error));
                self.meter.cut_by_client();
                state.whole = false;
                self.ended = true;
                return Poll::Ready(Some(Err(BodyError::Client(error))));
            }
            None => {
                state.ended = true;
                self.ended = true;
                return Poll::Ready(None);
            }
        };
        self.record(state, &frame);
        state.ended = state.incoming.is_end_stream();
        self.ended = state.ended;
        Poll::Ready(Some(Ok(frame)))
    }

    fn record(&mut self, state: &mut State, frame: &Frame<Bytes>) {
        if state.recording && !self.repeatable && self.meter.written() != self.before {
            state.recording = false;
        }
        match frame.data_ref() {
            Some(data) if state.recording && state.kept.len() + data.len() <= CAPACITY => {
                state.kept.extend_from_slice(data);
            }
            // Trailers aren't kept: who sends them gets no second try.
            _ => {
                state.recording = false;
                state.whole = false;
                state.kept = BytesMut::new();
            }
        }
        // Any value but zero: this try has begun, and where it stands no longer matters once
        // nothing is kept.
        self.position = state.kept.len().max(1);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body) if body.ended => Poll::Ready(None),
            Self::Client(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body) => body.ended,
        }
    }

    /// Unknown for the client's body: its length stands in the request's head, and a second source
    /// of truth about framing is a danger.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(_) => SizeHint::default(),
        }
    }
}
