//! The tables that can be looked at, of all books of this process.

use rutter_book::{BookClosed, BookHandle};
use rutter_rib::Counts;
use rutter_route::{ClusterId, DestinationKind, Prefix, Service, TableName};

/// One table, under the name by which it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct TableAt {
    /// What people call it: `services`, `gateway/services`.
    pub(crate) shown: TableName,
    /// What its destinations are.
    pub(crate) kind: DestinationKind,
    pub(crate) book: BookHandle,
    /// Its name in its book.
    pub(crate) name: TableName,
}

/// The tables of all books, by the names under which they are shown.
#[derive(Debug, Clone, Default)]
pub struct Tables(Vec<TableAt>);

impl Tables {
    /// Adds a book's tables: under their own names, or under `PREFIX/NAME`. A gateway's book stands
    /// under `gateway`, so that its `services` isn't taken for the controller's.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn add(&mut self, prefix: Option<&str>, book: BookHandle) -> Result<(), BookClosed> {
        let tables = book.read(|book, _| book.tables().to_vec()).await?;
        for (kind, name) in tables {
            let shown = match prefix {
                None => Some(name.clone()),
                Some(prefix) => format!("{prefix}/{name}").parse().ok(),
            };
            let Some(shown) = shown else {
                tracing::warn!(table = %name, "a table's name is too long to be shown");
                continue;
            };
            self.0.push(TableAt { shown, kind, book: book.clone(), name });
        }
        Ok(())
    }

    pub(crate) fn get(&self, shown: &str) -> Option<&TableAt> {
        self.0.iter().find(|table| table.shown.as_str() == shown)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TableAt> {
        self.0.iter()
    }
}

impl TableAt {
    /// How full it is.
    pub(crate) async fn counts(&self) -> Result<Counts, BookClosed> {
        let (kind, name) = (self.kind, self.name.clone());
        self.book
            .read(move |book, _| match kind {
                DestinationKind::Prefix => book.table::<Prefix>(&name).map(|t| t.counts()),
                DestinationKind::Service => book.table::<Service>(&name).map(|t| t.counts()),
                DestinationKind::Cluster => book.table::<ClusterId>(&name).map(|t| t.counts()),
            })
            .await
            .map(Option::unwrap_or_default)
    }
}

/// Calls a function that is generic over the kind of destination with the kind of a table.
macro_rules! by_kind {
    ($kind:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $kind {
            rutter_route::DestinationKind::Prefix => {
                $function::<rutter_route::Prefix>($($argument),*).await
            }
            rutter_route::DestinationKind::Service => {
                $function::<rutter_route::Service>($($argument),*).await
            }
            rutter_route::DestinationKind::Cluster => {
                $function::<rutter_route::ClusterId>($($argument),*).await
            }
        }
    };
}
pub(crate) use by_kind;
