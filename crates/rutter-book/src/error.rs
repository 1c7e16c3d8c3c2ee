//! The one error of a handle.

/// The book's task has ended: the program is shutting down. Whether a command that was on its way
/// has been carried out isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the book is closed: the program is shutting down")]
pub struct BookClosed;
