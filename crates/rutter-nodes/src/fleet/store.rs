//! Writing to the registry: what people say before it takes effect, what follows after.
//!
//! ```text
//!   a word    turn ─▶ written ─▶ in effect ─▶ committed ─▶ what followed written ─▶ acknowledged
//!   a session in effect ─▶ committed ─▶ waits here ─▶ turn ─▶ written ─▶ reported
//! ```
//!
//! Whoever writes has the turn, so what is read for a write and the write itself are not overtaken
//! by another. What waits for it is named, not copied: of a row that changes ten times until the
//! turn comes, the last is written once; and thousands of sessions that come at once share a
//! transaction. It is bounded by the rows there are.
//!
//! Where the registry can't write, what waits goes on waiting and is tried again each
//! [`TRY_AGAIN`], and whoever hangs on it is told. While the fleet is paused nothing is written:
//! the registry may be another process's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rutter_book::Touched;
use rutter_registry::NodeWrite;
use rutter_rib::Table;
use rutter_route::{NodeId, Prefix};
use tokio::sync::{MutexGuard, Notify, watch};

use super::state::{State, lock};
use super::{FleetError, Inner};

/// How long after a failure it is tried again by itself.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How many prefixes or rows are looked at in one visit to the owner of the book.
const SLICE: usize = 512;

/// How many rows are written in one transaction, about.
const BATCH: usize = 4096;

/// Who has it writes.
pub(super) type Turn<'a> = MutexGuard<'a, Touched<Prefix>>;

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Store {
    turn: tokio::sync::Mutex<Touched<Prefix>>,
    waiting: Mutex<Waiting>,
    wake: Notify,
    written: watch::Sender<Written>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By prefix first, so that who lost it and who won it are written together.
    rows: BTreeSet<(Prefix, NodeId)>,
    nodes: BTreeSet<NodeId>,
    /// How often something came to wait.
    number: u64,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
struct Written {
    tried: u64,
    good: u64,
    why: String,
}

impl Store {
    pub(super) fn new(touched: Touched<Prefix>) -> Self {
        Self {
            turn: tokio::sync::Mutex::new(touched),
            waiting: Mutex::default(),
            wake: Notify::new(),
            written: watch::Sender::new(Written::default()),
        }
    }

    /// Something is to be written.
    pub(super) fn wait_for(
        &self,
        rows: impl IntoIterator<Item = (NodeId, Prefix)>,
        nodes: impl IntoIterator<Item = NodeId>,
    ) {
        let mut waiting = lock(&self.waiting);
        waiting.rows.extend(rows.into_iter().map(|(id, prefix)| (prefix, id)));
        waiting.nodes.extend(nodes);
        waiting.number += 1;
        drop(waiting);
        self.wake.notify_one();
    }

    pub(super) async fn turn(&self) -> Turn<'_> {
        self.turn.lock().await
    }

    /// Waits until what came to wait so far is written; what failed before is tried again.
    pub(super) async fn settled(&self) -> Result<(), FleetError> {
        let mut written = self.written.subscribe();
        let number = {
            let mut waiting = lock(&self.waiting);
            let before = written.borrow();
            if before.tried >= waiting.number && before.good < waiting.number {
                waiting.number += 1;
                self.wake.notify_one();
            }
            waiting.number
        };
        let seen = written.wait_for(|w| w.tried >= number).await;
        let seen = seen.map_err(|_| rutter_registry::Error::Closed)?;
        match seen.good >= number {
            true => Ok(()),
            false => {
                let why = seen.why.clone();
                Err(rutter_registry::Error::Unavailable { why }.into())
            }
        }
    }

    fn take(&self) -> Waiting {
        let mut waiting = lock(&self.waiting);
        let number = waiting.number;
        std::mem::replace(&mut waiting, Waiting { number, ..Waiting::default() })
    }

    /// All that came to wait until that number was tried.
    fn tried(&self, number: u64, error: Option<&FleetError>) {
        self.written.send_modify(|written| {
            written.tried = number;
            match error {
                None => written.good = number,
                Some(error) => written.why = error.to_string(),
            }
        });
    }

    /// Whether the last try was one that went well.
    fn is_good(&self) -> bool {
        let written = self.written.borrow();
        written.tried == written.good
    }

    fn put_back(&self, unwritten: Waiting) {
        let mut waiting = lock(&self.waiting);
        waiting.rows.extend(unwritten.rows);
        waiting.nodes.extend(unwritten.nodes);
    }
}

impl Inner {
    /// Writes what waits and what commits led to.
    pub(super) async fn write_what_waits(&self, turn: &mut Turn<'_>) -> Result<(), FleetError> {
        if let Err(paused) = self.check_open() {
            let number = lock(&self.store.waiting).number;
            self.store.tried(number, Some(&paused));
            return Err(paused);
        }
        let mut waiting = self.store.take();
        let number = waiting.number;
        let wrote = match self.look_through(turn, &mut waiting).await {
            Ok(()) => self.write(&waiting).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &wrote {
            if self.store.is_good() {
                let n_rows = waiting.rows.len();
                tracing::warn!(%error, n_rows, "rows of nodes wait for the registry");
            }
            self.store.put_back(waiting);
        }
        self.store.tried(number, wrote.as_ref().err());
        wrote
    }

    /// What commits led to waits, too, and rows that gave way to others.
    async fn look_through(
        &self,
        turn: &mut Turn<'_>,
        waiting: &mut Waiting,
    ) -> Result<(), FleetError> {
        let touched = Vec::from_iter(turn.take());
        for slice in touched.chunks(SLICE) {
            waiting.rows.extend(self.see(slice.to_vec()).await?);
        }
        self.moves.seen();
        let gave_way = self.look(|state, _, _| state.nodes.take_given_way()).await?;
        waiting.rows.extend(gave_way.into_iter().map(|(id, prefix)| (prefix, id)));
        Ok(())
    }

    /// Looks at what commits touched: which rows changed, and which primaries moved.
    async fn see(&self, touched: Vec<Prefix>) -> Result<Vec<(Prefix, NodeId)>, FleetError> {
        let moves = self.moves.clone();
        self.look(move |state, table, now| {
            moves.see(now, state, table, &touched);
            for prefix in &touched {
                let usable =
                    table.candidates(prefix).iter().filter(|c| !c.standing.is_barred()).count();
                match usable > 1 && !prefix.is_default() {
                    true => state.shared.insert(*prefix),
                    false => state.shared.remove(prefix),
                };
            }
            let changed = state.nodes.note(now, table, &touched);
            changed.into_iter().map(|(id, prefix)| (prefix, id)).collect()
        })
        .await
    }

    async fn write(&self, waiting: &Waiting) -> Result<(), FleetError> {
        let nodes = Vec::from_iter(waiting.nodes.iter().copied());
        for slice in nodes.chunks(SLICE) {
            let slice = slice.to_vec();
            let writes =
                self.look(move |state, table, _| node_writes(state, table, &slice)).await?;
            self.registry.write_nodes(writes).await?;
        }
        let mut writes = Vec::new();
        let rows = Vec::from_iter(waiting.rows.iter().copied());
        for slice in rows.chunks(SLICE) {
            let slice = slice.to_vec();
            let of_slice =
                move |state: &mut State, table: &Table<Prefix>, _| row_writes(state, table, &slice);
            for (prefix, write) in self.look(of_slice).await? {
                let is_next = writes.last().is_some_and(|(before, _)| *before != prefix);
                if writes.len() >= BATCH && is_next {
                    self.write_batch(&mut writes).await?;
                }
                writes.push((prefix, write));
            }
        }
        self.write_batch(&mut writes).await
    }

    async fn write_batch(&self, writes: &mut Vec<(Prefix, NodeWrite)>) -> Result<(), FleetError> {
        let writes: Vec<_> = writes.drain(..).map(|(_, write)| write).collect();
        if !writes.is_empty() {
            self.registry.write_nodes(writes).await?;
        }
        Ok(())
    }

    /// The task that gives sessions and commits their turn, until the book is closed or the fleet.
    pub(super) async fn keep_written(self: Arc<Self>, mut touched: Touched<Prefix>) {
        let mut failed = false;
        loop {
            tokio::select! {
                () = self.closing.cancelled() => break,
                // What it names is taken by whoever has the turn.
                some = touched.next() => if some.is_none() { break },
                () = self.store.wake.notified() => {}
                () = tokio::time::sleep(TRY_AGAIN), if failed => {}
            }
            failed = self.write_what_waits(&mut self.store.turn().await).await.is_err();
        }
        // Whoever still waits waits for nothing.
        self.store.tried(u64::MAX, Some(&rutter_registry::Error::Closed.into()));
    }
}

/// One that is gone isn't written.
fn node_writes(state: &State, table: &Table<Prefix>, of: &[NodeId]) -> Vec<NodeWrite> {
    let records = of.iter().filter_map(|id| state.record(table, *id).ok());
    records.map(|record| NodeWrite::Node(Box::new(record))).collect()
}

fn row_writes(
    state: &State,
    table: &Table<Prefix>,
    of: &[(Prefix, NodeId)],
) -> Vec<(Prefix, NodeWrite)> {
    let known = of.iter().filter(|(_, id)| state.nodes.get(*id).is_some());
    let write = |(prefix, id): &(Prefix, NodeId)| match state.nodes.row(table, *id, prefix) {
        Some(row) => (*prefix, NodeWrite::Row(Box::new(row))),
        None => (*prefix, NodeWrite::RowGone(*id, *prefix)),
    };
    known.map(write).collect()
}
