//! What neighbours are told: outlets, batches, claims along, signatures.
//!
//! A neighbour's outlet a scope yields what makes it true; that becomes messages of a batch, which
//! goes out when it is signed. A tell whose claim isn't signed yet keeps its batch waiting; one batch
//! a neighbour is under way, so what waits stays in the outlet, where later overwrites earlier.

use rutter_rib::{Book, BookChanges, Progress};
use rutter_route::{ClusterId, Now};

use super::{Output, Speaker, Ticket};
use crate::wire::Signature;

/// What is under way to one neighbour beside its outlets. Bounded: one batch, and one claim a
/// destination told.
#[derive(Debug, Default)]
pub(crate) struct Outbox {}

impl Speaker {
    /// A neighbour is told from now on over this connection, everything anew.
    pub(crate) fn begin_telling(&mut self, _now: Now, _book: &Book, _to: &ClusterId) {
        todo!("H4")
    }

    /// A neighbour isn't told any more: no connection is left.
    pub(crate) fn end_telling(&mut self, _to: &ClusterId) {
        todo!("H4")
    }

    /// A neighbour wants to hear a scope again.
    pub(crate) fn refresh(&mut self, _to: &ClusterId, _scope: &crate::wire::Scope) {
        todo!("H4")
    }

    pub(crate) fn note_outlets(&mut self, _changes: &BookChanges) {
        todo!("H4")
    }

    pub(crate) fn pump_outlets(
        &mut self,
        _now: Now,
        _book: &Book,
        _out: &mut Vec<Output>,
    ) -> Progress {
        todo!("H4")
    }

    /// A signature came; says whether it was asked for here.
    pub(crate) fn signed(
        &mut self,
        _now: Now,
        _ticket: Ticket,
        _signature: &Result<Signature, String>,
        _out: &mut Vec<Output>,
    ) -> bool {
        todo!("H4")
    }
}
