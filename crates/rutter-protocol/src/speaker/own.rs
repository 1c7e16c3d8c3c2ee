//! What this cluster originates: its claims, signed, renewed at a third of their life, withdrawn.

use rutter_rib::{Book, BookChanges};
use rutter_route::{Deadline, Now};

use super::{Output, Speaker};
use crate::claims::Claim;
use crate::wire::Scope;

/// Own destinations with their claims.
#[derive(Debug, Default)]
pub(crate) struct Own {}

impl Speaker {
    /// Own destinations that came, changed or went: claims are made for them, and signed.
    pub(crate) fn note_own(
        &mut self,
        _now: Now,
        _book: &Book,
        _changes: &BookChanges,
        _out: &mut Vec<Output>,
    ) {
        todo!("H4")
    }

    /// Somebody holds a newer claim of this cluster than this cluster knows of: jump past it.
    pub(crate) fn outdone(&mut self, _now: Now, _scope: &Scope, _held: &Claim) {
        todo!("H4")
    }

    /// Claims whose third has passed, or whose key is about to end, are signed again, paced.
    pub(crate) fn renew_own(&mut self, _now: Now, _out: &mut Vec<Output>) {
        todo!("H4")
    }

    /// When `renew_own` is next worth calling.
    pub(crate) fn own_deadline(&self, _now: Now) -> Option<Deadline> {
        todo!("H4")
    }
}
