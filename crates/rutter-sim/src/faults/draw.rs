//! Faults drawn by chance.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Planned;
use crate::span::Span;

/// How often what goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chances {
    /// The average time between two faults.
    pub every: Span,
}

impl Default for Chances {
    fn default() -> Self {
        Self { every: Span::secs(10) }
    }
}

/// Faults of a span of time.
pub fn draw(_rng: &mut ChaCha8Rng) -> Vec<Planned> {
    Vec::new()
}
