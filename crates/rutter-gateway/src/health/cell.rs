//! What the request path reads of a route's health: one atomic word.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rutter_route::Mono;
use tokio::sync::Notify;

use crate::routes::RouteId;

/// What is believed of a route at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// It has a health check, and nobody knows: it must be asked before it is used.
    Unknown,
    /// It may be used.
    Healthy {
        /// The belief ends soon: a request that uses it should have it asked again.
        ends_soon: bool,
    },
    /// It is used only when nothing better is left.
    Unhealthy,
}

/// The health of one route, written by the detector's task, read by every worker.
#[derive(Debug)]
pub struct HealthCell {
    id: RouteId,
    /// The state in the lowest two bits, above them the milliseconds until which it holds.
    word: AtomicU64,
    /// Whether failures are counted that a success would clear. Keeps successes, which are many,
    /// off the detector's queue.
    has_failures: AtomicBool,
    /// When the detector was last told that requests use the route, in milliseconds.
    use_noted: AtomicU64,
    changed: Notify,
}

const UNKNOWN: u64 = 0;
const HEALTHY: u64 = 1;
const UNHEALTHY: u64 = 2;

/// How long before the end of a belief a request has the route asked again.
const REFRESH_AHEAD_MS: u64 = 30_000;

/// How often the detector is told that a route is in use, at most.
const NOTE_USE_MS: u64 = 1000;

impl HealthCell {
    /// A route of which nothing is known: it counts as well unless it has a health check.
    pub(crate) fn new(id: RouteId, has_check: bool) -> Self {
        let word = if has_check { UNKNOWN } else { pack(HEALTHY, Mono(u64::MAX)) };
        Self {
            id,
            word: AtomicU64::new(word),
            has_failures: AtomicBool::new(false),
            use_noted: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    /// As new.
    pub(crate) fn reset(&self, has_check: bool) {
        self.set_has_failures(false);
        self.use_noted.store(0, Ordering::Relaxed);
        if has_check { self.believe_unknown() } else { self.believe_healthy(Mono(u64::MAX)) }
    }

    /// Nobody will ask the route again: who still holds it must not wait for that.
    pub(crate) fn let_go(&self) {
        self.believe_healthy(Mono(u64::MAX));
    }

    /// Which route.
    pub fn id(&self) -> &RouteId {
        &self.id
    }

    /// What is believed now.
    pub fn belief(&self, now: Mono) -> Belief {
        let word = self.word.load(Ordering::Acquire);
        let until = word >> 2;
        match word & 3 {
            HEALTHY if until > now.0 => {
                Belief::Healthy { ends_soon: until - now.0 <= REFRESH_AHEAD_MS }
            }
            UNHEALTHY => Belief::Unhealthy,
            _ => Belief::Unknown,
        }
    }

    /// A request uses the route; whether the detector should be told. Once a second is enough, so
    /// requests only read a word that seldom changes.
    pub(crate) fn note_use(&self, now: Mono) -> bool {
        let noted = self.use_noted.load(Ordering::Relaxed);
        let is_due = noted == 0 || now.0.saturating_sub(noted) >= NOTE_USE_MS;
        let take = || {
            let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
            self.use_noted.compare_exchange(noted, now.0, set, fetch).is_ok()
        };
        is_due && take()
    }

    /// Whether a request used the route within that time, to a second.
    pub(crate) fn used_within(&self, now: Mono, time: Duration) -> bool {
        let noted = self.use_noted.load(Ordering::Relaxed);
        noted != 0 && now.since(Mono(noted)) <= time
    }

    /// Whether a success should be told to the detector.
    pub(crate) fn has_failures(&self) -> bool {
        self.has_failures.load(Ordering::Relaxed)
    }

    pub(crate) fn set_has_failures(&self, value: bool) {
        self.has_failures.store(value, Ordering::Relaxed);
    }

    /// Waits for the next verdict. Take the future before asking for the belief, so that a verdict
    /// in between is not missed.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    pub(crate) fn believe_healthy(&self, until: Mono) {
        self.store(pack(HEALTHY, until));
    }

    pub(crate) fn believe_unhealthy(&self) {
        self.store(UNHEALTHY);
    }

    pub(crate) fn believe_unknown(&self) {
        self.store(UNKNOWN);
    }

    fn store(&self, word: u64) {
        self.word.store(word, Ordering::Release);
        self.changed.notify_waiters();
    }
}

fn pack(state: u64, until: Mono) -> u64 {
    (until.0.min(u64::MAX >> 2) << 2) | state
}
