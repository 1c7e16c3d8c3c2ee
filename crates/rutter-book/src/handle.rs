//! What everyone but the owner holds.

use std::sync::Arc;

use rutter_rib::{Book, Kind, OutletSpec, Page};
use rutter_route::{Explanation, Now, TableName};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::attached::Attached;
use crate::error::BookClosed;
use crate::owner::{Command, Owner};
use crate::subscription::{Subscriber, Subscription};
use crate::touched::{Touched, touched};

/// A handle on a book that another task owns. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BookHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) wake: Arc<Notify>,
}

impl BookHandle {
    /// Runs `f` on the owner. It returns when the commit that follows is done, so whoever asks
    /// next sees what `f` said; the outlets have been noted too.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn apply<R, F>(&self, f: F) -> Result<R, BookClosed>
    where
        R: Send + 'static,
        F: FnOnce(&mut Book, Now) -> R + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let command = Command::Apply(Box::new(move |book, now| {
            let result = f(book, now);
            // Whoever asked may be gone; what was asked is done all the same.
            Box::new(move || drop(answer.send(result)))
        }));
        self.commands.send(command).await.map_err(|_| BookClosed)?;
        answered.await.map_err(|_| BookClosed)
    }

    /// Runs `f` on the owner, which lets it see the book as the last commit left it, and returns
    /// at once. `f` should take well under a millisecond: the owner does nothing else meanwhile.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn read<R, F>(&self, f: F) -> Result<R, BookClosed>
    where
        R: Send + 'static,
        F: FnOnce(&Book, Now) -> R + Send + 'static,
    {
        self.ask(move |owner, now| f(&owner.book, now)).await
    }

    pub(crate) async fn ask<R, F>(&self, f: F) -> Result<R, BookClosed>
    where
        R: Send + 'static,
        F: FnOnce(&mut Owner, Now) -> R + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask(Box::new(move |owner, now| {
            // Whoever asked may be gone.
            drop(answer.send(f(owner, now)));
        }));
        self.commands.send(command).await.map_err(|_| BookClosed)?;
        answered.await.map_err(|_| BookClosed)
    }

    /// All there is to say about a destination, with what each sink was told. `None`: there is no
    /// such table of that kind.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn explain<D>(
        &self,
        table: TableName,
        destination: D,
    ) -> Result<Option<Explanation<D>>, BookClosed>
    where
        D: Kind + Send + Sync,
    {
        self.ask(move |owner, now| {
            let mut told = owner.book.explain(now, &table, &destination)?;
            let any = destination.to_any();
            let sinks = owner.subscribers.values().filter_map(|s| s.explain(&table, &any));
            told.sinks.extend(sinks);
            told.sinks.extend(owner.attached.iter().flat_map(|a| a.sinks(&table, &any)));
            Some(told)
        })
        .await
    }

    /// The `limit` least destinations of a table behind `after` that are `wanted`, in order,
    /// gathered in slices. `None`: there is no such table of that kind.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn page<D, W>(
        &self,
        table: TableName,
        after: Option<D>,
        limit: usize,
        wanted: W,
    ) -> Result<Option<Vec<D>>, BookClosed>
    where
        D: Kind + Send,
        W: Fn(&rutter_rib::Table<D>, &D) -> bool + Send + Clone + 'static,
    {
        let mut page = Page::new(after, limit);
        loop {
            let (table, wanted) = (table.clone(), wanted.clone());
            let slice = move |book: &Book, _: Now| {
                let table = book.table::<D>(&table)?;
                let progress = page.gather(table, rutter_rib::SLICE, |d| wanted(table, d));
                Some((page, progress))
            };
            match self.read(slice).await? {
                None => return Ok(None),
                Some((page, progress)) if progress.is_done() => {
                    return Ok(Some(page.into_sorted()));
                }
                Some((unfinished, _)) => page = unfinished,
            }
        }
    }

    /// Subscribes a sink to a table: it hears a snapshot, then what changes. `None`: there is no
    /// such table of that kind.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn subscribe<D>(
        &self,
        table: TableName,
        spec: OutletSpec,
    ) -> Result<Option<Subscription<D>>, BookClosed>
    where
        D: Kind + Send + Sync,
    {
        let (batches, heard) = mpsc::channel(crate::BATCHES);
        let id = self
            .ask(move |owner, _| {
                owner.book.table::<D>(&table)?;
                let subscriber = Subscriber::<D>::new(table, spec, owner.seed, batches);
                Some(owner.add_subscriber(Box::new(subscriber)))
            })
            .await?;
        Ok(id.map(|id| Subscription { id, heard, handle: self.clone() }))
    }

    /// Which destinations of a table change from now on. `None`: there is no such table of that
    /// kind.
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn touched<D>(&self, table: TableName) -> Result<Option<Touched<D>>, BookClosed>
    where
        D: Kind + Send + Sync,
    {
        self.ask(move |owner, _| {
            owner.book.table::<D>(&table)?;
            let (ours, theirs) = touched::<D>(table);
            owner.add_subscriber(Box::new(ours));
            Some(theirs)
        })
        .await
    }

    /// Has something run on the owner's task from now on; see [`Attached`].
    ///
    /// # Errors
    /// The owner has ended.
    pub async fn attach(&self, attached: Box<dyn Attached>) -> Result<(), BookClosed> {
        self.ask(move |owner, _| owner.attached.push(attached)).await
    }

    /// Has the owner look at what is [attached](Self::attach): it was given something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}
