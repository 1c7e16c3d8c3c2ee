//! A new policy: live, from what was received, and what it would do.

use std::time::Duration;

use rutter_route::{Attributes, Destination, NextHop, Now, RouteKey, SourceId, Standing, What};

use crate::policy::{Approval, HopKind, Policy, PolicyError, Stability};

use super::Table;
use super::candidate::{Candidate, Flags, Place};
use super::evaluate::Imported;
use super::rank::{Contender, Rankable, Ranked, order};

/// How far a dry run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(u32);

/// What a policy would change, as far as the dry run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEffect<D> {
    /// Destinations looked at.
    pub examined: usize,
    /// Destinations whose best route would be another.
    pub moved: usize,
    /// Routes that would be barred and aren't.
    pub barred: usize,
    /// Routes that are barred and wouldn't be.
    pub freed: usize,
    /// Routes whose attributes would be others.
    pub changed: usize,
    /// The first destinations that would move, at most [`PolicyEffect::EXAMPLES`]: from, to.
    pub examples: Vec<(D, Option<RouteKey>, Option<RouteKey>)>,
    /// The first routes that would be barred and aren't, as many.
    pub barred_routes: Vec<(D, SourceId)>,
    /// The first routes that are barred and wouldn't be, as many.
    pub freed_routes: Vec<(D, SourceId)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<D> PolicyEffect<D> {
    /// How many examples one call gives.
    pub const EXAMPLES: usize = 100;
}

/// A candidate as a policy would have it.
struct Supposed {
    ranked: Ranked,
    attributes: Attributes,
}

impl Rankable for Supposed {
    fn ranked(&self) -> &Ranked {
        &self.ranked
    }
}

impl<D: Destination> Table<D> {
    /// Takes a policy into force. Stored routes go through it from what was received, in slices of
    /// [`Table::work`]; destinations that it alone touches are committed when the last is done,
    /// one touched otherwise is re-evaluated whole before.
    ///
    /// # Errors
    /// A policy that contradicts itself; the old one stays.
    pub fn set_policy(&mut self, now: Now, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.memo = None;
        self.criteria = policy.criteria_for(D::KIND);
        self.ring.set_bounds(policy.bounds.events, policy.bounds.events_per_destination);
        let before = std::mem::replace(&mut self.policy, policy);
        self.views_follow();
        self.policy_event = self.record_wide(now, None, What::Policy);
        // A reload that another overtakes may have left routes behind that didn't hear of it.
        let toggled = before.fall_through != self.policy.fall_through;
        self.fall_through_changes = toggled || (self.fall_through_changes && self.reload.is_some());
        if before.resolve != self.policy.resolve {
            self.resolve_anew(&before.resolve);
        }
        self.reload = Some(0);
        Ok(())
    }

    /// Hops whose kind must be resolved from now on are asked for, and stand as they did until the
    /// answer; those whose kind needn't any more are taken as good. What was said of hops of other
    /// kinds stands.
    fn resolve_anew(&mut self, before: &[HopKind]) {
        for hop in self.next_hops() {
            let kind = HopKind::of(&hop);
            let must = self.policy.resolve.contains(&kind);
            if must != before.contains(&kind) {
                self.resolve_hop(&hop, must);
            }
        }
    }

    fn resolve_hop(&mut self, hop: &NextHop, must: bool) {
        let Some(ix) = self.hops.find(hop) else { return };
        let event = self.policy_event;
        let entry = &mut self.hops[ix];
        entry.event = event;
        if must {
            self.hops.ask(hop.clone());
        } else {
            entry.unresolved = None;
        }
        self.walk_hop(ix);
    }

    /// Goes on with a reload and says what is left of the budget.
    pub(super) fn reload_slice(&mut self, now: Now, budget: usize) -> usize {
        let Some(at) = self.reload else { return budget };
        let span = self.dests.span();
        let end = span.min(at.saturating_add(u32::try_from(budget).unwrap_or(u32::MAX)));
        for id in at..end {
            if self.dests[id].n > 0 {
                self.reimport_destination(now, id, None);
                self.deferred.set(id);
            }
        }
        if end < span {
            self.reload = Some(end);
            return 0;
        }
        self.reload = None;
        let mut deferred = std::mem::take(&mut self.deferred);
        self.marks.absorb(&mut deferred);
        self.deferred = deferred;
        budget.saturating_sub((end - at) as usize)
    }

    /// Runs import again for a destination's candidates, all or one source's.
    pub(super) fn reimport_destination(&mut self, now: Now, id: u32, of: Option<u32>) {
        let mut places: Vec<_> = self.places(id).collect();
        if places.len() > 1 && self.policy.approval != Approval::None {
            // Of a source's paths the first that a rule approves gives the destination its word:
            // which one that is must not depend on how they lie here.
            places.sort_by_cached_key(|place| self.key_of(self.candidate(*place)));
        }
        for place in places {
            self.sweep_now(now, id, place);
            let candidate = self.candidate(place);
            if !candidate.is_gone() && of.is_none_or(|source| candidate.source == source) {
                self.evaluate(now, id, place);
                self.hold_if_flapping(now, id, place);
                self.touch_unreachable(place);
            }
        }
    }

    /// Has an unreachable destination told anew where the policy says otherwise than before what
    /// becomes of those.
    fn touch_unreachable(&mut self, place: Place) {
        if self.reload.is_some() && self.fall_through_changes {
            let flags = &mut self.candidate_mut(place).flags;
            if !flags.has(Flags::SHOWN) {
                flags.set(Flags::CHANGED, true);
            }
        }
    }

    /// What a policy would change, from `from` on, `budget` destinations at a time. Changes
    /// nothing. Incumbents count as they are; views other than the default aren't looked at.
    pub fn try_policy(
        &self,
        now: Now,
        policy: &Policy,
        from: Cursor,
        budget: usize,
    ) -> PolicyEffect<D> {
        let span = self.dests.span();
        let end = span.min(from.0.saturating_add(u32::try_from(budget).unwrap_or(u32::MAX)));
        let mut effect = PolicyEffect {
            examined: 0,
            moved: 0,
            barred: 0,
            freed: 0,
            changed: 0,
            examples: Vec::new(),
            barred_routes: Vec::new(),
            freed_routes: Vec::new(),
            next: (end < span).then_some(Cursor(end)),
        };
        for id in from.0..end {
            if self.dests[id].n > 0 {
                self.suppose(now, policy, id, &mut effect);
            }
        }
        effect
    }

    fn suppose(&self, now: Now, policy: &Policy, id: u32, effect: &mut PolicyEffect<D>) {
        effect.examined += 1;
        let key = &self.dests[id].key;
        let there: Vec<Place> = self.places(id).filter(|p| !self.candidate(*p).is_gone()).collect();
        let mut imported: Vec<Imported> = there
            .iter()
            .map(|p| {
                let candidate = self.candidate(*p);
                let received = self.sets.get(candidate.received).clone();
                self.import(policy, key, candidate, received, None)
            })
            .collect();
        if !policy.strict {
            self.suppose_approvals(&there, &mut imported);
        }
        let stability = self.stability_of(now, policy, id, &there, &imported);
        let mut list: Vec<Supposed> = there
            .iter()
            .zip(imported)
            .map(|(p, imported)| {
                let stood = self.standing_under(now, policy, &stability, id, *p, &imported);
                self.supposed(policy, id, *p, stood, imported, effect)
            })
            .collect();
        let before = self.places(id).map(|p| self.candidate(p));
        let before = before.filter(|c| c.flags.has(Flags::SHOWN)).map(|c| self.key_of(c)).next();
        let criteria = policy.criteria_for(D::KIND);
        let n =
            order(&mut list, &criteria, &policy.score, policy.all_unhealthy, self, |table, s| {
                Contender { attributes: &s.attributes, ..table.contender(&s.ranked) }
            });
        let after = list.first().filter(|_| n > 0).map(|s| self.key_of(&s.ranked.candidate));
        if before != after {
            effect.moved += 1;
            if effect.examples.len() < PolicyEffect::<D>::EXAMPLES {
                effect.examples.push((key.clone(), before, after));
            }
        }
    }

    /// What a rule approves is approved for the source's other paths too.
    fn suppose_approvals(&self, there: &[Place], imported: &mut [Imported]) {
        let source = |p: &Place| self.candidate(*p).source;
        let approves = |(p, i): (&Place, &Imported)| i.approved_by.is_some().then(|| source(p));
        let approved: Vec<u32> = there.iter().zip(&*imported).filter_map(approves).collect();
        for (place, imported) in there.iter().zip(imported) {
            imported.unapproved &= !approved.contains(&source(place));
        }
    }

    /// What holds the routes of a destination: a policy's, or the same without hold-down and
    /// damping where those would keep away all there is.
    fn stability_of(
        &self,
        now: Now,
        policy: &Policy,
        id: u32,
        there: &[Place],
        imported: &[Imported],
    ) -> Stability {
        let stability = policy.stability.clone();
        let barred = |(place, imported): (&Place, &Imported)| {
            self.standing_under(now, policy, &stability, id, *place, imported).1.is_barred()
        };
        match stability.spare_sole && there.iter().zip(imported).all(barred) {
            true => Stability { hold_down: Duration::ZERO, damping: None, ..stability },
            false => stability,
        }
    }

    /// A candidate as it would be, and how it would stand.
    fn standing_under(
        &self,
        now: Now,
        policy: &Policy,
        stability: &Stability,
        id: u32,
        place: Place,
        imported: &Imported,
    ) -> (Candidate, Standing) {
        let mut candidate = *self.candidate(place);
        candidate.flags.set(Flags::DENIED, imported.denied);
        candidate.flags.set(Flags::UNAPPROVED, imported.unapproved);
        candidate.flags.set(Flags::DRAINED, imported.drained);
        candidate.flags.set(Flags::HELD, self.held_under(now, id, place, stability));
        let hop = &self.hops[self.sets.extra(candidate.received).hop];
        let kind = HopKind::of(&hop.hop);
        let forgiven = self.policy.resolve.contains(&kind) && !policy.resolve.contains(&kind);
        let standing = self.standing_if(&candidate, hop.unresolved.is_some() && !forgiven);
        (candidate, standing)
    }

    fn supposed(
        &self,
        policy: &Policy,
        id: u32,
        place: Place,
        (candidate, standing): (Candidate, Standing),
        imported: Imported,
        effect: &mut PolicyEffect<D>,
    ) -> Supposed {
        let was = self.standing_at(id, place);
        let turned = match (was.is_barred(), standing.is_barred()) {
            (false, true) => Some((&mut effect.barred, &mut effect.barred_routes)),
            (true, false) => Some((&mut effect.freed, &mut effect.freed_routes)),
            _ => None,
        };
        if let Some((n_turned, routes)) = turned {
            *n_turned += 1;
            if routes.len() < PolicyEffect::<D>::EXAMPLES {
                let source = self.sources[candidate.source].id.clone();
                routes.push((self.dests[id].key.clone(), source));
            }
        }
        effect.changed += usize::from(imported.attributes != *self.sets.get(candidate.effective));
        let mut ranked =
            Ranked { candidate, standing, nominee: false, incumbent: false, equal_changed: false };
        if policy.sticks(&policy.criteria_for(D::KIND)) {
            let best = self.incumbent(0, id, &candidate);
            let first = place == Place::First(id) && candidate.flags.has(Flags::SHOWN);
            let usable = !standing.is_barred() || standing == Standing::Offline;
            ranked.nominee = usable && best.is_some_and(|b| b.nominated);
            // Where none was kept so far, it is the best as of the last commit.
            ranked.incumbent = best.is_some() || (first && !self.keeps_best(id));
        }
        Supposed { ranked, attributes: imported.attributes }
    }
}
