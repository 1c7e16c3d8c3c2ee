//! Whether a sink acts.

use serde::{Deserialize, Serialize};

/// What a sink does with what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkMode {
    /// It does it.
    #[default]
    Act,
    /// It says what it would do, and does nothing: for those who run Rutter beside what they have.
    Observe,
}

impl SinkMode {
    /// Whether it only looks.
    pub fn observes(self) -> bool {
        self == Self::Observe
    }
}
