//! What people, probes and other tables say.

use rutter_route::{
    By, Deadline, Decision, Destination, Health, Mono, NextHop, Now, Observer, PathId, Resolution,
    SourceId, What,
};

use crate::parts::ring::{Stood, Story};
use crate::parts::wheel::Tick;

use super::candidate::{Flags, Place};
use super::decisions::On;
use super::sources::{Look, Verdict};
use super::{Table, TooMany};

/// The most observers of one route; a further one is not heard.
const MAX_OBSERVERS: usize = 16;

impl<D: Destination> Table<D> {
    /// Somebody decides, on a source's routes to one destination or on all it has. It holds for
    /// routes that are there and for those to come.
    ///
    /// # Errors
    /// The table has as many decisions as it may.
    pub fn decide(
        &mut self,
        now: Now,
        source: &SourceId,
        on: Option<&D>,
        what: Decision,
        by: By,
        why: &str,
    ) -> Result<(), TooMany> {
        let on = on.map_or(On::Source, On::Destination);
        self.decide_on(now, source, on, what, (by, why))
    }

    /// As [`Table::decide`], on one of a source's routes to a destination. Of words of one sort it
    /// comes before those on all of them and on the whole source, but a person's always before a
    /// rule's.
    ///
    /// # Errors
    /// The table has as many decisions as it may.
    pub fn decide_path(
        &mut self,
        now: Now,
        source: &SourceId,
        (destination, path): (&D, &PathId),
        what: Decision,
        by: By,
        why: &str,
    ) -> Result<(), TooMany> {
        self.decide_on(now, source, On::Path(destination, path), what, (by, why))
    }

    fn decide_on(
        &mut self,
        now: Now,
        source: &SourceId,
        on: On<'_, D>,
        what: Decision,
        (by, why): (By, &str),
    ) -> Result<(), TooMany> {
        let ix = self.sources.find(source);
        if let (Some(ix), Some(id)) = (ix, on.destination().and_then(|d| self.find(d))) {
            // The word is on what comes: what is as good as withdrawn takes its own along.
            self.sweep_all_now(now, id, ix);
        }
        let bound = self.policy.bounds.decisions;
        let word = (by.clone(), why.to_owned());
        if !self.decisions.take(now.wall, source, on, what, word, bound) {
            return Err(TooMany { what: "decisions", bound });
        }
        let (path, why) = (on.path().cloned(), why.into());
        let told = What::Decided { source: source.clone(), path, decision: what, by, why };
        let event = self.record_wide(now, on.destination(), told);
        let Some(ix) = ix else { return Ok(()) };
        self.sources[ix].decided = self.decisions.has(source);
        self.sources[ix].decision_event = event;
        match on.destination() {
            Some(destination) => {
                if let Some(id) = self.find(destination) {
                    self.reimport_destination(now, id, Some(ix));
                    self.marks.set(id);
                }
            }
            None => self.walk_source(ix, Look { import: true, ..Look::MARK }),
        }
        Ok(())
    }

    /// An observer says how a source, or one route of it, is. The worst verdict of those who act
    /// here counts. Says whether there is such a route, and room for one more observer.
    pub fn health(
        &mut self,
        now: Now,
        by: &Observer,
        source: &SourceId,
        of: Option<(&D, &PathId)>,
        is: Health,
    ) -> bool {
        let Some(ix) = self.sources.find(source) else { return false };
        let Some((destination, path)) = of else {
            return self.source_health(now, ix, by, is);
        };
        let Some((id, place)) = self.locate(now, ix, destination, path) else { return false };
        let why = match &is {
            Health::Unhealthy { why, .. } => why.clone(),
            _ => String::new(),
        };
        if let Health::Unhealthy { until: Some(until), .. } = &is {
            self.look_again(now, id, until.0);
        }
        let candidate = *self.candidate(place);
        let key = (id, candidate.source, candidate.path);
        let verdicts = self.verdicts.entry(key).or_default();
        let heard = hear(verdicts, by, is);
        if verdicts.is_empty() {
            self.verdicts.remove(&key);
        }
        self.candidate_mut(place).flags.set(Flags::OBSERVED, true);
        self.judge(now, id, place, &why);
        heard
    }

    /// Derives whether a candidate is unhealthy from what observers said; a verdict whose time is
    /// over is forgotten.
    pub(super) fn judge(&mut self, now: Now, id: u32, place: Place, why: &str) {
        let candidate = *self.candidate(place);
        if !candidate.flags.has(Flags::OBSERVED) {
            return;
        }
        let key = (id, candidate.source, candidate.path);
        let unhealthy = match self.verdicts.get_mut(&key) {
            Some(verdicts) => {
                forget_ended(verdicts, now);
                verdicts.iter().any(acts_against)
            }
            None => false,
        };
        if unhealthy == candidate.flags.has(Flags::UNHEALTHY) {
            return;
        }
        let from = self.standing(&candidate);
        self.candidate_mut(place).flags.set(Flags::UNHEALTHY, unhealthy);
        let to = self.standing_at(id, place);
        self.marks.set(id);
        if from != to {
            let route = self.told_key(&candidate);
            let stood = Stood { route, from, to, why: why.to_owned() };
            self.record(now, id, Story::Standing(Box::new(stood)), None);
        }
    }

    /// When the first verdict on a route ends by itself.
    pub(super) fn judged_until(&self, id: u32, place: Place) -> Option<Mono> {
        let candidate = self.candidate(place);
        let verdicts = self.verdicts.get(&(id, candidate.source, candidate.path))?;
        verdicts.iter().filter_map(Verdict::ends).min().map(|d| d.0)
    }

    fn source_health(&mut self, now: Now, ix: u32, by: &Observer, is: Health) -> bool {
        if let Health::Unhealthy { until: Some(until), .. } = &is {
            let at = self.tick_of(now, *until);
            self.schedule(ix, at);
        }
        let heard = hear(&mut self.sources[ix].verdicts, by, is);
        self.judge_source(now, ix);
        heard
    }

    pub(super) fn judge_source(&mut self, now: Now, ix: u32) {
        let source = &mut self.sources[ix];
        forget_ended(&mut source.verdicts, now);
        let unhealthy = source.verdicts.iter().any(acts_against);
        if unhealthy != source.unhealthy {
            source.unhealthy = unhealthy;
            self.walk_source(ix, Look::MARK);
        }
    }

    /// A next hop can or can't be reached: one change for all its routes. Says whether any route
    /// names it; of others nothing is kept.
    pub fn next_hop(&mut self, now: Now, hop: &NextHop, is: Resolution) -> bool {
        let Some(ix) = self.hops.find(hop) else { return false };
        let unresolved = match is {
            Resolution::Resolved => None,
            Resolution::Unresolved { why } => Some(why),
        };
        let entry = &mut self.hops[ix];
        let changes = entry.unresolved.is_some() != unresolved.is_some();
        entry.unresolved = unresolved.clone();
        if changes {
            let what = What::NextHop { hop: hop.clone(), unresolved };
            self.hops[ix].event = self.record_wide(now, None, what);
            self.walk_hop(ix);
        }
        true
    }

    /// Next hops that came since the last call and whose kind the policy wants resolved: whoever
    /// resolves them answers by [`Table::next_hop`].
    pub fn hops_to_resolve(&mut self) -> Vec<NextHop> {
        self.hops.take_asked()
    }

    /// Every next hop that a route names, in order.
    pub fn next_hops(&self) -> Vec<NextHop> {
        let mut hops: Vec<_> = self.hops.iter().map(|h| h.hop.clone()).collect();
        hops.sort();
        hops
    }

    pub(super) fn tick_of(&self, now: Now, deadline: Deadline) -> Tick {
        self.tick_after(now, deadline.left(now))
    }
}

fn acts_against(verdict: &Verdict) -> bool {
    verdict.by.acts && matches!(verdict.is, Health::Unhealthy { .. })
}

fn forget_ended(verdicts: &mut Vec<Verdict>, now: Now) {
    verdicts.retain(|v| match &v.is {
        Health::Unhealthy { until: Some(until), .. } => !until.is_due(now),
        _ => true,
    });
}

/// Takes a verdict in; false if there are too many observers.
fn hear(verdicts: &mut Vec<Verdict>, by: &Observer, is: Health) -> bool {
    let at = verdicts.iter().position(|v| v.by.name == by.name);
    match (at, is) {
        (Some(at), Health::Unknown) => {
            verdicts.remove(at);
        }
        (None, Health::Unknown) => {}
        (Some(at), is) => {
            if let Some(verdict) = verdicts.get_mut(at) {
                *verdict = Verdict { by: by.clone(), is };
            }
        }
        (None, _) if verdicts.len() >= MAX_OBSERVERS => return false,
        (None, is) => verdicts.push(Verdict { by: by.clone(), is }),
    }
    true
}
