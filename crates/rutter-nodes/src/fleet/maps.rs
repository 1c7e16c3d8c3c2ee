//! Telling nodes their maps: one a class, worked out and encoded once.
//!
//! ```text
//!   touched prefixes ─┐                      ┌─▶ Board of a class ──▶ MapReader, MapReader ...
//!   roster, policy ───┼─▶ distributor ─ Work ┤     snapshot, deltas
//!   readers ──────────┘     (one task)       └─▶ Board of a class ──▶ MapReader ...
//! ```
//!
//! One task, the distributor, works out what each class is told ([`work`]): where the table is, in
//! slices, so that the owner of the book is never kept long. What comes out is encoded once a class
//! and put on its [`board`], from which each reader takes what it hasn't been told yet.
//!
//! - **A moved primary waits for nothing**: it is worked out for all classes at once. Another roster
//!   or policy needs another [`Mapper`](crate::map::Mapper): what follows from it is patched, or built beside what is
//!   told, a step at a time, while moves go on ([`build`]).
//! - **Level-triggered**: what is told is the difference between the map that a class was told last
//!   and what the table says now. Whatever happens in between costs nothing and is never told.
//! - **Bounds**: a board holds a snapshot and deltas of no more bytes than that; a reader that fell
//!   out of them is told the snapshot. As many classes as there are readers.
//!
//! Numbers: a reader's rise by one with each thing that it is told.

mod board;
mod build;
mod distributor;
mod encode;
mod reader;
#[cfg(test)]
mod tests;
mod waits;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle, Clock};
use rutter_route::{NodeId, Prefix, TableName};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

pub use reader::MapReader;

use super::state::{Changed, State};
use distributor::{Distributor, Sources};
use reader::Reader;
use waits::Wait;

/// What hears which prefixes' moves all connected nodes have been told.
pub(super) type OnTold = Box<dyn Fn(&BTreeSet<Prefix>) + Send + Sync>;

/// The maps of a fleet. Dropping it ends the telling.
pub(super) struct Maps {
    shared: Arc<Shared>,
    _distributing: AbortOnDropHandle<()>,
}

/// What readers and the distributor share.
#[derive(Default)]
struct Shared {
    registry: Mutex<Registry>,
    /// Something waits for the distributor that it hears of nowhere else.
    news: Notify,
    /// Counts what readers were told and say that they use.
    progress: watch::Sender<u64>,
    /// Snapshots and changes that were told, by their parts.
    n_told: AtomicU64,
}

/// The readers there are.
#[derive(Default)]
struct Registry {
    readers: BTreeMap<NodeId, Arc<Reader>>,
    /// Nodes whose reader has come, gone or been replaced.
    changed: BTreeSet<NodeId>,
    /// Who wants to know when all is worked out that has happened until now.
    flushes: Vec<oneshot::Sender<()>>,
    /// Nobody tells any more.
    is_closed: bool,
}

impl Shared {
    // Nothing panics while it holds the lock half-written.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn went_on(&self) {
        self.progress.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// The reader's session has ended.
    fn leave(&self, reader: &Arc<Reader>) {
        reader.close();
        let mut registry = self.registry();
        // A newer session's is left in its place.
        if registry.readers.get(&reader.id).is_some_and(|r| Arc::ptr_eq(r, reader)) {
            registry.readers.remove(&reader.id);
            registry.changed.insert(reader.id);
        }
        drop(registry);
        self.news.notify_one();
        self.went_on();
    }

    fn close(&self) {
        let mut registry = self.registry();
        registry.is_closed = true;
        registry.flushes.clear();
        registry.readers.values().for_each(|reader| reader.close());
    }
}

impl Maps {
    /// Begins to tell. `changed` is what isn't seen in the table; `on_told` hears of moves that all
    /// connected nodes were told.
    ///
    /// # Errors
    /// The book is closed, or doesn't have the table.
    pub(super) async fn start(
        table: TableName,
        book: BookHandle,
        clock: Arc<dyn Clock>,
        state: Arc<Mutex<State>>,
        changed: Arc<Changed>,
        on_told: OnTold,
    ) -> Result<Self, BookClosed> {
        let shared = Arc::new(Shared::default());
        let touched = book.touched::<Prefix>(table.clone()).await?.ok_or(BookClosed)?;
        let told = waits::watch(shared.clone(), on_told);
        let sources = Sources { table, book, clock, state, changed, touched };
        let task = tokio::spawn(Distributor::new(sources, shared.clone(), told).run());
        Ok(Self { shared, _distributing: AbortOnDropHandle::new(task) })
    }

    /// What a node is told in a session that begins. A reader that it had before ends.
    pub(super) fn reader(&self, id: NodeId) -> MapReader {
        let reader = Arc::new(Reader::new(id));
        let mut registry = self.shared.registry();
        match registry.is_closed {
            true => reader.close(),
            false => {
                registry.changed.insert(id);
                if let Some(before) = registry.readers.insert(id, reader.clone()) {
                    before.close();
                }
            }
        }
        drop(registry);
        self.shared.news.notify_one();
        MapReader::new(reader, self.shared.clone())
    }

    /// How many snapshots and changes were told since the start, by their parts.
    pub(super) fn n_told(&self) -> u64 {
        self.shared.n_told.load(Ordering::Relaxed)
    }

    /// What a node has may be otherwise, though no route in use is: its class is found anew.
    pub(super) fn look_again(&self, id: NodeId) {
        self.shared.registry().changed.insert(id);
        self.shared.news.notify_one();
    }

    /// The map that a connected node was told last, and the one that it says it uses.
    pub(super) fn numbers(&self, id: NodeId) -> Option<(u64, u64)> {
        let reader = self.shared.registry().readers.get(&id).cloned();
        reader.map(|reader| reader.numbers())
    }

    /// Waits until every connected node uses all that has happened until now, but no longer than
    /// that. Returns those that didn't say so in time.
    pub(super) async fn settle(&self, patience: Duration) -> Vec<NodeId> {
        let deadline = tokio::time::Instant::now() + patience;
        let settled = async {
            self.flush().await;
            let readers: Vec<_> = self.shared.registry().readers.values().cloned().collect();
            readers.into_iter().filter_map(Wait::for_use).collect::<Vec<Wait>>()
        };
        let Ok(mut waits) = tokio::time::timeout_at(deadline, settled).await else {
            return self.shared.registry().readers.keys().copied().collect();
        };
        let all = waits::until_all(&self.shared, &mut waits);
        // Whether it is in time shows in what is left.
        let _in_time = tokio::time::timeout_at(deadline, all).await;
        waits.iter().map(Wait::node).collect()
    }

    /// Waits until what has changed in the table until now is on the boards.
    async fn flush(&self) {
        let (done, all_done) = oneshot::channel();
        {
            let mut registry = self.shared.registry();
            if registry.is_closed {
                return;
            }
            registry.flushes.push(done);
        }
        self.shared.news.notify_one();
        // Who ends without a word has nothing more to work out.
        let _ended = all_done.await;
    }
}

impl Drop for Maps {
    fn drop(&mut self) {
        self.shared.close();
    }
}
