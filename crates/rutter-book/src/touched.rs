//! Which destinations of a table changed: for those who look at the table itself.
//!
//! A [`Subscription`](crate::Subscription) tells one sink what it should hold. Who keeps something
//! of their own beside the table (rows in the registry, maps of nodes) rather asks what to look at
//! again. That is a set, so later overwrites earlier, and it is bounded by the table.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rutter_rib::{Book, BookChanges, Kind};
use rutter_route::{AnyDestination, Deadline, Now, SinkExplanation, TableName};
use tokio::sync::mpsc;

use crate::subscription::Pump;

/// The destinations that changed and weren't asked for yet.
type Set<D> = Arc<Mutex<BTreeSet<D>>>;

/// The owner's end.
pub(crate) struct Toucher<D> {
    table: TableName,
    set: Set<D>,
    /// Holds one word when the set has something.
    some: mpsc::Sender<()>,
}

/// The destinations of a table that changed, in any view, since they were last asked for; begins
/// with none. Dropping it ends it.
#[derive(Debug)]
pub struct Touched<D> {
    set: Set<D>,
    some: mpsc::Receiver<()>,
}

/// Both ends.
pub(crate) fn touched<D>(table: TableName) -> (Toucher<D>, Touched<D>) {
    let set = Set::<D>::default();
    let (say, some) = mpsc::channel(1);
    (Toucher { table, set: set.clone(), some: say }, Touched { set, some })
}

impl<D: Kind> Touched<D> {
    /// What changed, at least one; waits for it. `None` when the book is closed and all was taken.
    /// Cancelled, it has taken nothing.
    pub async fn next(&mut self) -> Option<BTreeSet<D>> {
        loop {
            let heard = self.some.recv().await;
            let set = self.take();
            // The word may be of what `take` has already given.
            if !set.is_empty() {
                return Some(set);
            }
            heard?;
        }
    }

    /// What changed until now. Whoever had the answer of an [`apply`](crate::BookHandle::apply)
    /// finds what it led to.
    pub fn take(&mut self) -> BTreeSet<D> {
        std::mem::take(&mut *self.set.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<D: Kind + Send> Pump for Toucher<D> {
    fn note(&mut self, _: &Book, changes: &BookChanges) {
        let Some(changes) = changes.of::<D>(&self.table).filter(|c| !c.changes.is_empty()) else {
            return;
        };
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        set.extend(changes.changes.iter().map(|c| c.destination.clone()));
        drop(set);
        // A word that waits already says the same; whoever has gone is seen by `is_closed`.
        let _ = self.some.try_send(());
    }

    fn pump(&mut self, _: &Book, _: Now) -> bool {
        false
    }

    fn is_closed(&self) -> bool {
        self.some.is_closed()
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn explain(&self, _: &TableName, _: &AnyDestination) -> Option<SinkExplanation> {
        None
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
