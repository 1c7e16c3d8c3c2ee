//! Clients that take their time: what each may cost, and where it ends.
//!
//! A connection is cheap for whoever opens it and dear for whoever holds it. So wherever the gateway
//! waits for a client there is an end to its patience:
//!
//! | it waits for | bound | at the end | counted as |
//! | --- | --- | --- | --- |
//! | a request's head, or the next one | `limits.header_timeout` | 408 if one had begun, and the connection closes | `slow_heads`, if so |
//! | more of a request's body | `limits.body_timeout` | 408, the connection (HTTP/2: the stream) ends | `slow_bodies` |
//! | the client to take more of an answer | `limits.send_timeout` | the connection (HTTP/2: the stream) ends | `slow_readers` |
//!
//! **A byte now and then is not enough.** [`Patience`] is a stock of time. It runs down while the
//! gateway waits, and only then: a service that is slow costs the client nothing. Bytes refill it
//! at `limits.min_rate`, up to the bound. So silence ends at the bound, and so does a client that
//! sends a byte a second, while one that is slow but honest goes on for hours.
//!
//! **Conversations.** Over HTTP/2 to the upstream both sides may talk at once, and a client that is
//! quiet may just be listening (gRPC's streams). There a request's body isn't timed once its answer
//! has begun, and that of gRPC not at all: before an answer the patience with the upstream ends the
//! silence of both, and after that who listens is found gone by the connection's pings.
//!
//! **Where time is taken.** Bodies: where the client's body is read ([`body`]). Answers: HTTP/1 on
//! the connection's stream ([`stream`]), where a full socket shows; HTTP/2 also on each answer
//! ([`answer`]), since there a client can leave one stream's window shut and go on with others.
//! Heads: by [`crate::server`], which knows when a connection waits for one. (For HTTP/2, whose library
//! has a timer neither for a header block that doesn't end nor for a connection without streams, that
//! is one on which nothing is asked.)
//!
//! Rejected: a bound on the whole of a request or answer (a large upload over a slow line is no
//! attack, and WebSocket and event streams never end), and a timer a connection that always runs
//! (each costs a place in the timer's wheel; here one is made only when a client makes us wait).

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;

/// How slow a client may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long at most nothing may move.
    pub(crate) longest: Duration,
    /// Bytes that buy another second; 0: any byte buys all of it.
    pub(crate) min_rate: u64,
}

impl Pace {
    /// For a request's body.
    pub(crate) fn of_bodies(limits: &Limits) -> Self {
        Self { longest: limits.body_timeout, min_rate: limits.min_rate.into() }
    }

    /// For what a client takes of answers.
    pub(crate) fn of_answers(limits: &Limits) -> Self {
        Self { longest: limits.send_timeout, min_rate: limits.min_rate.into() }
    }
}

/// A stock of time that runs down while one waits and is refilled by bytes.
#[derive(Debug)]
pub(crate) struct Patience {
    pace: Pace,
    left: Duration,
    /// Since when one waits, if one does.
    since: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, left: pace.longest, since: None }
    }

    /// Waits, or goes on waiting; returns until when.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// Whether one waits.
    pub(crate) fn waits(&self) -> bool {
        self.since.is_some()
    }

    /// So many bytes moved: whoever waited waits no more.
    pub(crate) fn moved(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now.saturating_duration_since(since));
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let bought = match bytes.saturating_mul(1_000_000).checked_div(self.pace.min_rate) {
            Some(micros) => Duration::from_micros(micros),
            None if bytes > 0 => self.pace.longest,
            None => Duration::ZERO,
        };
        self.left = self.left.saturating_add(bought).min(self.pace.longest);
    }
}

/// Ready when it is `until`; the timer is made when it is first needed.
fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    until: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
    if timer.deadline() != until {
        timer.as_mut().reset(until);
    }
    timer.as_mut().poll(cx)
}
