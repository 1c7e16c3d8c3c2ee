//! The one owner of a book, and the handle that everyone else holds.
//!
//! One task owns the [`rutter_rib::Book`]. It takes commands in batches, advances the book in
//! slices, and passes each commit on to the outlets of its subscribers; between two slices it
//! hears further commands, so a walk over a million routes keeps nobody waiting. Nothing else
//! touches the tables, so they need no lock.
//!
//! A command is a closure over the book. That is one mechanism for every adapter, and each command
//! is as atomic as it is written; the rejected alternative, a message type a call of the table,
//! says everything twice. [`BookHandle::apply`] answers when the commit that follows is done: who
//! advertises and then asks sees what it said.
//!
//! A reader on a hot path doesn't ask here: it keeps its own index, fed by a [`Subscription`]. Who
//! needs no more than to know where to look again takes [`Touched`].
//!
//! Bounds: commands wait in a queue of [`QUEUE`]; over it the sender waits. A subscription holds
//! [`BATCHES`] batches of [`ROOM`] tells; over it the outlet keeps what is out of date, and later
//! overwrites earlier.
#![forbid(unsafe_code)]

mod attached;
mod clock;
mod error;
mod handle;
mod owner;
mod subscription;
mod touched;

pub use attached::Attached;
pub use clock::{Clock, SystemClock};
pub use error::BookClosed;
pub use handle::BookHandle;
pub use owner::spawn;
pub use subscription::Subscription;
pub use touched::Touched;

/// Commands that wait for the owner.
pub const QUEUE: usize = 1024;

/// Tells in one batch of a subscription.
pub const ROOM: usize = 256;

/// Batches that wait for a subscriber.
pub const BATCHES: usize = 4;

#[cfg(test)]
mod tests;
