//! One node's end of what it is told.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rutter_link::{EncodedMap, TellsMap};
use rutter_route::NodeId;
use tokio::sync::Notify;

use super::Shared;
use super::board::{Board, Next};

/// A reader as the distributor knows it.
pub(super) struct Reader {
    pub(super) id: NodeId,
    at: Mutex<At>,
    news: Notify,
}

#[derive(Default)]
struct At {
    /// The board of its class; `None`: it has none yet, or is told nothing.
    assigned: Option<Arc<Board>>,
    /// The board from which it was told last, and up to which of its numbers.
    told_of: Option<(Arc<Board>, u64)>,
    /// Its own numbers.
    told: u64,
    applied: u64,
    is_closed: bool,
}

impl Reader {
    pub(super) fn new(id: NodeId) -> Self {
        Self { id, at: Mutex::default(), news: Notify::new() }
    }

    // Nothing panics while it holds the lock half-written.
    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It belongs to this board from now on. One that was told of another is told all of this.
    pub(super) fn assign(&self, board: Option<Arc<Board>>) {
        let mut at = self.at();
        let is_same = match (&at.assigned, &board) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        at.assigned = board;
        drop(at);
        if !is_same {
            self.news.notify_one();
        }
    }

    /// Its board has something new.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    pub(super) fn close(&self) {
        self.at().is_closed = true;
        self.news.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.at().is_closed
    }

    /// What it was told last, and what it uses.
    pub(super) fn numbers(&self) -> (u64, u64) {
        let at = self.at();
        (at.told, at.applied)
    }

    pub(super) fn board(&self) -> Option<Arc<Board>> {
        self.at().assigned.clone()
    }

    /// Whether it was told what that board had at that number; of one that belongs to another
    /// meanwhile, whether it was told all of that.
    pub(super) fn was_told(&self, board: &Arc<Board>, number: u64) -> bool {
        let at = self.at();
        let told_of = |board: &Arc<Board>| {
            at.told_of.as_ref().filter(|(told, _)| Arc::ptr_eq(told, board)).map(|(_, at)| *at)
        };
        match &at.assigned {
            Some(assigned) if Arc::ptr_eq(assigned, board) => told_of(board) >= Some(number),
            Some(assigned) => told_of(assigned) >= Some(assigned.number()),
            None => true,
        }
    }
}

/// What one node is told: the map of its class, then what changes. A reader that falls behind, or
/// whose class becomes another, is told the whole map again. Dropping it ends the telling.
pub struct MapReader {
    reader: Arc<Reader>,
    shared: Arc<Shared>,
    /// Parts of a snapshot that weren't told yet, and what it is of.
    rest: VecDeque<Bytes>,
    rest_of: Option<(Arc<Board>, u64)>,
}

impl std::fmt::Debug for MapReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MapReader").field(&self.reader.id).finish()
    }
}

impl MapReader {
    pub(super) fn new(reader: Arc<Reader>, shared: Arc<Shared>) -> Self {
        Self { reader, shared, rest: VecDeque::new(), rest_of: None }
    }

    /// The next thing to tell; `None`: nobody tells any more, or another reader of the node has
    /// begun. Cancelled, it has told nothing.
    pub async fn next(&mut self) -> Option<EncodedMap> {
        loop {
            if self.reader.is_closed() {
                return None;
            }
            if let Some(told) = self.take() {
                self.shared.n_told.fetch_add(1, Ordering::Relaxed);
                self.shared.went_on();
                return Some(told);
            }
            self.reader.news.notified().await;
        }
    }

    pub(super) fn take(&mut self) -> Option<EncodedMap> {
        let mut at = self.reader.at();
        let mut snapshot = false;
        if self.rest.is_empty() {
            let board = at.assigned.clone()?;
            let same = at.told_of.as_ref().filter(|(told, _)| Arc::ptr_eq(told, &board));
            match board.after(same.map(|(_, number)| *number))? {
                Next::Delta { number, change } => {
                    at.told += 1;
                    at.told_of = Some((board, number));
                    return Some(EncodedMap { number: at.told, snapshot, change, more: false });
                }
                Next::Snapshot { number, parts } => {
                    snapshot = true;
                    self.rest = parts.iter().cloned().collect();
                    self.rest_of = Some((board, number));
                }
            }
        }
        let change = self.rest.pop_front()?;
        let more = !self.rest.is_empty();
        at.told += 1;
        if !more {
            at.told_of = self.rest_of.take();
        }
        Some(EncodedMap { number: at.told, snapshot, change, more })
    }

    /// The node uses the map up to this number.
    pub fn applied(&mut self, number: u64) {
        let mut at = self.reader.at();
        // What it was never told it can't use.
        at.applied = at.applied.max(number.min(at.told));
        drop(at);
        self.shared.went_on();
    }
}

impl Drop for MapReader {
    fn drop(&mut self) {
        self.shared.leave(&self.reader);
    }
}

#[async_trait]
impl TellsMap for MapReader {
    async fn next(&mut self) -> Option<EncodedMap> {
        self.next().await
    }

    fn applied(&mut self, number: u64) {
        self.applied(number);
    }
}
