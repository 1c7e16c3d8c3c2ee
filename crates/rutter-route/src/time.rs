//! Two clocks, always passed in.
//!
//! Deadlines use the clock that runs through suspend and never jumps (`CLOCK_BOOTTIME`); events
//! and whatever is shown to people use the wall's. Neither is ever asked for in the core.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds of the clock that never jumps, since an origin that only this process knows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

/// Milliseconds since the Unix epoch, as the wall's clock said.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub u64);

/// The moment at which a call is made, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For people.
    pub wall: Wall,
}

/// A moment of the clock that never jumps, at or after which something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deadline(pub Mono);

impl Mono {
    /// This moment plus `by`, in whole milliseconds; saturates.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `earlier` until this moment; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Now {
    /// Both clocks at the given milliseconds.
    pub fn new(mono: u64, wall: u64) -> Self {
        Self { mono: Mono(mono), wall: Wall(wall) }
    }

    /// The deadline `in_` from now.
    pub fn deadline(self, in_: Duration) -> Deadline {
        Deadline(self.mono.after(in_))
    }

    /// Both clocks moved on by `by`, as when time passes.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self { mono: self.mono.after(by), wall: Wall(Mono(self.wall.0).after(by).0) }
    }
}

impl Deadline {
    /// Whether it is due.
    pub fn is_due(self, now: Now) -> bool {
        self.0 <= now.mono
    }

    /// How long is left; zero if it is due.
    pub fn left(self, now: Now) -> Duration {
        self.0.since(now.mono)
    }
}
