//! How many routes were not taken, by reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counts by reason. The reasons are words of the program, so they are few.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<&'static str, usize>>);

impl Refusals {
    /// One more for this reason.
    pub(crate) fn count(&self, reason: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// All counts, by reason.
    pub(crate) fn all(&self) -> Vec<(&'static str, usize)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(reason, n)| (*reason, *n)).collect()
    }
}
