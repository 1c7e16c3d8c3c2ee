//! How long a destination takes to come to rest.
//!
//! What the original calls convergence is the time since a route was first seen, which rises with
//! every refresh (spec/mpreg.md, P1). Here a *measurement* of a destination opens with the first
//! change of its ranked list, is extended by each further change, and closes when the destination
//! was still for [`SETTLE`]; what counts is from the first change to the last. A renewal, a
//! repetition and a refresh change no ranked list, so they open none.
//!
//! Bounds: [`MAX_OPEN`] measurements at a time; a destination over them isn't measured, so a flood
//! (a full table, a lost neighbour of a million routes) costs one look-up a change.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hashbrown::HashMap;
use rutter_route::{AnyDestination, Deadline, Mono, Now, TableName};
use serde::{Deserialize, Serialize};

/// How long a destination has to be still for its measurement to be closed.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);

/// The most measurements that are open at a time.
pub(crate) const MAX_OPEN: usize = 4096;

/// How long it took from what set something off until nothing changed any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Convergence {
    /// How many times it was measured.
    pub n: u64,
    /// The sum, in milliseconds.
    pub sum_ms: u64,
    /// The longest, in milliseconds.
    pub max_ms: u64,
    /// How many took at most each of [`Convergence::BOUNDS_MS`], each counting those before it.
    pub buckets: Vec<u64>,
}

impl Convergence {
    /// Upper bounds of the buckets, in milliseconds.
    pub const BOUNDS_MS: [u64; 10] = [5, 10, 50, 100, 500, 1000, 5000, 10_000, 60_000, 600_000];
}

impl Convergence {
    /// Takes a measurement in.
    fn add(&mut self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.n += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
        self.buckets.resize(Self::BOUNDS_MS.len(), 0);
        let buckets = self.buckets.iter_mut().zip(Self::BOUNDS_MS);
        buckets.filter(|(_, bound)| ms <= *bound).for_each(|(n, _)| *n += 1);
    }
}

type Hasher = foldhash::fast::FixedState;

/// The first change of a destination and the last.
type Span = (Mono, Mono);

/// The measurements that are open.
#[derive(Debug)]
pub(crate) struct Settling {
    hasher: Hasher,
    /// By table, then destination. A flood asks here once a change, so it is hashed.
    open: BTreeMap<TableName, HashMap<AnyDestination, Span, Hasher>>,
    n_open: usize,
    /// When each is to be looked at, in order.
    looks: VecDeque<(Mono, TableName, AnyDestination)>,
}

impl Settling {
    /// None is open. The seed is the hash tables'.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hasher: Hasher::with_seed(seed),
            open: BTreeMap::new(),
            n_open: 0,
            looks: VecDeque::new(),
        }
    }

    /// Destinations have changed.
    pub(crate) fn changed(
        &mut self,
        now: Now,
        table: &TableName,
        destinations: impl IntoIterator<Item = AnyDestination>,
    ) {
        let mut destinations = destinations.into_iter().peekable();
        if destinations.peek().is_none() {
            return;
        }
        if !self.open.contains_key(table) {
            self.open.insert(table.clone(), HashMap::with_hasher(self.hasher.clone()));
        }
        let Some(open) = self.open.get_mut(table) else { return };
        for destination in destinations {
            if let Some((_, last)) = open.get_mut(&destination) {
                *last = now.mono;
            } else if self.n_open < MAX_OPEN {
                self.n_open += 1;
                self.looks.push_back((now.mono.after(SETTLE), table.clone(), destination.clone()));
                open.insert(destination, (now.mono, now.mono));
            }
        }
    }

    /// Closes what has come to rest.
    pub(crate) fn close(&mut self, now: Now, into: &mut Convergence) {
        while let Some((at, ..)) = self.looks.front()
            && *at <= now.mono
        {
            let Some((_, table, destination)) = self.looks.pop_front() else { return };
            let Some(open) = self.open.get_mut(&table) else { continue };
            let Some((first, last)) = open.get(&destination).copied() else { continue };
            let rests = last.after(SETTLE);
            if rests <= now.mono {
                open.remove(&destination);
                self.n_open -= 1;
                into.add(last.since(first));
                continue;
            }
            // Looks stay in order: what was put off is due no later than what comes from now on.
            let place = self.looks.partition_point(|(at, ..)| *at <= rests);
            self.looks.insert(place, (rests, table, destination));
        }
    }

    /// When [`Settling::close`] is next worth calling.
    pub(crate) fn next_deadline(&self) -> Option<Deadline> {
        self.looks.front().map(|(at, ..)| Deadline(*at))
    }
}
