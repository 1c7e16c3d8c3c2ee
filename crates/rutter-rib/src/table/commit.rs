//! Commit: each marked destination is ranked once, and what changed is said.

use rutter_route::{Cause, Criterion, Destination, EventNumber, Now, Standing};

use crate::parts::ring::Story;

use smallvec::SmallVec;

use super::candidate::{Candidate, Flags, NONE};
use super::changes::{Asks, Change, Changes};
use super::rank::Ranked;
use super::read::is_authorized;
use super::views::{Incumbent, ViewId, ViewList};
use super::{Progress, Table};

/// How many marked destinations are fetched before the first of them is ranked.
const AHEAD: usize = 32;

impl<D: Destination> Table<D> {
    /// Ranks up to `budget` marked destinations and appends to `out` what changed.
    pub fn commit(&mut self, now: Now, budget: usize, out: &mut Changes<D>) -> Progress {
        let mut left = budget;
        while left > 0 {
            let mut ids: SmallVec<[u32; AHEAD]> = SmallVec::new();
            while ids.len() < left.min(AHEAD) {
                let next = self.marks.take_from(self.commit_at);
                let Some(id) = next.or_else(|| self.marks.take_from(0)) else { break };
                self.commit_at = id;
                ids.push(id);
            }
            if ids.is_empty() {
                break;
            }
            left -= ids.len();
            self.fetch(&ids);
            for id in ids {
                self.commit_one(now, id, out);
            }
        }
        if self.marks.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Reads a little of each destination before the first is ranked: the memory of all is fetched at
    /// once, where ranking waits for each in turn. A failover of a million routes takes a third less.
    fn fetch(&self, ids: &[u32]) {
        let second = |id: &u32| match self.dests[*id].next {
            NONE => 0,
            next => self.extras[next].candidate.source,
        };
        std::hint::black_box(ids.iter().map(second).fold(0, u32::wrapping_add));
    }

    fn commit_one(&mut self, now: Now, id: u32, out: &mut Changes<D>) {
        if self.dests[id].n == 0 {
            return;
        }
        if self.reload.is_some_and(|at| id >= at) {
            // A reload hasn't come by yet: it is re-evaluated whole before it is ranked.
            self.reimport_destination(now, id, None);
        }
        self.seat_awaited(now, id);
        self.spare_sole(now, id);
        let plain = self.views.len() == 1 && self.views.first().is_some_and(|v| !v.keeps);
        if self.dests[id].n == 1 && plain {
            self.commit_sole(now, id, out);
        } else {
            self.commit_ranked(now, id, out);
        }
    }

    /// The common case: one candidate, and nobody keeps incumbents. There is nothing to compare.
    fn commit_sole(&mut self, now: Now, id: u32, out: &mut Changes<D>) {
        let candidate = self.dests[id].first;
        let was = candidate.flags.has(Flags::SHOWN);
        if candidate.is_gone() {
            self.commit_end(now, id, candidate, out);
            return;
        }
        let standing = self.standing(&candidate);
        let is = !standing.is_barred();
        let new = candidate.flags.has(Flags::NEW);
        let told = new || candidate.flags.has(Flags::CHANGED) || standing != candidate.standing;
        let first = &mut self.dests[id].first;
        first.standing = standing;
        first.flags.set(Flags::SHOWN, is);
        first.flags.set(Flags::EQUAL, is);
        first.flags.set(Flags::NEW, false);
        first.flags.set(Flags::CHANGED, false);
        if !new && was != is {
            let ranked = Ranked {
                candidate,
                standing,
                nominee: false,
                incumbent: false,
                equal_changed: false,
            };
            let cause = self.cause(was.then_some(&ranked), is.then_some(&ranked));
            if !concerns_many(&cause) {
                let key = self.told_key(&candidate);
                let (from, to) = if was { (key, 0) } else { (0, key) };
                let story = Story::Moved { from, to, decided_by: None, view: 0 };
                self.record(now, id, story, Some(cause));
            }
        } else if !new && is && candidate.flags.has(Flags::CHANGED) {
            let key = self.told_key(&candidate);
            self.record(now, id, Story::Changed(key), Some(Cause::Advertised));
        }
        let could = !new && is_authorized(candidate.standing);
        let can = is_authorized(standing);
        // A destination is also told to be unreachable from now on, or no longer.
        if told && (was || is || can != could || (can && candidate.flags.has(Flags::CHANGED))) {
            self.say(id, ViewId::DEFAULT, out);
        }
    }

    /// The only candidate left: so does the destination.
    fn commit_end(&mut self, now: Now, id: u32, candidate: Candidate, out: &mut Changes<D>) {
        let was = candidate.flags.has(Flags::SHOWN);
        if !candidate.flags.has(Flags::NEW) {
            let key = self.told_key(&candidate);
            let story = match was {
                true => Story::Moved { from: key, to: 0, decided_by: None, view: 0 },
                false => Story::Left(key, candidate.left),
            };
            self.record(now, id, story, Some(Cause::Left(candidate.left)));
        }
        if was || (!candidate.flags.has(Flags::NEW) && is_authorized(candidate.standing)) {
            self.say(id, ViewId::DEFAULT, out);
        }
        self.release(&candidate);
        self.end_destination(id, out);
    }

    fn commit_ranked(&mut self, now: Now, id: u32, out: &mut Changes<D>) {
        self.seat_shown(id);
        let before: SmallVec<[Ranked; 2]> = self
            .places(id)
            .map(|p| *self.candidate(p))
            .filter(|c| c.flags.has(Flags::SHOWN))
            .map(|c| Ranked {
                candidate: c,
                standing: c.standing,
                nominee: false,
                incumbent: false,
                equal_changed: false,
            })
            .collect();
        let (mut list, gone) = self.split(id);
        let could = self.is_authorized(id, 0);
        let n = self.order_ranked(&mut list, 0);
        self.note_equals(&mut list, n);
        let changed = self.is_told_change(&before, &list, n, &gone);
        self.tell_left(now, id, &before, &gone);
        self.tell_moved(now, id, 0, before.first(), list.get(..n).unwrap_or_default());
        let views = self.commit_views(now, id);
        let can = list.iter().any(|r| is_authorized(r.standing));
        let unreachable = n == 0 && before.is_empty();
        // Without a best, who is impaired stands in no list, and is looked at all the same by those who
        // choose among all (exit routes): so it is told when somebody is barred by now, or no longer.
        let turned = |r: &Ranked| r.standing.is_barred() != r.candidate.standing.is_barred();
        let left = |c: &Candidate| !c.flags.has(Flags::NEW) && !c.standing.is_barred();
        let touched = can != could
            || (can && list.iter().any(is_changed))
            || list.iter().any(turned)
            || gone.iter().any(left);
        self.write_back(id, &mut list, n);
        for candidate in &gone {
            self.release(candidate);
        }
        if if unreachable { touched } else { changed } {
            self.say(id, ViewId::DEFAULT, out);
        }
        for told in views.iter().filter(|v| v.is_changed) {
            self.say(id, ViewId(told.view), out);
        }
        if !gone.is_empty() && list.len() < self.policy.bounds.per_destination {
            self.ask_again(id, out);
        }
        if list.is_empty() {
            self.end_destination(id, out);
        } else {
            self.keep_best(id, 0, list.first().filter(|_| n > 0).copied());
            for told in views {
                self.keep_best(id, usize::from(told.view), told.best);
            }
        }
        self.scratch = list;
    }

    /// The candidates that stay, with their standing as it follows now, and those that leave.
    fn split(&mut self, id: u32) -> (Vec<Ranked>, SmallVec<[Candidate; 2]>) {
        let mut list = std::mem::take(&mut self.scratch);
        list.clear();
        let mut gone = SmallVec::new();
        for place in self.places(id) {
            let candidate = *self.candidate(place);
            match candidate.is_gone() {
                true => gone.push(candidate),
                false => list.push(self.ranked(0, id, candidate, true)),
            }
        }
        (list, gone)
    }

    /// Which are the best and its equals; a change of that is told.
    fn note_equals(&self, list: &mut [Ranked], n: usize) {
        let n_equal = self.n_equal(list.get(..n).unwrap_or_default(), 0);
        for (at, ranked) in list.iter_mut().enumerate() {
            let flags = &mut ranked.candidate.flags;
            if flags.has(Flags::EQUAL) != (at < n_equal) {
                flags.set(Flags::EQUAL, at < n_equal);
                ranked.equal_changed = true;
            }
        }
    }

    fn is_told_change(
        &self,
        before: &[Ranked],
        list: &[Ranked],
        n: usize,
        gone: &[Candidate],
    ) -> bool {
        let told = |r: &Ranked| {
            let flags = r.candidate.flags;
            let changed = flags.has(Flags::NEW) || flags.has(Flags::CHANGED);
            changed || r.equal_changed || r.standing != r.candidate.standing
        };
        let after = list.get(..n).unwrap_or_default();
        let same = before.len() == n
            && before
                .iter()
                .zip(after)
                .all(|(b, a)| b.candidate.is(a.candidate.source, a.candidate.path));
        !same || after.iter().any(told) || gone.iter().any(|c| c.flags.has(Flags::SHOWN))
    }

    /// Alternates that left; the best's leaving is told as a move.
    fn tell_left(&mut self, now: Now, id: u32, before: &[Ranked], gone: &[Candidate]) {
        for candidate in gone {
            let best =
                before.first().is_some_and(|b| b.candidate.is(candidate.source, candidate.path));
            if candidate.flags.has(Flags::NEW) || best {
                continue;
            }
            let key = self.told_key(candidate);
            let cause = Some(Cause::Left(candidate.left));
            self.record(now, id, Story::Left(key, candidate.left), cause);
        }
    }

    fn tell_moved(&mut self, now: Now, id: u32, view: u16, from: Option<&Ranked>, list: &[Ranked]) {
        let to = list.first();
        let key = |r: &Ranked| (r.candidate.source, r.candidate.path);
        if from.map(key) == to.map(key) {
            if let Some(to) = to.filter(|r| is_changed(r) && view == 0) {
                let key = self.told_key(&to.candidate);
                self.record(now, id, Story::Changed(key), Some(Cause::Advertised));
            }
            return;
        }
        let new = |r: &Ranked| r.candidate.flags.has(Flags::NEW);
        if from.is_none() && list.iter().all(new) && self.only_new(id) {
            return;
        }
        let cause = self.cause(from, to);
        if self.dests[id].n == 1 && concerns_many(&cause) {
            return;
        }
        let decided_by = self.move_decided_by(usize::from(view), from, list);
        let from = from.map_or(0, |r| self.told_key(&r.candidate));
        let to = to.map_or(0, |r| self.told_key(&r.candidate));
        self.record(now, id, Story::Moved { from, to, decided_by, view }, Some(cause));
    }

    fn only_new(&self, id: u32) -> bool {
        self.places(id).all(|p| self.candidate(p).flags.has(Flags::NEW))
    }

    /// The criterion by which the new best beats the old one, if that is still ranked, else the
    /// runner-up.
    fn move_decided_by(
        &self,
        view: usize,
        from: Option<&Ranked>,
        list: &[Ranked],
    ) -> Option<Criterion> {
        let (best, others) = list.split_first()?;
        let old = from.and_then(|f| {
            others.iter().find(|r| r.candidate.is(f.candidate.source, f.candidate.path))
        });
        let other = old.or(others.first())?;
        let criteria = &self.views.get(view)?.criteria;
        Some(self.decided(criteria, best, other))
    }

    /// What made the difference between the old best and the new one, read off their facts.
    fn cause(&self, from: Option<&Ranked>, to: Option<&Ranked>) -> Cause {
        if let Some(from) = from {
            if from.candidate.is_gone() {
                return Cause::Left(from.candidate.left);
            }
            let now = self.standing(&from.candidate);
            if now > from.candidate.standing {
                return self.cause_of(&from.candidate, now);
            }
        }
        if let Some(to) = to {
            if to.candidate.flags.has(Flags::NEW) {
                return Cause::Advertised;
            }
            let before = to.candidate.standing;
            if to.standing < before {
                return self.cause_of(&to.candidate, before);
            }
            if to.nominee || (to.incumbent && self.views.first().is_some_and(|v| v.keeps)) {
                return Cause::Nominated;
            }
        }
        let changed = |r: Option<&Ranked>| r.is_some_and(is_changed);
        if self.reload.is_none() && (changed(from) || changed(to)) {
            let decided = [from, to].into_iter().flatten().find_map(|r| {
                let event = self.sources[r.candidate.source].decision_event;
                (event > self.policy_event).then_some(Cause::Decision(EventNumber(event)))
            });
            return decided.unwrap_or(Cause::Advertised);
        }
        Cause::Policy(EventNumber(self.policy_event))
    }

    /// Where a standing, new or left behind, came from.
    fn cause_of(&self, candidate: &Candidate, standing: Standing) -> Cause {
        let source = &self.sources[candidate.source];
        let of_source = Cause::Source(EventNumber(source.event));
        match standing {
            Standing::Unhealthy => Cause::Health,
            Standing::Held => Cause::Held,
            Standing::Unresolved => {
                let hop = self.sets.extra(candidate.received).hop;
                Cause::NextHop(EventNumber(self.hops[hop].event))
            }
            Standing::Offline | Standing::Stale => of_source,
            Standing::Draining if source.phase == super::sources::Phase::Draining => of_source,
            _ if source.decision_event > self.policy_event => {
                Cause::Decision(EventNumber(source.decision_event))
            }
            _ => Cause::Policy(EventNumber(self.policy_event)),
        }
    }

    fn commit_views(&mut self, now: Now, id: u32) -> Vec<Committed> {
        let mut committed = Vec::new();
        for view in 1..self.views.len() {
            if self.views.get(view).is_none_or(|v| v.name.is_none()) {
                continue;
            }
            let list = self.rank_view(view, id);
            let old = self.views.get(view).and_then(|v| v.best.get(&id)).copied();
            let from = old.and_then(|o| self.place_of(id, o.source, o.path)).map(|p| {
                let candidate = *self.candidate(p);
                Ranked {
                    candidate,
                    standing: candidate.standing,
                    nominee: false,
                    incumbent: true,
                    equal_changed: false,
                }
            });
            self.tell_moved(now, id, view as u16, from.as_ref(), &list);
            let is_changed = self.keep_list(id, view, &list);
            committed.push(Committed {
                view: view as u16,
                best: list.first().copied(),
                is_changed,
            });
        }
        committed
    }

    /// Keeps a view's list, and says whether it, or what is told of its members, is another than at
    /// the last commit.
    fn keep_list(&mut self, id: u32, view: usize, list: &[Ranked]) -> bool {
        let told = |c: &Candidate| {
            let changed = c.flags.has(Flags::NEW) || c.flags.has(Flags::CHANGED);
            changed || self.standing(c) != c.standing
        };
        let shown = || self.places(id).map(|p| self.candidate(p)).filter(|c| !c.is_gone());
        let authorized = |c: &Candidate| is_authorized(self.standing(c)) && self.shows(view, id, c);
        let is_authorized = shown().any(authorized);
        let touched = match list.is_empty() {
            true => is_authorized && shown().any(|c| c.flags.has(Flags::CHANGED)),
            false => list.iter().any(|r| told(&r.candidate)),
        };
        let n_equal = self.n_equal(list, view);
        let ranked = list.iter().map(|r| (r.candidate.source, r.candidate.path)).collect();
        let new = ViewList { ranked, n_equal, is_authorized };
        let is_nothing = list.is_empty() && !is_authorized;
        let Some(v) = self.views.get_mut(view) else { return false };
        if is_nothing {
            return v.lists.remove(&id).is_some();
        }
        let same = v.lists.get(&id).is_some_and(|before| *before == new);
        if !same {
            v.lists.insert(id, new);
        }
        !same || touched
    }

    /// Puts the candidates back in the order of rank.
    fn write_back(&mut self, id: u32, list: &mut [Ranked], n: usize) {
        for (at, ranked) in list.iter_mut().enumerate() {
            let candidate = &mut ranked.candidate;
            candidate.standing = ranked.standing;
            candidate.flags.set(Flags::SHOWN, at < n);
            candidate.flags.set(Flags::NEW, false);
            candidate.flags.set(Flags::CHANGED, false);
        }
        self.put_back(id, list.iter().map(|r| r.candidate));
    }

    /// Replaces a destination's candidates by as many or fewer.
    fn put_back(&mut self, id: u32, candidates: impl Iterator<Item = Candidate>) {
        let mut extra = self.dests[id].next;
        let mut last = NONE;
        let mut n = 0;
        for candidate in candidates {
            n += 1;
            if n == 1 {
                self.dests[id].first = candidate;
                continue;
            }
            // There are as many slots behind the first as there were candidates.
            self.extras[extra].candidate = candidate;
            last = extra;
            extra = self.extras[extra].next;
        }
        if last == NONE {
            self.dests[id].next = NONE;
        } else {
            self.extras[last].next = NONE;
        }
        while extra != NONE {
            let next = self.extras[extra].next;
            self.extras.free(extra);
            extra = next;
        }
        self.dests[id].n = n;
    }

    /// Lets go of candidates behind the first that came and left since the last commit: nobody was
    /// told of them, and between two commits there may be any number.
    pub(super) fn drop_unseen(&mut self, id: u32) {
        let all: Vec<Candidate> = self.places(id).map(|p| *self.candidate(p)).collect();
        let unseen = |at: usize, c: &Candidate| at > 0 && c.is_gone() && c.flags.has(Flags::NEW);
        let stay = all.iter().enumerate().filter(|(at, c)| !unseen(*at, c)).map(|(_, c)| *c);
        self.put_back(id, stay);
        for (_, candidate) in all.iter().enumerate().filter(|(at, c)| unseen(*at, c)) {
            self.release(candidate);
        }
    }

    /// The best is the incumbent from now on. Where there is none, the last one is remembered as
    /// long as it is a candidate.
    fn keep_best(&mut self, id: u32, view: usize, best: Option<Ranked>) {
        let Some(v) = self.views.get(view).filter(|v| v.keeps) else { return };
        let old = v.best.get(&id).copied();
        let new = match best {
            Some(best) => {
                let (source, path) = (best.candidate.source, best.candidate.path);
                match old {
                    Some(old) if best.candidate.is(old.source, old.path) => Some(old),
                    _ => Some(Incumbent { source, path, nominated: false, until: None }),
                }
            }
            None => old.filter(|o| self.place_of(id, o.source, o.path).is_some()),
        };
        if let Some(v) = self.views.get_mut(view) {
            match new {
                Some(new) => v.best.insert(id, new),
                None => v.best.remove(&id),
            };
        }
    }

    /// A candidate that left is let go of.
    pub(super) fn release(&mut self, candidate: &Candidate) {
        self.release_set(candidate.received);
        self.release_set(candidate.effective);
        if candidate.path != 0 && self.paths.release(candidate.path) {
            // The path's id may be given again, and the shortcut would name the old path.
            self.forget_last_told();
        }
        self.n_candidates -= 1;
        let source = &mut self.sources[candidate.source];
        source.n_held -= 1;
        if source.n_held == 0 {
            self.bury(candidate.source);
        }
    }

    /// A destination without candidates. Its id stays in the index as a husk, to be used again if
    /// it returns, until its shard is swept.
    fn end_destination(&mut self, id: u32, out: &mut Changes<D>) {
        self.ask_again(id, out);
        let key = self.dests[id].key.clone();
        self.count_length(&key, false);
        let hash = self.index.hash(&key);
        self.husks.set(id);
        for view in &mut self.views {
            view.forget(id);
        }
        self.dests[id].n = 0;
        if self.index.retire(hash) {
            let Self { index, husks, dests, .. } = self;
            index.sweep(hash, |id| {
                let husk = husks.contains(id);
                if husk {
                    husks.remove(id);
                    dests.free(id);
                }
                husk
            });
        }
    }

    fn ask_again(&mut self, id: u32, out: &mut Changes<D>) {
        if self.asks.is_empty() {
            return;
        }
        let destination = &self.dests[id].key;
        let routes = self.asks.take(destination);
        if !routes.is_empty() {
            out.ask.push(Asks { destination: destination.clone(), routes });
        }
    }

    fn say(&mut self, id: u32, view: ViewId, out: &mut Changes<D>) {
        let destination = self.dests[id].key.clone();
        out.changes.push(Change { destination, view, event: self.ring.last(), at: id });
    }
}

/// What became of a destination in a view other than the default.
struct Committed {
    view: u16,
    best: Option<Ranked>,
    is_changed: bool,
}

fn is_changed(r: &Ranked) -> bool {
    r.candidate.flags.has(Flags::CHANGED)
}

/// Whether a cause is one event that many routes follow, so that a route that stands alone is told
/// from it.
fn concerns_many(cause: &Cause) -> bool {
    matches!(cause, Cause::Source(_) | Cause::NextHop(_) | Cause::Policy(_))
}
