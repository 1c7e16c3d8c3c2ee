//! How many requests may be repeated: a share of those that come, and a few in any case.
//!
//! A service that is overloaded fails requests; repeated, they are load on top of the load. So a
//! repeat costs a token, and within any [`WINDOW`] seconds there are `budget_percent` of the
//! requests that came, plus `min_retries_per_second` for each second, so that a quiet service can
//! fail over too. (The shape is Finagle's and linkerd's.)
//!
//! Requests are counted by each worker in a stripe of its own, in one slot a second: that is the
//! request path, and no worker touches another's cache line. A repeat is rare; it takes a lock and
//! adds the stripes up. Time is an argument.
//!
//! Bounds: sixteen words a worker. The count of requests may be off by those of one moment, in
//! which two threads turn the same slot over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rutter_route::Mono;

/// Over how many seconds requests and repeats are counted.
const WINDOW: u64 = 10;

/// More than the window, and a power of two.
const SLOTS: usize = 16;

/// How many requests may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudgetConfig {
    /// Repeats, in percent of the requests of the last ten seconds.
    pub budget_percent: u32,
    /// Repeats a second that are allowed in any case, saved up for ten seconds.
    pub min_retries_per_second: u32,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self { budget_percent: 20, min_retries_per_second: 10 }
    }
}

/// What is left to repeat. One for all workers.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    requests: Box<[Stripe]>,
    retries: Mutex<Stripe>,
}

/// Counts by the second. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    /// The second in the upper half, the count in the lower.
    slots: [AtomicU64; SLOTS],
}

impl RetryBudget {
    /// A full budget for that many workers.
    pub(crate) fn new(n_workers: usize) -> Self {
        let requests = (0..n_workers.max(1)).map(|_| Stripe::default()).collect();
        Self { requests, retries: Mutex::default() }
    }

    /// A request came to that worker.
    pub(crate) fn request(&self, worker: usize, now: Mono) {
        if let Some(stripe) = self.requests.get(worker % self.requests.len()) {
            stripe.count(second(now));
        }
    }

    /// Takes leave to repeat one; `false`: there is none now.
    pub(crate) fn retry(&self, now: Mono, config: RetryBudgetConfig) -> bool {
        let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let may = self.allowed(now, config) > retries.sum(second(now));
        if may {
            retries.count(second(now));
        }
        may
    }

    /// Whether [`RetryBudget::retry`] would say yes, without taking anything.
    pub(crate) fn has_room(&self, now: Mono, config: RetryBudgetConfig) -> bool {
        let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        self.allowed(now, config) > retries.sum(second(now))
    }

    fn allowed(&self, now: Mono, config: RetryBudgetConfig) -> u64 {
        let requests: u64 = self.requests.iter().map(|s| s.sum(second(now))).sum();
        let share = requests.saturating_mul(u64::from(config.budget_percent)) / 100;
        share + WINDOW * u64::from(config.min_retries_per_second)
    }
}

impl Stripe {
    fn count(&self, second: u64) {
        let slot = &self.slots[second as usize % SLOTS];
        let seen = slot.load(Ordering::Relaxed);
        if seen >> 32 != second {
            let turned =
                slot.compare_exchange(seen, second << 32, Ordering::Relaxed, Ordering::Relaxed);
            // Another thread turned it over: to the same second, or this one came late.
            if turned.is_err_and(|now| now >> 32 != second) {
                return;
            }
        }
        slot.fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, second: u64) -> u64 {
        let recent = |word: u64| (word >> 32) <= second && (word >> 32) + WINDOW > second;
        let words = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        words.filter(|word| recent(*word)).map(|word| word & u64::from(u32::MAX)).sum()
    }
}

/// The second, as far as it fits beside a count: it comes round after 136 years.
fn second(now: Mono) -> u64 {
    now.0 / 1000 % (1 << 32)
}
