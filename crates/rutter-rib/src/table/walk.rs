//! Walks: what one flipped state means for many routes, in slices.
//!
//! ```text
//!     queued ──▶ under way: group by group, chunk by chunk ──▶ done
//!                  ▲                                     │
//!                  └── again, if the state flipped since ┘
//! ```

use rutter_route::{Destination, Now};

use crate::policy::Flapped;

use super::candidate::{Flags, NONE, Place};
use super::sources::{Look, Phase};
use super::{Progress, Table, Walk};

impl<D: Destination> Table<D> {
    /// Goes on with walks that a call left over. `budget` is in routes; a slice of a few thousand
    /// takes well under a millisecond.
    pub fn work(&mut self, now: Now, budget: usize) -> Progress {
        let mut left = self.reload_slice(now, budget);
        while left > 0 {
            let Some(walk) = self.walks.front().copied() else {
                if !self.drop_idle_groups(left) {
                    return Progress::More;
                }
                return Progress::Done;
            };
            left = match walk {
                Walk::Source { ix, group } => self.walk_source_slice(now, ix, group, left),
                Walk::Hop { ix, group } => self.walk_hop_slice(now, ix, group, left),
                Walk::All { next } => self.walk_all_slice(next, left),
                Walk::Leases { next } => self.walk_leases_slice(next, left),
            };
        }
        let idle = self.walks.is_empty() && self.reload.is_none() && self.idle_groups.is_empty();
        if idle { Progress::Done } else { Progress::More }
    }

    /// Drops groups that have no route left, up to a budget; says whether that was all. No walk is
    /// under way: one that is keeps its place by the order of the groups.
    fn drop_idle_groups(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(at) = self.idle_groups.pop() else { return true };
            // Listed once a group; a walk may have dropped it, and its id may be another's.
            let group = &mut self.groups[at];
            if std::mem::take(&mut group.is_idle) && group.n_live == 0 {
                group.members.take();
                self.drop_group_if_empty(at);
            }
        }
        self.idle_groups.is_empty()
    }

    /// Asks for a walk over a source's routes: it compacts, sweeps, and does what `look` says.
    pub(super) fn walk_source(&mut self, ix: u32, look: Look) {
        let source = &mut self.sources[ix];
        if source.queued {
            source.look_again = source.look_again.and(look);
            return;
        }
        source.queued = true;
        source.look = source.look.and(look);
        self.walks.push_back(Walk::Source { ix, group: 0 });
    }

    pub(super) fn walk_hop(&mut self, ix: u32) {
        let hop = &mut self.hops[ix];
        if hop.queued {
            hop.again = true;
            return;
        }
        hop.queued = true;
        self.walks.push_back(Walk::Hop { ix, group: 0 });
    }

    pub(super) fn walk_all(&mut self) {
        if !self.walks.iter().any(|w| matches!(w, Walk::All { next: 0 })) {
            self.walks.push_back(Walk::All { next: 0 });
        }
    }

    fn walk_source_slice(&mut self, now: Now, ix: u32, at: usize, budget: usize) -> usize {
        let Some(group) = self.sources[ix].groups.get(at).copied() else {
            self.source_pass_ends(ix);
            return budget.saturating_sub(1);
        };
        let (left, done) = self.group_slice(now, group, budget);
        if done {
            let next = if self.drop_group_if_empty(group) { at } else { at + 1 };
            self.set_front(Walk::Source { ix, group: next });
        }
        left
    }

    fn walk_hop_slice(&mut self, now: Now, ix: u32, at: usize, budget: usize) -> usize {
        let Some(group) = self.hops[ix].groups.get(at).copied() else {
            let hop = &mut self.hops[ix];
            if std::mem::take(&mut hop.again) {
                self.set_front(Walk::Hop { ix, group: 0 });
            } else {
                hop.queued = false;
                self.walks.pop_front();
                self.hops.forget_if_unused(ix);
            }
            return budget.saturating_sub(1);
        };
        let (left, done) = self.group_slice(now, group, budget);
        if done {
            let next = if self.drop_group_if_empty(group) { at } else { at + 1 };
            self.set_front(Walk::Hop { ix, group: next });
        }
        left
    }

    fn walk_all_slice(&mut self, next: u32, budget: usize) -> usize {
        let end = self.dests.span().min(next.saturating_add(budget as u32));
        for id in next..end {
            if self.dests[id].n > 0 {
                self.marks.set(id);
            }
        }
        if end == self.dests.span() {
            self.walks.pop_front();
        } else {
            self.set_front(Walk::All { next: end });
        }
        budget - ((end - next) as usize).clamp(1, budget)
    }

    fn walk_leases_slice(&mut self, next: u32, budget: usize) -> usize {
        let end = self.remake_leases(next, budget);
        if self.worn_leases.is_none() {
            self.walks.pop_front();
        } else {
            self.set_front(Walk::Leases { next: end });
        }
        budget - ((end - next) as usize).clamp(1, budget)
    }

    fn set_front(&mut self, walk: Walk) {
        if let Some(front) = self.walks.front_mut() {
            *front = walk;
        }
    }

    /// Whether the walk in front asks no more than that each route be looked at by a commit.
    fn only_marks(&self) -> bool {
        match self.walks.front() {
            Some(Walk::Source { ix, .. }) => {
                let source = &self.sources[*ix];
                let look = source.look;
                let flaps = look.lost && self.policy.stability.is_on();
                look.mark && !look.import && !flaps && source.sweeps.is_empty()
            }
            Some(Walk::Hop { .. }) => true,
            _ => false,
        }
    }

    /// Marks a part of a group's ids without looking where they lead: a mark too many is found to
    /// be none by the commit, and a million routes are marked without touching one.
    fn mark_slice(&mut self, at: u32, budget: usize) -> (usize, bool) {
        let Self { groups, marks, .. } = self;
        let group = &mut groups[at];
        let mut left = budget;
        while left > 0 {
            let Some(chunk) = group.members.chunk(group.n_read) else {
                group.n_read = 0;
                return (left, true);
            };
            chunk.iter().for_each(|id| marks.set(*id));
            left = left.saturating_sub(chunk.len().max(1));
            group.n_read += 1;
        }
        (left, false)
    }

    /// Walks a part of a group. A pass begins by taking the group's ids out, and puts back those
    /// that live; says what is left of the budget, and whether the pass over the group is done.
    fn group_slice(&mut self, now: Now, at: u32, budget: usize) -> (usize, bool) {
        if self.groups[at].rest.len() == 0 && self.only_marks() {
            return self.mark_slice(at, budget);
        }
        let group = &mut self.groups[at];
        group.n_read = 0;
        if group.rest.len() == 0 {
            if group.members.len() == 0 {
                return (budget.saturating_sub(1), true);
            }
            group.rest = group.members.take();
            group.parity = !group.parity;
        }
        let mut left = budget;
        while left > 0 {
            let Some(chunk) = self.groups[at].rest.pop_chunk() else { return (left, true) };
            left = left.saturating_sub(chunk.len().max(1));
            for id in chunk {
                self.visit(now, at, id);
            }
        }
        (left, self.groups[at].rest.len() == 0)
    }

    /// Looks at one destination for the candidates of a group's source over its next hop.
    fn visit(&mut self, now: Now, at: u32, id: u32) {
        let (source, hop, parity) = {
            let group = &self.groups[at];
            (group.source, group.hop, group.parity)
        };
        let mut place = (self.dests[id].n > 0).then_some(Place::First(id));
        while let Some(this) = place {
            let candidate = *self.candidate(this);
            let mine = candidate.source == source
                && !candidate.is_gone()
                && candidate.flags.has(Flags::PARITY) != parity
                && self.sets.extra(candidate.received).hop == hop;
            if mine {
                self.visit_candidate(now, at, id, this);
            }
            let next = match this {
                Place::First(id) => self.dests[id].next,
                Place::Extra(extra) => self.extras[extra].next,
            };
            place = (next != NONE).then_some(Place::Extra(next));
        }
    }

    fn visit_candidate(&mut self, now: Now, at: u32, id: u32, place: Place) {
        let parity = self.groups[at].parity;
        let candidate = self.candidate_mut(place);
        candidate.flags.set(Flags::PARITY, parity);
        let candidate = *candidate;
        let source = &self.sources[candidate.source];
        let look = source.look;
        if let Some(left) = source.swept(&candidate) {
            self.leave(now, id, place, left);
            return;
        }
        self.groups[at].members.push(id);
        if look.tell {
            self.candidate_mut(place).flags.set(Flags::CHANGED, true);
        }
        if look.import {
            self.evaluate(now, id, place);
        }
        if look.lost && self.policy.stability.is_on() {
            self.note_flap(now, id, place, Flapped::Lost);
        }
        let by_hop = matches!(self.walks.front(), Some(Walk::Hop { .. }));
        if look.mark || by_hop {
            self.marks.set(id);
        }
    }

    fn drop_group_if_empty(&mut self, at: u32) -> bool {
        let group = &self.groups[at];
        if group.members.len() > 0 || group.n_live > 0 {
            return false;
        }
        let (source, hop) = (group.source, group.hop);
        let (in_source, in_hop) = (group.in_source, group.in_hop);
        let groups = &mut self.sources[source].groups;
        groups.swap_remove(in_source);
        if let Some(moved) = groups.get(in_source) {
            self.groups[*moved].in_source = in_source;
        }
        let groups = &mut self.hops[hop].groups;
        groups.swap_remove(in_hop);
        if let Some(moved) = groups.get(in_hop) {
            self.groups[*moved].in_hop = in_hop;
        }
        self.group_of.remove(&(source, hop));
        if self.last_group.2 == at {
            self.last_group = (NONE, NONE, NONE);
        }
        self.groups[at].is_idle = false;
        self.groups.free(at);
        self.hops.forget_if_unused(hop);
        true
    }

    /// A pass over a source is done: what it did is cleared, what came since asks for another.
    fn source_pass_ends(&mut self, ix: u32) {
        let source = &mut self.sources[ix];
        source.sweeps.retain(|s| s.fresh);
        for sweep in &mut source.sweeps {
            sweep.fresh = false;
        }
        source.look = std::mem::take(&mut source.look_again);
        if source.look.is_any() || !source.sweeps.is_empty() {
            self.set_front(Walk::Source { ix, group: 0 });
            return;
        }
        source.queued = false;
        self.walks.pop_front();
        self.bury(ix);
    }

    /// Forgets a source that is gone, once nothing of it is left.
    pub(super) fn bury(&mut self, ix: u32) {
        let source = &self.sources[ix];
        let over = source.phase == Phase::Gone && source.n_held == 0 && !source.queued;
        if over && self.sources.is_live(ix) {
            self.forget_last_told();
            for view in &mut self.views {
                view.forget_source(ix);
            }
            self.sources.remove(ix);
        }
    }
}
