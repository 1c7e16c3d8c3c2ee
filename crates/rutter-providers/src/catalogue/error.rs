//! What the catalogue can't do.

use rutter_book::BookClosed;
use rutter_route::TableName;

use crate::ProviderId;

/// Why the catalogue didn't do what it was told. Nothing has changed, except where it has ended:
/// then it isn't known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// The program is shutting down.
    #[error("the catalogue has ended: the program is shutting down")]
    Ended,
    /// The book has no such table of services.
    #[error("there is no table `{0}` of services")]
    NoTable(TableName),
    /// A provider speaks that hasn't begun.
    #[error("the provider `{0}` has not begun")]
    NotBegun(ProviderId),
    /// Two providers have one place in the configuration, so nobody could say whose routes come
    /// first.
    #[error("the provider `{by}` has the place {order} in the configuration already")]
    PlaceTaken {
        /// Which place.
        order: u32,
        /// Who has it.
        by: ProviderId,
    },
}

impl From<BookClosed> for CatalogueError {
    fn from(_: BookClosed) -> Self {
        Self::Ended
    }
}
