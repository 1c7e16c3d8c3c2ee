//! Destinations that wait: for their pacing, or for a refusal to be tried again.

use std::collections::BTreeMap;

use rutter_route::{Deadline, Destination, Mono};

use super::Told;

/// Waiting destinations by time, each at most once per moment.
#[derive(Debug)]
pub(super) struct Waiting<D> {
    by_time: BTreeMap<(Mono, u64), D>,
    n: u64,
}

impl<D: Destination> Waiting<D> {
    pub(super) fn new() -> Self {
        Self { by_time: BTreeMap::new(), n: 0 }
    }

    /// Has a destination looked at again at a time, unless it is sooner anyway.
    pub(super) fn add(&mut self, told: &mut Told, destination: &D, at: Mono) {
        if told.waits.is_some_and(|before| before <= at) {
            return;
        }
        told.waits = Some(at);
        self.n += 1;
        self.by_time.insert((at, self.n), destination.clone());
    }

    /// Takes one whose time has come.
    pub(super) fn pop(&mut self, now: rutter_route::Now) -> Option<D> {
        let first = self.by_time.first_entry().filter(|e| e.key().0 <= now.mono)?;
        Some(first.remove())
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        self.by_time.first_key_value().map(|((at, _), _)| Deadline(*at))
    }
}
