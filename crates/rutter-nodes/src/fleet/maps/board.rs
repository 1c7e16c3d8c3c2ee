//! What the readers of one class are told, encoded: a snapshot, and each change.
//!
//! A board begins with a snapshot. Changes follow as deltas until they are more bytes than half of
//! the snapshot would need: then the oldest are dropped, and once the snapshot is older than the
//! oldest delta it is encoded anew. So there is always a way from nothing to now, every byte is
//! encoded a bounded number of times, and a reader that would be told more than the map is told the
//! map.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::encode;
use crate::map::{Delta, NetworkMap};

/// Deltas may always be this many bytes, however small the map is.
const LEAST_BYTES: usize = 16 * 1024;

/// Deltas are never more bytes than this, so that each goes through a link.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// The most deltas.
const MAX_DELTAS: usize = 256;

/// What one reader is told next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// All there is, in parts.
    Snapshot {
        /// The board's number as of it.
        number: u64,
        /// At least one.
        parts: Arc<[Bytes]>,
    },
    /// What changed.
    Delta {
        /// The board's number as of it.
        number: u64,
        /// The change.
        change: Bytes,
    },
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Board(Mutex<Told>);

#[derive(Debug)]
struct Told {
    snapshot: Arc<[Bytes]>,
    /// The number as of the snapshot.
    snapshot_at: u64,
    /// Who was told up to this number goes on with the deltas.
    base: u64,
    deltas: VecDeque<(u64, Bytes)>,
    n_bytes: usize,
}

impl Board {
    pub(super) fn new(number: u64, map: &NetworkMap) -> Self {
        Self(Mutex::new(Told {
            snapshot: encode::snapshot(map),
            snapshot_at: number,
            base: number,
            deltas: VecDeque::new(),
            n_bytes: 0,
        }))
    }

    // Nothing panics while it holds the lock half-written.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The map has become this one by that difference. Numbers rise. With `anew` who comes to the
    /// board is told nothing of before.
    pub(super) fn push(&self, number: u64, delta: &Delta, map: &NetworkMap, anew: bool) {
        let change = encode::delta(delta);
        let mut told = self.told();
        let half = told.snapshot.iter().map(Bytes::len).sum::<usize>() / 2;
        let most = half.clamp(LEAST_BYTES, MOST_BYTES);
        told.n_bytes += change.len();
        told.deltas.push_back((number, change));
        while told.n_bytes > most || told.deltas.len() > MAX_DELTAS {
            let Some((dropped, change)) = told.deltas.pop_front() else { break };
            told.base = dropped;
            told.n_bytes -= change.len();
        }
        if told.snapshot_at >= told.base && !anew {
            return;
        }
        drop(told);
        // Only the distributor pushes, so nothing comes between.
        let snapshot = encode::snapshot(map);
        let mut told = self.told();
        told.snapshot = snapshot;
        told.snapshot_at = number;
    }

    /// The number that it is at.
    pub(super) fn number(&self) -> u64 {
        let told = self.told();
        told.deltas.back().map_or(told.base, |(number, _)| *number).max(told.snapshot_at)
    }

    /// What comes after that number; `None`: nothing does. `at` is `None` for who knows nothing.
    pub(super) fn after(&self, at: Option<u64>) -> Option<Next> {
        let told = self.told();
        let Some(at) = at.filter(|at| *at >= told.base) else {
            return Some(Next::Snapshot { number: told.snapshot_at, parts: told.snapshot.clone() });
        };
        let place = told.deltas.partition_point(|(number, _)| *number <= at);
        let (number, change) = told.deltas.get(place)?;
        Some(Next::Delta { number: *number, change: change.clone() })
    }
}
