//! The answer to *why*: candidates, facts, the criterion each lost by, policy, events.

use rutter_route::{
    CandidateExplanation, Cause, Criterion, Destination, Event, EventNumber, Explanation,
    FactExplanation, Health, HopExplanation, LostBy, Now, PathId, PolicyTrace, RouteKey, SourceId,
    Standing, ViewExplanation, What,
};

use crate::parts::ring::{KeyId, Slot, Story};

use super::candidate::{Candidate, Flags, Place};
use super::evaluate::approval_of;
use super::rank::{Ranked, compare, value};
use super::sources::{Phase, Verdict};
use super::{TICK_MS, Table};

impl<D: Destination> Table<D> {
    /// All there is to say about a destination, in the table or gone from it. It describes what
    /// the last commit selected, and facts as they are now.
    pub fn explain(&self, now: Now, destination: &D) -> Explanation<D> {
        let id = self.find(destination);
        Explanation {
            table: self.name.clone(),
            destination: destination.clone(),
            at: now.wall,
            views: id.map_or_else(Vec::new, |id| self.explain_views(id)),
            candidates: id.map_or_else(Vec::new, |id| self.explain_candidates(now, id)),
            events: self.explain_events(destination, id),
            sinks: Vec::new(),
        }
    }

    fn explain_views(&self, id: u32) -> Vec<ViewExplanation> {
        let mut views = Vec::new();
        for (at, view) in self.views.iter().enumerate() {
            let Some(name) = view.name.clone() else { continue };
            let list = self.ranked_list(id, at);
            let selected = self.selected_at(id, super::ViewId(at as u16));
            let n_equals = selected.equals().len();
            let keys: Vec<RouteKey> = selected.routes().iter().map(|r| r.key()).collect();
            let decided_by = match list.as_slice() {
                [best, next, ..] => Some(self.decided(&view.criteria, best, next)),
                _ => None,
            };
            views.push(ViewExplanation {
                view: name,
                best: keys.first().cloned(),
                equals: keys.get(1..n_equals).unwrap_or_default().to_vec(),
                alternates: keys.get(n_equals..).unwrap_or_default().to_vec(),
                decided_by,
                unreachable: selected.is_unreachable(),
            });
        }
        views
    }

    fn explain_candidates(&self, now: Now, id: u32) -> Vec<CandidateExplanation> {
        let list = self.ranked_list(id, 0);
        let best = list.first();
        let there = |p: &Place| {
            let candidate = self.candidate(*p);
            !candidate.flags.has(Flags::NEW) && !candidate.is_gone()
        };
        let places: Vec<Place> = self.places(id).filter(there).collect();
        places.iter().map(|p| self.explain_candidate(now, id, *p, &list, best)).collect()
    }

    fn explain_candidate(
        &self,
        now: Now,
        id: u32,
        place: Place,
        list: &[Ranked],
        best: Option<&Ranked>,
    ) -> CandidateExplanation {
        let candidate = *self.candidate(place);
        let at = list.iter().position(|r| r.candidate.is(candidate.source, candidate.path));
        let lost_by = match (best, at) {
            (Some(best), Some(at)) if at > 0 => list.get(at).map(|r| self.lost_by(best, r)),
            _ => None,
        };
        let attributes = self.sets.get(candidate.effective).clone();
        let received = self.sets.get(candidate.received).clone();
        let mut policy = PolicyTrace::default();
        let key = &self.dests[id].key;
        self.import(&self.policy, key, &candidate, received.clone(), Some(&mut policy));
        let lease = self
            .lease_of(&candidate)
            .map(|end| u64::from(end.saturating_sub(self.tick(now))) * TICK_MS);
        CandidateExplanation {
            route: self.key_of(&candidate),
            standing: candidate.standing,
            rank: at.map(|at| at + 1),
            received: (received != attributes).then_some(received),
            attributes,
            lost_by,
            facts: self.facts(now, id, place),
            policy,
            since: self.wall_of(now, candidate.since),
            lease_ms: lease,
            next_hop: self.explain_hop(&candidate),
            observed: self.observed(now, id, &candidate),
        }
    }

    fn lost_by(&self, best: &Ranked, loser: &Ranked) -> LostBy {
        let criteria = &self.criteria;
        let weights = &self.policy.score;
        let (a, b) = (self.contender(best), self.contender(loser));
        let (order, criterion) = compare(criteria, weights, &a, &b);
        // Where nothing works the incumbent is kept, whatever else would have decided.
        let criterion = if order.is_lt() { criterion } else { Criterion::Incumbent };
        LostBy {
            criterion,
            mine: value(criterion, weights, &b),
            best: value(criterion, weights, &a),
        }
    }

    fn lease_of(&self, candidate: &Candidate) -> Option<u32> {
        let end = match candidate.flags.has(Flags::OWN_LEASE) {
            true => candidate.lease,
            false => self.sources[candidate.source].deadline,
        };
        (end != crate::parts::wheel::NEVER).then_some(end)
    }

    /// Every fact that speaks against a route now, in the order in which they count: that part of
    /// [`Table::explain`] alone, which reads no events. None of a route that isn't there.
    pub fn facts_against(
        &self,
        now: Now,
        destination: &D,
        source: &SourceId,
        path: &PathId,
    ) -> Vec<FactExplanation> {
        let (Some(ix), Some(id)) = (self.sources.find(source), self.find(destination)) else {
            return Vec::new();
        };
        let place = self.path_id(path).and_then(|path| self.place_of(id, ix, path));
        place.map_or_else(Vec::new, |place| self.facts(now, id, place))
    }

    /// Every fact that speaks against a candidate, in the order in which they count.
    fn facts(&self, now: Now, id: u32, place: Place) -> Vec<FactExplanation> {
        let candidate = *self.candidate(place);
        let mut facts = Vec::new();
        let mut add = |fact, reason: String, ends_in_ms| {
            facts.push(FactExplanation { fact, reason, ends_in_ms });
        };
        let source = &self.sources[candidate.source];
        let flags = candidate.flags;
        if flags.has(Flags::DENIED) {
            add(Standing::Denied, self.denied_because(id, &candidate), None);
        }
        if flags.has(Flags::UNAPPROVED) {
            add(Standing::Unapproved, "nobody has approved it".into(), None);
        }
        if matches!(source.phase, Phase::Offline | Phase::Gone) {
            let why = if source.why.is_empty() { "its session is lost" } else { &source.why };
            add(Standing::Offline, format!("{} is offline: {why}", source.id), None);
        }
        let hop = &self.hops[self.sets.extra(candidate.received).hop];
        if let Some(why) = &hop.unresolved {
            add(Standing::Unresolved, format!("{}: {why}", hop.hop), None);
        }
        if flags.has(Flags::HELD) {
            let (why, ms) = self.held_because(now, id, place).unwrap_or_default();
            add(Standing::Held, why, Some(ms));
        }
        let verdicts = self.verdicts.get(&(id, candidate.source, candidate.path));
        let verdicts = verdicts.into_iter().flatten().chain(&source.verdicts);
        for verdict in verdicts.filter(|v| v.by.acts) {
            if let Health::Unhealthy { why, until } = &verdict.is {
                let left = until.map(|u| u.left(now).as_millis() as u64);
                add(Standing::Unhealthy, format!("{}: {why}", verdict.by.name), left);
            }
        }
        if flags.has(Flags::CAME_UNHEALTHY) {
            add(Standing::Unhealthy, format!("{} says so", source.id), None);
        }
        if self.is_stale(&candidate) {
            let ms = u64::from(source.deadline.saturating_sub(self.tick(now))) * TICK_MS;
            let ends = (source.phase == Phase::Stale).then_some(ms);
            let reason = match source.phase {
                Phase::Stale => format!("{} is away, and announced that it returns", source.id),
                _ => "said by the session before, not yet by this one".into(),
            };
            add(Standing::Stale, reason, ends);
        }
        if source.phase == Phase::Draining || flags.has(Flags::CAME_DRAINING) {
            add(Standing::Draining, format!("{} asks to be used last", source.id), None);
        }
        if flags.has(Flags::DRAINED) {
            add(Standing::Draining, self.drained_because(id, &candidate), None);
        }
        facts
    }

    fn denied_because(&self, id: u32, candidate: &Candidate) -> String {
        let key = &self.dests[id].key;
        let revoked = self.decided_on(candidate, key);
        if let Some(word) = approval_of(&revoked).filter(|w| !w.is) {
            return word.told("revoked");
        }
        let source = &self.sources[candidate.source];
        let mut trace = PolicyTrace::default();
        let received = self.sets.get(candidate.received).clone();
        self.import(&self.policy, key, candidate, received, Some(&mut trace));
        match &source.info.credential {
            Some(credential) if trace.accepted => {
                format!("the credential `{}` doesn't cover it", credential.name)
            }
            _ => format!("import policy: {}", trace.decided_by),
        }
    }

    fn drained_because(&self, id: u32, candidate: &Candidate) -> String {
        let decided = self.decided_on(candidate, &self.dests[id].key);
        let word = decided.iter().flatten().find_map(|d| d.drain.as_ref());
        word.map_or_else(String::new, |w| w.told("drained"))
    }

    fn explain_hop(&self, candidate: &Candidate) -> Option<HopExplanation> {
        let hop = &self.hops[self.sets.extra(candidate.received).hop];
        let asked = self.policy.resolve.contains(&crate::policy::HopKind::of(&hop.hop));
        (asked || hop.unresolved.is_some()).then(|| HopExplanation {
            hop: hop.hop.clone(),
            table: None,
            unresolved: hop.unresolved.clone(),
            chain: Vec::new(),
        })
    }

    fn observed(&self, now: Now, id: u32, candidate: &Candidate) -> Vec<String> {
        let verdicts = self.verdicts.get(&(id, candidate.source, candidate.path));
        let source = &self.sources[candidate.source];
        let all = verdicts.into_iter().flatten().chain(&source.verdicts);
        all.map(|v| told_verdict(now, v)).collect()
    }

    /// A destination's events, with those that concern many and that some of them point to.
    fn explain_events(&self, destination: &D, id: Option<u32>) -> Vec<Event<D>> {
        let mut pointed: Vec<u64> = Vec::new();
        let mut events: Vec<Event<D>> = Vec::new();
        let mine = |(_, s): &(u64, &Slot<D>)| s.destination.as_ref() == Some(destination);
        for (number, slot) in self.ring.all().filter(mine) {
            if let Some(number) = slot.cause.as_ref().and_then(points_to) {
                pointed.push(number.0);
            }
            events.extend(self.event_of(number, slot));
        }
        // A barred candidate may follow an event of its source or next hop and have none itself.
        for place in id.into_iter().flat_map(|id| self.places(id)) {
            let candidate = self.candidate(place);
            pointed.push(self.sources[candidate.source].event);
            pointed.push(self.hops[self.sets.extra(candidate.received).hop].event);
        }
        pointed.sort_unstable();
        pointed.dedup();
        let known: Vec<u64> = events.iter().map(|e| e.number.0).collect();
        let wide = pointed.iter().filter(|n| !known.contains(n));
        let wide = wide.filter_map(|n| Some((*n, self.ring.slot(*n)?)));
        let wide = wide.filter(|(_, s)| s.destination.is_none());
        events.extend(wide.filter_map(|(n, s)| self.event_of(n, s)));
        events.sort_by_key(|e| e.number);
        events
    }

    pub(super) fn event_of(&self, number: u64, slot: &Slot<D>) -> Option<Event<D>> {
        let what = match slot.story.as_ref()? {
            Story::Changed(key) => What::Changed(self.route_told(*key)?),
            Story::Left(key, left) => What::Left(self.route_told(*key)?, *left),
            Story::Standing(stood) => What::Standing {
                route: self.route_told(stood.route)?,
                from: stood.from,
                to: stood.to,
                why: stood.why.clone(),
            },
            Story::Moved { from, to, decided_by, view } => What::Moved {
                from: self.route_told(*from),
                to: self.route_told(*to),
                decided_by: *decided_by,
                view: match view {
                    0 => None,
                    view => self.views.get(usize::from(*view)).and_then(|v| v.name.clone()),
                },
            },
            Story::Whole(what) => (**what).clone(),
        };
        Some(Event {
            number: EventNumber(number),
            at: slot.at,
            destination: slot.destination.clone(),
            what,
            cause: slot.cause.clone(),
        })
    }

    fn route_told(&self, key: KeyId) -> Option<RouteKey> {
        (key != 0).then(|| self.told.get(key).clone())
    }
}

fn points_to(cause: &Cause) -> Option<EventNumber> {
    match cause {
        Cause::Source(n) | Cause::Decision(n) | Cause::NextHop(n) | Cause::Policy(n) => Some(*n),
        _ => None,
    }
}

fn told_verdict(now: Now, verdict: &Verdict) -> String {
    let acts = if verdict.by.acts { "" } else { " (elsewhere)" };
    let name = &verdict.by.name;
    match &verdict.is {
        Health::Unknown => format!("{name}{acts}: unknown"),
        Health::Healthy => format!("{name}{acts}: healthy"),
        Health::Unhealthy { why, until: None } => format!("{name}{acts}: unhealthy, {why}"),
        Health::Unhealthy { why, until: Some(until) } => {
            let left = until.left(now).as_secs();
            format!("{name}{acts}: unhealthy for {left} s more, {why}")
        }
    }
}
