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
//! 4. *Silence*: a route that has the request and for `try_timeout` neither takes nor says anything
//!    is given up, if rule 2 lets the request go on *and* another route is in service, not yet
//!    tried, and the budget has room. Where any of that fails the try isn't cut: it may still be
//!    working, and an answer in the end is worth more than an error now.
//! 5. *Silence for `response_timeout`*, or the request's own `timeout` is over: 504, never again.
//! 6. Everything else gets one 502, and was sent once.
//!
//! **HTTP/2 to an upstream** shares a connection between requests, so its bytes say little of one.
//! There the upstream's word counts: a stream that it refused, or beyond its `GOAWAY`, was *not
//! sent* in the sense of rule 1, and all else that was handed over was, unless the connection took
//! no byte since. A refusal may come after a body's bytes, so the replay buffer goes on recording
//! whatever the method.
//!
//! **Rule 4 is a trade.** An answer that is slow for one is often slow for all, and to send it on
//! multiplies the load of the slowest requests; that is why the last route is always waited for,
//! why a `try_timeout` of zero switches the rule off, and why it spends the budget. What it buys:
//! a host that froze, or whose packets vanish, accepts connections and says nothing; without rule
//! 4 it costs every reader five minutes. Four such silences eject the route.
//!
//! **The budget** ([`budget`]). A request of which nothing was sent goes on for free: nobody has it.
//! Once bytes of it were out, every further route costs a token, so that a service in trouble gets
//! at most a fifth more than people ask of it. Out of tokens is 502 (`RETRY_BUDGET`).
//!
//! **Where it goes on.** A connection from the pool that fails says little about the route: the
//! origin may just have closed an idle connection. The same route is tried once more over a new
//! connection, and the failure isn't counted (nor does it cost a token). A failure on a new connection is the route's: it is
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

pub(crate) mod budget;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

use http::Method;

use crate::upstream::{Silence, TryError};

/// What is known of a request that failed on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// Whether the transport took a byte of the request.
    pub(crate) sent: bool,
    /// Whether a byte of an answer came.
    pub(crate) answered: bool,
    /// Whether it was given up because nothing moved for too long.
    pub(crate) silent: Option<Silence>,
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

/// Whether rule 2 would let a request go on that was sent and not answered: whether it may be
/// given up for another route at all.
pub(crate) fn may_be_cut(method: &Method, body: BodyLeft) -> bool {
    method.is_idempotent() && body == BodyLeft::Kept
}

/// The rules above.
pub(crate) fn judge(method: &Method, body: BodyLeft, tried: Tried) -> Next {
    // A connection that is silent isn't stale: a new one would meet the same silence.
    let stale = tried.reused && tried.silent.is_none();
    let go_on = if stale { Next::SameAnew } else { Next::Another };
    if !tried.sent {
        return match body {
            BodyLeft::Kept | BodyLeft::Whole => go_on,
            BodyLeft::Spent => Next::GiveUp(Refused::BodySpent),
        };
    }
    if tried.answered {
        return Next::GiveUp(Refused::Answered);
    }
    if tried.silent == Some(Silence::Response) {
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
            silent: error.silent,
            reused: error.reused,
        }
    }
}
