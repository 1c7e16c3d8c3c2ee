//! What lives on the owner's task beside the book: a state machine that is source and sink at once.
//!
//! A subscriber hears of commits over a channel and speaks by commands. A protocol that is fed by its
//! neighbours and tells them what was selected would go through both for each route. Attached, it
//! runs where the tables are: it puts what it hears into them, and looks at them when it tells.
//!
//! Between two slices it does a slice of its own, so it keeps commands waiting no longer than the
//! book does.

use rutter_rib::{Book, BookChanges, Progress};
use rutter_route::{AnyDestination, Deadline, Now, SinkExplanation, TableName};

/// Runs on the owner's task from [`attach`](crate::BookHandle::attach) until it [ends](Self::is_closed).
/// It never blocks. Whoever gives it something to do [wakes](crate::BookHandle::wake) the owner.
pub trait Attached: Send + 'static {
    /// Before the book advances: what has come is put into the tables, as much as a slice holds.
    fn work(&mut self, book: &mut Book, now: Now) -> Progress;

    /// A commit of the book.
    fn note(&mut self, book: &Book, changes: &BookChanges, now: Now);

    /// After it: what there is to say goes out, as far as there is room.
    fn pump(&mut self, book: &Book, now: Now) -> Progress;

    /// When [`work`](Self::work) is due although nobody wakes the owner.
    fn next_deadline(&self, now: Now) -> Option<Deadline>;

    /// What its sinks were told of a destination, for `explain`.
    fn sinks(&self, table: &TableName, destination: &AnyDestination) -> Vec<SinkExplanation>;

    /// It has ended: the owner drops it.
    fn is_closed(&self) -> bool {
        false
    }
}
