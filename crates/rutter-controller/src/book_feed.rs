//! A table of a book as what the controller feeds.

use std::time::Duration;

use async_trait::async_trait;
use rutter_book::{BookClosed, BookHandle};
use rutter_route::{
    Incarnation, Service, Session, SourceId, SourceState, Standing, TableName, Verdict,
};

use crate::{Error, Feed, Result, SourceSet};

/// A table of services in a book.
#[derive(Debug, Clone)]
pub struct BookFeed {
    book: BookHandle,
    table: TableName,
}

impl BookFeed {
    /// The table of that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the book has no such table of services, [`Error::Closed`].
    pub async fn open(book: BookHandle, table: TableName) -> Result<Self> {
        let name = table.clone();
        let found = book.read(move |book, _| book.table::<Service>(&name).is_some()).await?;
        if !found {
            return Err(Error::NotFound { what: "table of services", key: table.to_string() });
        }
        Ok(Self { book, table })
    }
}

impl BookFeed {
    async fn becomes(
        &self,
        source: SourceId,
        incarnation: Incarnation,
        state: SourceState,
    ) -> Result<()> {
        let name = self.table.clone();
        let told = self.book.apply(move |book, now| {
            let table = book.table_mut::<Service>(&name)?;
            Some(table.source(now, &Session { source, incarnation }, state))
        });
        if let Err(why) = told.await?.ok_or(Error::Closed)? {
            // A newer session has taken the place of this one: there is nothing of it left.
            tracing::debug!(%why, "a source that goes was gone already");
        }
        Ok(())
    }
}

impl From<BookClosed> for Error {
    fn from(_: BookClosed) -> Self {
        Self::Closed
    }
}

#[async_trait]
impl Feed for BookFeed {
    async fn replace(&self, set: SourceSet) -> Result<Vec<Verdict>> {
        let name = self.table.clone();
        let told = self.book.apply(move |book, now| {
            // A book's tables are those it was made with: what was there at `open` is there.
            let table = book.table_mut::<Service>(&name)?;
            let session = Session { source: set.source, incarnation: set.incarnation };
            if let Err(why) = table.source(now, &session, SourceState::Up(set.info)) {
                return Some(vec![Verdict::Refused(why); set.routes.len()]);
            }
            table.begin_refresh(now, &session);
            let routes = set.routes.into_iter();
            let verdicts = routes.map(|route| table.advertise(now, &session, route)).collect();
            table.end_of_refresh(now, &session);
            Some(verdicts)
        });
        told.await?.ok_or(Error::Closed)
    }

    async fn away(&self, source: SourceId, incarnation: Incarnation, for_: Duration) -> Result<()> {
        self.becomes(source, incarnation, SourceState::KeepStale { for_ }).await
    }

    async fn gone(&self, source: SourceId, incarnation: Incarnation) -> Result<()> {
        self.becomes(source, incarnation, SourceState::Gone).await
    }

    async fn standings(&self, of: Service) -> Result<Vec<(SourceId, String, Standing)>> {
        let name = self.table.clone();
        let found = self.book.read(move |book, _| {
            let table = book.table::<Service>(&name)?;
            let candidates = table.candidates(&of);
            let of_each =
                candidates.iter().map(|c| (c.source.clone(), c.path.to_string(), c.standing));
            Some(of_each.collect())
        });
        found.await?.ok_or(Error::Closed)
    }
}

#[cfg(test)]
mod tests;
