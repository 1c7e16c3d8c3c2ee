//! Monitors: whether the endpoints of providers' routes are well.
//!
//! Each route is asked by its own settings, each interval and a jitter; `retries` failures in a
//! row turn it, as people take that word (the original turns on one; that is an option). Nothing
//! stops a monitor for good.
//!
//! The state of one monitor is pure and takes time as an argument; a task asks.

mod cell;

pub use cell::{HealthCell, HealthStatus, Seen};

// H2: `state.rs` (pure), `rings.rs`, `probe.rs`, `task.rs`, `Monitors`.

/// The monitors of all routes: told by the catalogue whom to watch. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitors {
    // H2
}

impl Monitors {
    /// Nobody is watched: every status stays `unknown`.
    pub fn none() -> Self {
        todo!("H2")
    }

    /// Starts them; `on_change` hears of each status that turned. At most `at_once` probes are
    /// under way; others wait for a place.
    pub fn start(
        _settings: MonitorSettings,
        _stop: tokio_util::sync::CancellationToken,
    ) -> (Self, tokio::sync::mpsc::Receiver<Turned>) {
        todo!("H2")
    }

    /// Watches a route from now on, or by its new settings; what is known of it stays if how it
    /// is asked stays. The cell that is written is the answer.
    pub fn watch(
        &self,
        _key: &crate::registry::EntryKey,
        _route: &std::sync::Arc<crate::Route>,
    ) -> std::sync::Arc<HealthCell> {
        todo!("H2")
    }

    /// Watches it no longer.
    pub fn forget(&self, _key: &crate::registry::EntryKey) {
        todo!("H2")
    }

    /// What its container's engine says of a route's container, which comes before our probe;
    /// `None`: the engine says nothing any more.
    pub fn engine_says(&self, _key: &crate::registry::EntryKey, _health: Option<Seen>) {
        todo!("H2")
    }
}

/// How monitors go about it.
#[derive(Debug, Clone)]
pub struct MonitorSettings {
    /// Probes under way at once.
    pub at_once: usize,
    /// Whether one failure turns a status, as in the original.
    pub turns_at_once: bool,
}

/// A status that turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Whose.
    pub key: crate::registry::EntryKey,
    /// To what.
    pub to: Seen,
}
