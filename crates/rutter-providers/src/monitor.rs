//! Monitors: whether the endpoints of providers' routes are well.
//!
//! Each route is asked by its own settings, each interval and a jitter; `retries` failures in a
//! row turn it, as people take that word (the original turns on one; that is an option). Nothing
//! stops a monitor for good.
//!
//! ```text
//!  catalogue ── watch, forget ──▶ schedule (who is due) ──▶ probes ──▶ state (when it turns)
//!  engine ───── its own health ─▶     ▲                                  │
//!                                     └── next time ─────────────────────┤
//!                                          cells, rings, turns ◀─────────┘
//! ```
//!
//! The state of one monitor and the schedule of all are pure and take time as an argument; a task
//! asks. What a route costs is its probes and a place in a queue, no task and no timer.

mod cell;
mod probe;
mod rings;
mod schedule;
mod state;
mod task;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rutter_book::{Clock, SystemClock};
use rutter_route::Now;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::Route;
use crate::registry::EntryKey;

pub use cell::{HealthCell, HealthStatus, Seen};
pub use rings::{History, Period, Sample};
use schedule::Schedule;

/// How many turns may wait to be heard. More wait as states of their routes, of which only the
/// last counts.
const QUEUE: usize = 256;

/// The monitors of all routes: told by the catalogue whom to watch. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitors {
    shared: Option<Arc<Shared>>,
}

/// How monitors go about it.
#[derive(Debug, Clone)]
pub struct MonitorSettings {
    /// Probes under way at once, 1 or more; others wait for a place. Each takes a descriptor.
    pub at_once: usize,
    /// Whether one failure turns a status, as in the original.
    pub turns_at_once: bool,
    /// What the jitter is drawn from: two processes with the same seed ask in step.
    pub seed: u64,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self { at_once: 256, turns_at_once: false, seed: 0 }
    }
}

/// A status that turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Whose.
    pub key: EntryKey,
    /// To what.
    pub to: Seen,
}

#[derive(Debug)]
struct Shared {
    /// Never held while something is waited for.
    schedule: Mutex<Schedule>,
    is_woken: Notify,
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        SystemClock.now()
    }
}

impl Monitors {
    /// Nobody is watched: every status stays `unknown`.
    pub fn none() -> Self {
        Self { shared: None }
    }

    /// Starts them; they end with `stop`. Whoever has the receiver hears of each status that turned. Who is slow to hear
    /// is told each route's last status alone; who doesn't hear at all stops nothing.
    pub fn start(
        settings: MonitorSettings,
        stop: CancellationToken,
    ) -> (Self, mpsc::Receiver<Turned>) {
        let (tell, hear) = mpsc::channel(QUEUE);
        let schedule = Mutex::new(Schedule::new(settings.turns_at_once, settings.seed));
        let shared = Arc::new(Shared { schedule, is_woken: Notify::new() });
        tokio::spawn(task::run(shared.clone(), settings, tell, stop));
        (Self { shared: Some(shared) }, hear)
    }

    /// Watches a route from now on, or by its new settings; what is known of it stays if how it
    /// is asked stays. The cell that is written is the answer: it is the same for as long as the
    /// key is watched.
    pub fn watch(&self, key: &EntryKey, route: &Arc<Route>) -> Arc<HealthCell> {
        let Some(shared) = &self.shared else { return Arc::default() };
        let cell = shared.schedule().watch(key, route, shared.now());
        shared.is_woken.notify_one();
        cell
    }

    /// Watches it no longer. Its cell says that nothing is known.
    pub fn forget(&self, key: &EntryKey) {
        if let Some(shared) = &self.shared {
            shared.schedule().forget(key);
        }
    }

    /// What its container's engine says of a route's container, which comes before our probe;
    /// `None`: the engine says nothing any more. Say it after the catalogue has the route: of one
    /// that isn't watched nothing is kept.
    pub fn engine_says(&self, key: &EntryKey, health: Option<Seen>) {
        if let Some(shared) = &self.shared {
            shared.schedule().engine_says(key, health, shared.now());
            shared.is_woken.notify_one();
        }
    }

    /// How a route was over a period; `None` if it isn't watched.
    pub fn history(&self, key: &EntryKey, period: Period) -> Option<History> {
        let shared = self.shared.as_ref()?;
        shared.schedule().history(key, period, shared.now())
    }

    /// How many routes are watched.
    pub fn n_watched(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.schedule().len())
    }
}
