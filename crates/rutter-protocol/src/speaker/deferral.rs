//! After a start: who says when that it has said all (RFC 4724's selection deferral).
//!
//! Neighbours keep what a restarting cluster said as stale until its end of refresh, which sweeps the
//! rest. A relay that ends its refresh before its own neighbours have told it theirs takes back, for a
//! moment, every way that leads through it, which hold-down and damping then bar for longer. So it
//! tells routes as they come, and owes one neighbour the end of a scope until all others have ended
//! theirs.
//!
//! It waits for [`DEFERRAL`] at most, counted from the start: a neighbour may be gone for good, or wait
//! for this one in its turn, and what is stale may not stay for that. *Rejected*: to tell nothing until
//! then, as the RFC has it. Here nothing is selected in the kernel by being told, and a way that is
//! known needn't wait for one that isn't.

use std::collections::BTreeSet;
use std::time::Duration;

use rutter_rib::Book;
use rutter_route::{ClusterId, Deadline, Mono, Now};

use super::neighbour::Neighbour;
use super::{ScopeSpec, Speaker, SpeakerConfig, tables};
use crate::wire::Scope;

/// The longest that an end of refresh waits for those of others.
pub const DEFERRAL: Duration = Duration::from_secs(15);

/// Until when ends of refreshes wait.
pub(crate) fn until(now: Now, config: &SpeakerConfig) -> Mono {
    now.mono.after(DEFERRAL.min(config.max_restart))
}

impl Neighbour {
    /// Whether it may have something to say of a scope that it hasn't said since this cluster's start.
    fn is_awaited(&self, scope: &Scope) -> bool {
        let carries = self.last_session.is_none() || self.scopes.contains(scope);
        carries && !self.refreshed.contains(scope)
    }
}

impl Speaker {
    /// Scopes whose end a neighbour isn't told yet: others haven't ended theirs, or what they said is
    /// still on its way through the table.
    pub(crate) fn deferred(&self, book: &Book, to: &ClusterId) -> BTreeSet<Scope> {
        if self.defers_until.is_none() {
            return BTreeSet::new();
        }
        let waits = |spec: &&ScopeSpec| {
            let mut others = self.neighbours.values().filter(|n| n.id != *to);
            others.any(|n| n.is_awaited(&spec.scope)) || !tables::is_settled(book, spec)
        };
        self.config.scopes.iter().filter(waits).map(|spec| spec.scope.clone()).collect()
    }

    /// Whether every neighbour has said all that it had to say since this cluster's start, and the tables
    /// have it.
    pub fn has_heard_all(&self, book: &Book) -> bool {
        self.config.scopes.iter().all(|spec| {
            !self.neighbours.values().any(|n| n.is_awaited(&spec.scope))
                && tables::is_settled(book, spec)
        })
    }

    /// Whether a neighbour is owed the end of a scope that may be told now.
    pub(crate) fn owes_end(&self, book: &Book, neighbour: &Neighbour) -> bool {
        let ends = neighbour.outbox.ends();
        !ends.is_empty() && !ends.is_subset(&self.deferred(book, &neighbour.id))
    }

    /// When ends that wait are told, whoever hasn't spoken by then.
    pub(crate) fn deferral_deadline(&self) -> Option<Deadline> {
        let owes = || self.neighbours.values().any(|n| !n.outbox.ends().is_empty());
        self.defers_until.filter(|_| owes()).map(Deadline)
    }

    /// Nobody is waited for any more, once the time for that has come.
    pub(crate) fn end_deferral(&mut self, now: Now) {
        if self.defers_until.is_some_and(|until| until <= now.mono) {
            self.defers_until = None;
        }
    }
}
