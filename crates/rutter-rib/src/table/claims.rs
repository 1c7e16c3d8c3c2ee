//! What a source says: advertise, withdraw, renew.

use std::time::Duration;

use rutter_route::{
    Advertisement, Attributes, Destination, Left, Now, PathId, Refused, Session, Standing, Verdict,
};

use crate::parts::index::KeyHash;
use crate::parts::wheel::{NEVER, Tick};
use crate::policy::Flapped;

use super::candidate::{Candidate, Dest, Extra, Flags, NONE, Place};
use super::sources::{Group, Look};
use super::{SetInfo, Table};

/// What is said of one or many routes. The set of attributes is counted for who says it.
#[derive(Debug, Clone, Copy)]
struct Said {
    source: u32,
    received: u32,
    lease: Option<Duration>,
    standing: Standing,
}

impl<D: Destination> Table<D> {
    /// A source claims a route, or changes or renews one.
    ///
    /// An advertisement equal to what stands renews its lease, makes it part of the refresh, and
    /// is no change. A refused one changes nothing, except a loop, which withdraws what stood.
    pub fn advertise(&mut self, now: Now, s: &Session, route: Advertisement<D>) -> Verdict {
        let mut verdict = None;
        let Advertisement { destination, path, attributes, lease, standing } = route;
        let routes = std::iter::once((destination, path));
        self.advertise_all(now, s, attributes, lease, standing, routes, |v| verdict = Some(v));
        // `advertise_all` says a verdict of each route, and this is one.
        verdict.unwrap_or(Verdict::Refused(Refused::Loop))
    }

    /// As [`Table::advertise`], of many routes that are alike in all but (destination, path id):
    /// what they share is looked at once. `each` hears the verdict of each, in their order.
    #[allow(clippy::too_many_arguments, reason = "an advertisement, taken apart")]
    pub fn advertise_all(
        &mut self,
        now: Now,
        s: &Session,
        attributes: Attributes,
        lease: Option<Duration>,
        standing: Standing,
        routes: impl IntoIterator<Item = (D, PathId)>,
        mut each: impl FnMut(Verdict),
    ) {
        let source = match self.sources.speaking(s) {
            Ok(source) => source,
            Err(current) => {
                let refused = || Verdict::Refused(Refused::OldSession { current });
                return routes.into_iter().for_each(|_| each(refused()));
            }
        };
        if self.is_loop(&attributes) {
            for (destination, path) in routes {
                if let Some((id, place)) = self.locate(now, source, &destination, &path) {
                    self.leave(now, id, place, Left::Loop);
                }
                each(Verdict::Refused(Refused::Loop));
            }
            return;
        }
        let received = self.intern_set(attributes);
        let said = Said { source, received, lease, standing };
        for (destination, path) in routes {
            each(self.advertise_one(now, said, destination, path));
        }
        self.release_set(received);
    }

    fn advertise_one(&mut self, now: Now, said: Said, destination: D, path: PathId) -> Verdict {
        let source = said.source;
        let path_id = self.path_id(&path);
        let hash = self.index.hash(&destination);
        let id = self.index.find(hash, |id| self.dests[id].key == destination);
        let place = match (id, path_id) {
            (Some(id), Some(path)) => self.place_of(id, source, path),
            _ => None,
        };
        if let Some(id) = id {
            self.sweep_all_now(now, id, source);
        }
        if let (Some(id), Some(place)) = (id, place) {
            let returns = self.candidate(place).is_gone();
            if returns && let Err(refused) = self.has_room(source, Some(id)) {
                return Verdict::Refused(refused);
            }
            self.lease_again(now, source);
            self.advertise_again(now, id, place, said);
            if returns && let Some(refused) = self.make_room(now, id, place) {
                return Verdict::Refused(refused);
            }
            return Verdict::Stands(self.standing_at(id, place));
        }
        if let Err(refused) = self.has_room(source, id) {
            return Verdict::Refused(refused);
        }
        self.lease_again(now, source);
        self.advertise_new(now, said, id.unwrap_or(NONE), hash, (destination, path))
    }

    /// The id of a path id that is in use.
    #[inline]
    pub(super) fn path_id(&self, path: &PathId) -> Option<u32> {
        if path.is_empty() { Some(0) } else { self.paths.find(path) }
    }

    fn is_loop(&self, attributes: &Attributes) -> bool {
        let list = &attributes.path_list;
        list.iter().any(|s| s.cluster == self.cluster && s.table == self.name)
    }

    fn has_room(&self, source: u32, id: Option<u32>) -> Result<(), Refused> {
        let bounds = &self.policy.bounds;
        if self.sources[source].n_live as usize >= bounds.per_source {
            return Err(Refused::SourceBound(bounds.per_source));
        }
        if self.sources.owner_routes(source) >= bounds.per_owner {
            return Err(Refused::OwnerBound(bounds.per_owner));
        }
        if let Some(id) = id
            && self.dests[id].n as usize >= bounds.paths
        {
            let mine = |p: &Place| {
                let candidate = self.candidate(*p);
                candidate.source == source && !candidate.is_gone()
            };
            if self.places(id).filter(mine).count() >= bounds.paths {
                return Err(Refused::SourceBound(bounds.paths));
            }
        }
        Ok(())
    }

    fn advertise_new(
        &mut self,
        now: Now,
        said: Said,
        id: u32,
        hash: KeyHash,
        (destination, path): (D, PathId),
    ) -> Verdict {
        let Said { source, received, .. } = said;
        let tick = self.tick(now);
        let lease = said.lease.map_or(NEVER, |lease| self.tick_after(now, lease));
        let path = if path.is_empty() { 0 } else { self.paths.intern(path, |_| ()) };
        // Once as received, and once as effective until import says otherwise.
        self.sets.retain(received);
        self.sets.retain(received);
        let mut flags = Flags::NEW;
        flags.set(Flags::OWN_LEASE, said.lease.is_some());
        flags.set_carried(Flags::carried(said.standing));
        let candidate = Candidate {
            source,
            path,
            received,
            effective: received,
            lease,
            since: tick,
            refresh: self.sources[source].refresh,
            flags,
            standing: rutter_route::Standing::Eligible,
            left: Left::Withdrawn,
        };
        let (id, place) = match id {
            NONE => self.add_destination(hash, destination, candidate),
            id if self.dests[id].n == 0 => self.revive_destination(hash, id, candidate),
            id => (id, self.add_candidate(id, candidate)),
        };
        self.n_candidates += 1;
        self.sources[source].n_held += 1;
        self.sources.count_route(source, true);
        self.add_lease(lease, id);
        self.join_group(id, place);
        self.evaluate(now, id, place);
        self.hold_if_flapping(now, id, place);
        self.marks.set(id);
        match self.make_room(now, id, place) {
            Some(refused) => Verdict::Refused(refused),
            None => Verdict::Stands(self.standing_at(id, place)),
        }
    }

    fn add_destination(&mut self, hash: KeyHash, key: D, candidate: Candidate) -> (u32, Place) {
        self.count_length(&key, true);
        let id = self.dests.insert(Dest { key, first: candidate, next: NONE, n: 1 });
        self.index.insert(hash, id);
        (id, Place::First(id))
    }

    /// A destination that ended, and whose id is still in the index, is there again.
    fn revive_destination(&mut self, hash: KeyHash, id: u32, candidate: Candidate) -> (u32, Place) {
        let key = self.dests[id].key.clone();
        self.count_length(&key, true);
        self.index.revive(hash);
        self.husks.remove(id);
        self.dests[id] = Dest { key, first: candidate, next: NONE, n: 1 };
        (id, Place::First(id))
    }

    /// Counts the lengths in use, for longest match.
    pub(super) fn count_length(&mut self, key: &D, comes: bool) {
        if let Some(prefix) = key.as_prefix() {
            let family = usize::from(prefix.is_v4());
            let n = &mut self.lengths[family][usize::from(prefix.mapped_length())];
            *n = if comes { *n + 1 } else { *n - 1 };
        }
    }

    /// Adds behind the last, so that the order of the last ranking stays.
    fn add_candidate(&mut self, id: u32, candidate: Candidate) -> Place {
        if usize::from(self.dests[id].n) >= 2 * self.policy.bounds.per_destination + 64 {
            self.drop_unseen(id);
        }
        let new = self.extras.insert(Extra { candidate, next: NONE });
        let mut last = self.dests[id].next;
        if last == NONE {
            self.dests[id].next = new;
        } else {
            while self.extras[last].next != NONE {
                last = self.extras[last].next;
            }
            self.extras[last].next = new;
        }
        self.dests[id].n += 1;
        Place::Extra(new)
    }

    fn advertise_again(&mut self, now: Now, id: u32, place: Place, said: Said) {
        let tick = self.tick(now);
        let before = *self.candidate(place);
        let source = before.source;
        let lease = said.lease.map_or(NEVER, |lease| self.tick_after(now, lease));
        if lease < before.lease || before.is_gone() {
            self.add_lease(lease, id);
        }
        let received = said.received;
        let carried = Flags::carried(said.standing);
        let refresh = self.sources[source].refresh;
        let candidate = self.candidate_mut(place);
        candidate.lease = lease;
        candidate.refresh = refresh;
        candidate.flags.set(Flags::OWN_LEASE, said.lease.is_some());
        candidate.flags.set_carried(carried);
        let returns = before.is_gone();
        let same = received == before.received;
        if !same {
            self.sets.retain(received);
            self.replace_set(now, id, place, received);
        }
        if returns {
            let candidate = self.candidate_mut(place);
            candidate.flags.set(Flags::GONE, false);
            candidate.flags.set(Flags::CHANGED, true);
            candidate.since = tick;
            self.sources.count_route(source, true);
            self.join_group(id, place);
        }
        if returns || !same {
            self.evaluate(now, id, place);
            self.hold_if_flapping(now, id, place);
        }
        // Stale until now, in a refresh or as the session's before, or impaired where it came from.
        let revived = before.refresh != refresh || before.flags.only_carried() != carried;
        if returns || !same || revived {
            self.marks.set(id);
        }
    }

    fn replace_set(&mut self, now: Now, id: u32, place: Place, received: u32) {
        let before = *self.candidate(place);
        let moved = self.sets.extra(received).hop != self.sets.extra(before.received).hop;
        let leaves = moved && !before.is_gone();
        if leaves {
            self.leave_group(&before);
        }
        let candidate = self.candidate_mut(place);
        candidate.received = received;
        candidate.flags.set(Flags::CHANGED, true);
        self.release_set(before.received);
        if leaves {
            self.join_group(id, place);
        }
        self.note_flap(now, id, place, Flapped::Changed);
    }

    /// A source takes a route back. Says whether there was one.
    pub fn withdraw(&mut self, now: Now, s: &Session, destination: &D, path: &PathId) -> bool {
        let Ok(source) = self.sources.speaking(s) else { return false };
        let Some((id, place)) = self.locate(now, source, destination, path) else { return false };
        self.leave(now, id, place, Left::Withdrawn);
        true
    }

    /// A route that stands in the table.
    pub(super) fn locate(
        &mut self,
        now: Now,
        source: u32,
        d: &D,
        path: &PathId,
    ) -> Option<(u32, Place)> {
        let id = self.find(d)?;
        let place = self.place_of(id, source, self.path_id(path)?)?;
        self.sweep_now(now, id, place);
        (!self.candidate(place).is_gone()).then_some((id, place))
    }

    /// A route that a pending sweep takes leaves at once if something is said of it: what becomes
    /// of it must not depend on how far the walk has come.
    pub(super) fn sweep_now(&mut self, now: Now, id: u32, place: Place) {
        let candidate = self.candidate(place);
        if let Some(left) = self.sources[candidate.source].swept(candidate) {
            self.leave(now, id, place, left);
        }
    }

    /// As [`Table::sweep_now`], for all that a source has there.
    #[inline]
    pub(super) fn sweep_all_now(&mut self, now: Now, id: u32, source: u32) {
        if self.sources[source].sweeps.is_empty() {
            return;
        }
        let places: Vec<Place> = self.places(id).collect();
        for place in places {
            if self.candidate(place).source == source {
                self.sweep_now(now, id, place);
            }
        }
    }

    /// A source whose lease has ended speaks again: its lease begins anew.
    #[inline]
    fn lease_again(&mut self, now: Now, ix: u32) {
        let source = &self.sources[ix];
        if source.deadline == NEVER && source.info.lease.is_some() {
            self.renew_lease(now, ix);
        }
    }

    /// A source's lease begins anew, if it has one.
    pub(super) fn renew_lease(&mut self, now: Now, ix: u32) {
        let lease = self.sources[ix].info.lease;
        let deadline = lease.map_or(NEVER, |lease| self.tick_after(now, lease));
        self.sources[ix].deadline = deadline;
        self.schedule(ix, deadline);
    }

    /// A heartbeat: the source's lease is renewed, and with it all its routes that have none of
    /// their own. Says whether the session is the one that counts.
    pub fn renew(&mut self, now: Now, s: &Session) -> bool {
        let Ok(ix) = self.sources.speaking(s) else { return false };
        self.renew_lease(now, ix);
        true
    }

    /// A route leaves: it is counted out at once and goes with the next commit, which tells.
    pub(super) fn leave(&mut self, now: Now, id: u32, place: Place, left: Left) {
        let candidate = self.candidate_mut(place);
        if candidate.is_gone() {
            return;
        }
        let observed = candidate.flags.has(Flags::OBSERVED);
        candidate.flags.set(Flags::GONE, true);
        candidate.flags.set(Flags::OBSERVED, false);
        candidate.flags.set(Flags::UNHEALTHY, false);
        candidate.left = left;
        let gone = *candidate;
        if observed {
            // A verdict ends with its route.
            self.verdicts.remove(&(id, gone.source, gone.path));
        }
        self.sources.count_route(gone.source, false);
        self.leave_group(&gone);
        self.marks.set(id);
        if matches!(left, Left::Withdrawn | Left::Swept) {
            self.note_flap(now, id, place, Flapped::Withdrawn);
            self.clear_approval(&gone, id);
        }
    }

    pub(super) fn intern_set(&mut self, attributes: rutter_route::Attributes) -> u32 {
        let hops = &mut self.hops;
        let resolve = &self.policy.resolve;
        self.sets.intern(attributes, |set| SetInfo {
            hop: hops.retain(
                &set.next_hop,
                resolve.contains(&crate::policy::HopKind::of(&set.next_hop)),
            ),
        })
    }

    pub(super) fn release_set(&mut self, set: u32) {
        let hop = self.sets.extra(set).hop;
        if self.sets.release(set) {
            self.hops.release(hop);
            if self.memo.is_some_and(|memo| memo.received == set || memo.effective == set) {
                self.memo = None;
            }
        }
    }

    fn join_group(&mut self, id: u32, place: Place) {
        let candidate = *self.candidate(place);
        let hop = self.sets.extra(candidate.received).hop;
        let at = match self.group(candidate.source, hop) {
            Some(at) => at,
            None => self.add_group(candidate.source, hop),
        };
        self.last_group = (candidate.source, hop, at);
        let group = &mut self.groups[at];
        group.members.push(id);
        group.n_live += 1;
        let parity = group.parity;
        self.candidate_mut(place).flags.set(Flags::PARITY, parity);
    }

    #[inline]
    fn group(&self, source: u32, hop: u32) -> Option<u32> {
        let (last_source, last_hop, at) = self.last_group;
        if (last_source, last_hop) == (source, hop) {
            return Some(at);
        }
        self.group_of.get(&(source, hop)).copied()
    }

    fn add_group(&mut self, source: u32, hop: u32) -> u32 {
        let at = self.groups.insert(Group {
            source,
            hop,
            members: Default::default(),
            rest: Default::default(),
            n_read: 0,
            n_live: 0,
            parity: false,
            in_source: self.sources[source].groups.len(),
            in_hop: self.hops[hop].groups.len(),
            is_idle: false,
        });
        self.group_of.insert((source, hop), at);
        self.sources[source].groups.push(at);
        self.hops[hop].groups.push(at);
        at
    }

    /// A route leaves its group. An empty group goes when no walk is under way; where most ids are
    /// stale, a walk is asked to compact it.
    fn leave_group(&mut self, candidate: &Candidate) {
        let hop = self.sets.extra(candidate.received).hop;
        let Some(at) = self.group(candidate.source, hop) else { return };
        let group = &mut self.groups[at];
        group.n_live -= 1;
        if group.n_live == 0 {
            if !std::mem::replace(&mut group.is_idle, true) {
                self.idle_groups.push(at);
            }
        } else if group.members.len() > 2 * group.n_live as usize + 32 {
            self.walk_source(candidate.source, Look::default());
        }
    }

    pub(super) fn find(&self, destination: &D) -> Option<u32> {
        let hash = self.index.hash(destination);
        let id = self.index.find(hash, |id| self.dests[id].key == *destination);
        // A husk keeps its key.
        id.filter(|id| self.dests[*id].n > 0)
    }

    /// The tick at which the first of a destination's own leases ends.
    pub(super) fn first_lease(&self, id: u32) -> Tick {
        let leases = self.places(id).map(|p| self.candidate(p)).filter(|c| !c.is_gone());
        leases.filter_map(Candidate::own_lease).min().unwrap_or(NEVER)
    }
}
