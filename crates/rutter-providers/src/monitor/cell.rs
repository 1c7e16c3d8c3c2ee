//! What is known of one route's health, for everybody who looks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a route is (GoDoxy's words).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nobody looks, or nobody can tell.
    #[default]
    Unknown,
    /// It is well.
    Healthy,
    /// It sleeps, and wakes when it is asked for.
    Napping,
    /// It begins.
    Starting,
    /// It isn't well.
    Unhealthy,
    /// It could not be asked.
    Error,
}

impl HealthStatus {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Napping => "napping",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
            Self::Error => "error",
        }
    }

    /// Whether it may be used: healthy, napping or starting.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Healthy | Self::Napping | Self::Starting)
    }
}

/// What is known of a route at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Its status.
    pub status: HealthStatus,
    /// How long it had been well when it was last looked at, which is its interval ago at most;
    /// zero if it wasn't.
    pub uptime: Duration,
    /// How long the last probe took.
    pub latency: Duration,
    /// What was seen.
    pub detail: String,
    /// When it was last well, seconds of the wall's clock; 0: never.
    pub last_seen: u64,
    /// Since when it has been watched, seconds of the wall's clock; 0: it isn't.
    pub started: u64,
}

/// What is known of one route's health: written by its monitor, read by anybody.
#[derive(Debug, Default)]
pub struct HealthCell {
    seen: arc_swap::ArcSwap<Seen>,
}

impl HealthCell {
    /// What is known now.
    pub fn seen(&self) -> std::sync::Arc<Seen> {
        self.seen.load_full()
    }

    /// Says what is known from now on.
    pub(crate) fn set(&self, seen: Seen) {
        self.seen.store(std::sync::Arc::new(seen));
    }
}
