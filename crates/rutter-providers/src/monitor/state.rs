//! What is known of one route, and when it turns. Pure: time is an argument.
//!
//! ```text
//!              a good one                    `failures` bad ones in a row
//!   unknown ──────────────▶ healthy ──────────────────────▶ unhealthy / error
//!      │                     ▲   │                               │
//!      │                     └───┼────────── a good one ─────────┤
//!      │  `failures` bad ones    │ `failures` of silence         │ `failures` of silence
//!      └───▶ unhealthy / error   └──────────────▶ unknown ◀──────┘
//! ```
//!
//! Nothing is said before something is known: the original begins with `healthy`. A bad answer
//! that doesn't turn the route yet is told in its detail. What its container's engine says comes
//! before all this, and turns at once: an engine counts its own retries.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rutter_route::{Mono, Now};

use super::{HealthStatus, Seen};

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What.
    pub(crate) found: Found,
    /// In words.
    pub(crate) detail: String,
    /// How long it took.
    pub(crate) latency: Duration,
}

/// What sort of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is well.
    Well,
    /// It isn't well.
    Ill,
    /// It could not be asked.
    Failed,
    /// Nothing that says anything.
    Silence,
}

impl Found {
    /// What a route is after as many of these in a row as turn it.
    fn status(self) -> HealthStatus {
        match self {
            Self::Well => HealthStatus::Healthy,
            Self::Ill => HealthStatus::Unhealthy,
            Self::Failed => HealthStatus::Error,
            Self::Silence => HealthStatus::Unknown,
        }
    }
}

/// What is known of one route.
#[derive(Debug, Clone)]
pub(crate) struct State {
    status: HealthStatus,
    /// Answers in a row that didn't say that it is well; silence and failure count apart, since
    /// neither proves the other.
    n_failures: u32,
    n_silences: u32,
    well_since: Option<Mono>,
    /// Seconds of the wall's clock; 0: never.
    last_seen: u64,
    started: u64,
    latency: Duration,
    detail: String,
    /// Whether its container's engine has the word.
    is_engines: bool,
}

impl State {
    /// Nothing is known.
    pub(crate) fn new(now: Now) -> Self {
        Self {
            status: HealthStatus::Unknown,
            n_failures: 0,
            n_silences: 0,
            well_since: None,
            last_seen: 0,
            started: now.wall.0 / 1000,
            latency: Duration::ZERO,
            detail: String::new(),
            is_engines: false,
        }
    }

    /// Whether its container's engine has the word.
    pub(crate) fn is_engines(&self) -> bool {
        self.is_engines
    }

    /// Its status.
    pub(crate) fn status(&self) -> HealthStatus {
        self.status
    }

    /// How long the last probe took.
    pub(crate) fn latency(&self) -> Duration {
        self.latency
    }

    /// A probe's answer. `failures`, 1 or more, is how many in a row turn it. One that comes when
    /// the engine has the word by now says nothing.
    pub(crate) fn probed(&mut self, answer: Answer, failures: u32, now: Now) {
        if self.is_engines {
            return;
        }
        self.latency = answer.latency;
        let n_in_a_row = match answer.found {
            Found::Well => {
                (self.n_failures, self.n_silences) = (0, 0);
                self.detail = answer.detail;
                return self.turn(HealthStatus::Healthy, now);
            }
            Found::Silence => {
                self.n_silences = self.n_silences.saturating_add(1);
                self.n_silences
            }
            Found::Ill | Found::Failed => {
                self.n_silences = 0;
                self.n_failures = self.n_failures.saturating_add(1);
                self.n_failures
            }
        };
        if n_in_a_row >= failures {
            if answer.found == Found::Silence {
                self.n_failures = 0;
            }
            self.detail = answer.detail;
            return self.turn(answer.found.status(), now);
        }
        self.detail = format!("{n_in_a_row} of {failures} in a row: {}", answer.detail);
    }

    /// What its container's engine says; `None`, and a status that says nothing: it has the word
    /// no more, and nothing is known until the next probe.
    pub(crate) fn engine_says(&mut self, health: Option<Seen>, now: Now) {
        let health = health.filter(|seen| seen.status != HealthStatus::Unknown);
        (self.n_failures, self.n_silences) = (0, 0);
        match health {
            Some(seen) => {
                self.is_engines = true;
                (self.detail, self.latency) = (seen.detail, seen.latency);
                self.turn(seen.status, now);
            }
            None if self.is_engines => {
                self.is_engines = false;
                (self.detail, self.latency) = (String::new(), Duration::ZERO);
                self.turn(HealthStatus::Unknown, now);
            }
            None => {}
        }
    }

    /// It isn't asked any more, and nobody else says anything.
    pub(crate) fn rest(&mut self, now: Now) {
        *self = Self { started: self.started, ..Self::new(now) };
    }

    /// All that is known at a moment.
    pub(crate) fn seen(&self, now: Now) -> Seen {
        Seen {
            status: self.status,
            uptime: self.well_since.map_or(Duration::ZERO, |since| now.mono.since(since)),
            latency: self.latency,
            detail: self.detail.clone(),
            last_seen: match self.is_engines && self.status.is_good() {
                // The engine goes on looking, and tells only what changes.
                true => now.wall.0 / 1000,
                false => self.last_seen,
            },
            started: self.started,
        }
    }

    fn turn(&mut self, to: HealthStatus, now: Now) {
        self.status = to;
        if to.is_good() {
            self.well_since.get_or_insert(now.mono);
            self.last_seen = now.wall.0 / 1000;
        } else {
            self.well_since = None;
        }
    }
}
