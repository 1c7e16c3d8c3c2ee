//! What was refused and so stands in no table, for `explain`, `/routing/trace` and the log.
//!
//! What policy denies or stability holds is not here: it stands in its table, barred, and the table
//! explains it. Bounds: [`Refusals::MAX`] in all, [`Refusals::PER_DESTINATION`] a destination, so one
//! that is refused a thousand times a second leaves the others' refusals where they are.

use std::collections::{BTreeMap, VecDeque};

use rutter_route::{AnyDestination, ClusterId, Wall};
use serde::{Deserialize, Serialize};

use crate::stats::Reason;
use crate::wire::Scope;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Wall,
    /// Who said it.
    pub neighbour: ClusterId,
    /// In which scope.
    pub scope: Scope,
    /// Of what.
    pub destination: AnyDestination,
    /// By which path.
    pub path: Vec<ClusterId>,
    /// Why.
    pub reason: Reason,
}

/// The last refusals.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    last: u64,
    of: BTreeMap<u64, Refusal>,
    by_destination: BTreeMap<AnyDestination, VecDeque<u64>>,
}

impl Refusals {
    pub(crate) const MAX: usize = 4096;
    pub(crate) const PER_DESTINATION: usize = 8;

    /// Keeps one; the destination's oldest, or the oldest of all, gives way.
    pub(crate) fn add(&mut self, refusal: Refusal) {
        self.last += 1;
        let numbers = self.by_destination.entry(refusal.destination.clone()).or_default();
        numbers.push_back(self.last);
        let too_many = numbers.len() > Self::PER_DESTINATION;
        let oldest = if too_many { numbers.pop_front() } else { None };
        if let Some(oldest) = oldest {
            self.of.remove(&oldest);
        }
        self.of.insert(self.last, refusal);
        if self.of.len() > Self::MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((number, refusal)) = self.of.pop_first() else { return };
        if let Some(numbers) = self.by_destination.get_mut(&refusal.destination) {
            numbers.retain(|n| *n != number);
            if numbers.is_empty() {
                self.by_destination.remove(&refusal.destination);
            }
        }
    }

    /// Those of a destination, oldest first.
    pub(crate) fn of(&self, destination: &AnyDestination) -> Vec<Refusal> {
        let numbers = self.by_destination.get(destination).into_iter().flatten();
        numbers.filter_map(|n| self.of.get(n)).cloned().collect()
    }

    /// The last `n` of all, oldest first.
    pub(crate) fn last(&self, n: usize) -> Vec<Refusal> {
        let mut last: Vec<_> = self.of.values().rev().take(n).cloned().collect();
        last.reverse();
        last
    }
}

impl super::Speaker {
    /// What was refused of a destination lately and stands in no table, oldest first.
    pub fn refusals(&self, destination: &AnyDestination) -> Vec<Refusal> {
        self.refusals.of(destination)
    }

    /// The last refusals of any destination, oldest first; 4,096 are kept.
    pub fn last_refusals(&self, n: usize) -> Vec<Refusal> {
        self.refusals.last(n)
    }
}
