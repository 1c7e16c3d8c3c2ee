//! Failover inside one request: what may be tried again, where, and what may not.
//!
//! A request is answered by the first route that can. The danger is on the other side: a request
//! that is sent twice may be *done* twice. An order placed, a message posted, a counter raised; no
//! gateway can see which of those a request is, so it has to know what was sent.
//!
//! **What is known.** Each upstream connection counts the bytes of requests that its transport
//! accepted and the bytes that it read ([`crate::upstream::Meter`]). A failed try is judged by
//! these two numbers, after the task that drives the connection has ended, so that neither can
//! change any more. hyper's own word (`try_send_request` gives a request back if it never began
//! with it) would be enough for most cases, but not for a stale pooled connection whose first
//! write fails: there hyper has taken the request, and nothing of it is out.
//!
//! **The rules.**
//! 1. *Nothing sent* (no connection came about, or the transport took no byte): any method goes
//!    on, if its body is still whole: unread, or read only into the replay buffer.
//! 2. *Something sent, nothing answered*: only an idempotent method (RFC 9110 9.2.2), and only if
//!    its body is empty or lies wholly in the replay buffer ([`replay::CAPACITY`]).
//! 3. *A byte of an answer came*: never. The origin has begun, perhaps ended.
//! 4. *No answer in time*: never. It may still be working, and an answer that is slow for one is
//!    slow for all: to send it on would multiply the load of the slowest requests.
//! 5. Everything else gets one 502, and was sent once.
//!
//! **Where it goes on.** A connection from the pool that fails says little about the route: the
//! origin may just have closed an idle connection. The same route is tried once more over a new
//! connection, and the failure isn't counted. A failure on a new connection is the route's: it is
//! counted by the detector, and the next route in rank is tried. Routes that the detector holds
//! for bad come after all others, but they come: the worst route is better than an answer that
//! there is none.
//!
//! **The replay buffer** records what is read of the client's body, up to 64 KiB, for as long as a
//! replay could still be allowed, and not longer: after the first byte of a `POST` is out nothing
//! is recorded. A larger body is never held, so it streams through in constant memory and can't be
//! sent twice.
//!
//! Rejected: to read the body before choosing a route (breaks streaming, uploads and WebSocket,
//! and is what made the original drop failover); to retry on an answer of 502 or 503 (the origin
//! has answered: whether it acted is its secret); to decide by error kinds (a reset looks the same
//! before and after the origin acted).

pub(crate) mod replay;
#[cfg(test)]
mod tests;

use http::Method;

use crate::upstream::TryError;

/// What is known of a request that failed on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// Whether the transport took a byte of the request.
    pub(crate) sent: bool,
    /// Whether a byte of an answer came.
    pub(crate) answered: bool,
    /// Whether time ran out.
    pub(crate) timed_out: bool,
    /// Whether the connection came from the pool.
    pub(crate) reused: bool,
}

/// What is left of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLeft {
    /// There is none, or all of it is in the replay buffer.
    Kept,
    /// What was read of it is in the replay buffer; the rest has yet to come.
    Whole,
    /// Part of it is gone.
    Spent,
}

/// What to do after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same route over a new connection; the route isn't to blame.
    SameAnew,
    /// The next route.
    Another,
    /// Nothing: one 502.
    GiveUp(Refused),
}

/// Why a request isn't sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Part of its body was read and isn't kept.
    BodySpent,
    /// Its method may not be repeated once sent.
    NotIdempotent,
    /// The origin had begun to answer.
    Answered,
    /// The origin took too long.
    TimedOut,
}

/// The rules above.
pub(crate) fn judge(method: &Method, body: BodyLeft, tried: Tried) -> Next {
    let go_on = if tried.reused { Next::SameAnew } else { Next::Another };
    if !tried.sent {
        return match body {
            BodyLeft::Kept | BodyLeft::Whole => go_on,
            BodyLeft::Spent => Next::GiveUp(Refused::BodySpent),
        };
    }
    if tried.answered {
        return Next::GiveUp(Refused::Answered);
    }
    if tried.timed_out {
        return Next::GiveUp(Refused::TimedOut);
    }
    if !method.is_idempotent() {
        return Next::GiveUp(Refused::NotIdempotent);
    }
    match body {
        BodyLeft::Kept => go_on,
        BodyLeft::Whole | BodyLeft::Spent => Next::GiveUp(Refused::BodySpent),
    }
}

impl From<&TryError> for Tried {
    fn from(error: &TryError) -> Self {
        Self {
            sent: error.sent,
            answered: error.answered,
            timed_out: error.timed_out,
            reused: error.reused,
        }
    }
}
