//! A sink's end of an outlet, and the owner's.

use std::any::Any;

use rutter_rib::{Batch, Book, BookChanges, Kind, Outlet, OutletSpec};
use rutter_route::{AnyDestination, Deadline, Destination, Now, SinkExplanation, TableName};
use tokio::sync::mpsc;

use crate::error::BookClosed;
use crate::handle::BookHandle;

/// What the owner does for a subscriber of any kind.
pub(crate) trait Pump: Send {
    fn note(&mut self, book: &Book, changes: &BookChanges);
    /// Sends what there is room for. Says whether there is more, and room for it.
    fn pump(&mut self, book: &Book, now: Now) -> bool;
    fn is_closed(&self) -> bool;
    fn next_deadline(&self) -> Option<Deadline>;
    fn explain(&self, table: &TableName, destination: &AnyDestination) -> Option<SinkExplanation>;
    fn as_any(&mut self) -> &mut dyn Any;
}

/// The owner's end: the outlet and the way to the sink.
pub(crate) struct Subscriber<D: Destination> {
    table: TableName,
    outlet: Outlet<D>,
    batches: mpsc::Sender<Batch<D>>,
}

impl<D: Kind + Send + Sync> Subscriber<D> {
    pub(crate) fn new(
        table: TableName,
        spec: OutletSpec,
        seed: u64,
        batches: mpsc::Sender<Batch<D>>,
    ) -> Self {
        Self { table, outlet: Outlet::new(spec, seed), batches }
    }
}

impl<D: Kind + Send + Sync> Pump for Subscriber<D> {
    fn note(&mut self, book: &Book, changes: &BookChanges) {
        let table = book.table::<D>(&self.table);
        if let Some((table, changes)) = table.zip(changes.of::<D>(&self.table)) {
            self.outlet.note(table, changes);
        }
    }

    fn pump(&mut self, book: &Book, now: Now) -> bool {
        if self.outlet.is_idle(now) {
            return false;
        }
        let Some(table) = book.table::<D>(&self.table) else { return false };
        let Ok(permit) = self.batches.try_reserve() else {
            // The sink is behind: it wakes the owner when it has taken one.
            return false;
        };
        let batch = self.outlet.next(now, table, crate::ROOM);
        let more = batch.more;
        if !batch.is_empty() {
            permit.send(batch);
        }
        more
    }

    fn is_closed(&self) -> bool {
        self.batches.is_closed()
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.outlet.next_deadline()
    }

    fn explain(&self, table: &TableName, destination: &AnyDestination) -> Option<SinkExplanation> {
        if *table != self.table {
            return None;
        }
        let destination: D = D::from_any(destination)?;
        Some(self.outlet.explain(&destination))
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// What a sink hears of a table: a snapshot, then what changes. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription<D> {
    pub(crate) id: u64,
    pub(crate) heard: mpsc::Receiver<Batch<D>>,
    pub(crate) handle: BookHandle,
}

impl<D: Kind + Send + Sync> Subscription<D> {
    /// The next batch; `None` when the book is closed.
    pub async fn next(&mut self) -> Option<Batch<D>> {
        let batch = self.heard.recv().await;
        // There is room for one more.
        self.handle.wake.notify_one();
        batch
    }

    /// The sink can't do what it was told; it is told again later.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn refused(&self, destination: D, why: String) -> Result<(), BookClosed> {
        self.with(move |outlet, now| outlet.refused(now, &destination, &why)).await
    }

    /// The sink has done what it refused before.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn accepted(&self, destination: D) -> Result<(), BookClosed> {
        self.with(move |outlet, _| outlet.accepted(&destination)).await
    }

    /// As [`Self::refused`] and [`Self::accepted`], of many at once: a sink that acts in batches is
    /// refused in batches.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn answered(
        &self,
        refused: Vec<(D, String)>,
        accepted: Vec<D>,
    ) -> Result<(), BookClosed> {
        let mut refused = refused.into_iter();
        let mut accepted = accepted.into_iter();
        loop {
            // In slices, so that the owner hears others between.
            let no: Vec<_> = refused.by_ref().take(crate::ROOM).collect();
            let yes: Vec<_> = accepted.by_ref().take(crate::ROOM).collect();
            if no.is_empty() && yes.is_empty() {
                return Ok(());
            }
            self.with(move |outlet, now| {
                for (destination, why) in no {
                    outlet.refused(now, &destination, &why);
                }
                for destination in yes {
                    outlet.accepted(&destination);
                }
            })
            .await?;
        }
    }

    /// The sink was away and heard everything up to `after`; see [`Outlet::resume`]. Batches that
    /// were on their way still come.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn resume(&self, after: Option<u64>) -> Result<(), BookClosed> {
        self.with(move |outlet, _| {
            outlet.resume(after);
        })
        .await
    }

    async fn with<F>(&self, f: F) -> Result<(), BookClosed>
    where
        F: FnOnce(&mut Outlet<D>, Now) + Send + 'static,
    {
        let id = self.id;
        self.handle
            .ask(move |owner, now| {
                let subscriber = owner.subscribers.get_mut(&id);
                let subscriber =
                    subscriber.and_then(|s| s.as_any().downcast_mut::<Subscriber<D>>());
                if let Some(subscriber) = subscriber {
                    f(&mut subscriber.outlet, now);
                }
            })
            .await
    }
}
