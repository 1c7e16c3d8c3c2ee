//! What follows from the model's facts: standing, ranked lists, incumbents.

use std::collections::BTreeSet;

use rutter_rib::{AllUnhealthy, Approval};
use rutter_route::*;

use super::matching;
use super::rank::{self, Shown};
use super::table::{Decided, Incumbent, Model, On, Phase, ms};

impl<D: Destination> Model<D> {
    /// Whether best routes are kept in a view.
    pub fn keeps(&self, view: &ViewName) -> bool {
        let sticks = self.policy.criteria.contains(&Criterion::Incumbent)
            || self.policy.all_unhealthy == AllUnhealthy::Incumbent;
        self.views.contains_key(view) && (*view != ViewName::default() || sticks)
    }

    pub fn effective(&self, at: &(D, RouteKey)) -> (Attributes, matching::Ruled) {
        let (d, key) = at;
        let mut attributes = self.routes[at].received.clone();
        let info = &self.sources[&key.source].info;
        let ruled = matching::import(&self.policy, d, &key.source, info, &mut attributes);
        for decided in self.decided(at).iter().rev().flatten() {
            if let Some((n, _)) = &decided.preference {
                attributes.preference = *n;
            }
        }
        (attributes, ruled)
    }

    /// On the path, on the destination, and on the whole source.
    pub fn decided(&self, (d, key): &(D, RouteKey)) -> [Option<&Decided>; 3] {
        [On::Path(d.clone(), key.path.clone()), On::Destination(d.clone()), On::Source]
            .map(|on| self.decisions.get(&(key.source.clone(), on)))
    }

    /// The word that counts: a person's before a rule's, the path's before the destination's
    /// before the source's.
    pub fn approval(&self, at: &(D, RouteKey)) -> Option<&(bool, By)> {
        approval_of(&self.decided(at))
    }

    /// What a rule approves is remembered where a word is asked for and nobody has said one.
    pub(super) fn approve_by_rules(&mut self, source: Option<&SourceId>, on: Option<&D>) {
        if self.policy.approval == Approval::None {
            return;
        }
        let of: Vec<(D, RouteKey)> = self
            .routes
            .keys()
            .filter(|(d, k)| source.is_none_or(|s| k.source == *s) && on.is_none_or(|on| d == on))
            .cloned()
            .collect();
        for at in of {
            if self.approval(&at).is_none()
                && let Some(rule) = self.effective(&at).1.approved_by
            {
                let key = (at.1.source.clone(), On::Destination(at.0.clone()));
                self.decisions.entry(key).or_default().approval = Some((true, By::Rule(rule)));
            }
        }
    }

    /// Every fact that speaks against a route, in the order of `Standing`.
    pub fn facts(&self, at: &(D, RouteKey)) -> Vec<Standing> {
        let route = &self.routes[at];
        let source = &self.sources[&at.1.source];
        let (_, ruled) = self.effective(at);
        let approval = self.approval(at);
        let revoked = approval.is_some_and(|(is, _)| !is);
        let allowed = source.info.credential.as_ref().is_none_or(|c| {
            let priority = route.received.priority;
            at.0.allowed_by(c)
                && c.priorities.is_none_or(|(least, most)| least <= priority && priority <= most)
        });
        let approved = match approval {
            Some((true, By::Rule(_))) if self.policy.strict => ruled.approved_by.is_some(),
            Some((is, _)) => *is,
            None => ruled.approved_by.is_some(),
        };
        let drained = self.decided(at).iter().flatten().any(|d| d.drain.is_some());
        let must = self.policy.approval == Approval::Required;
        let resolved = self.hops.get(&route.received.next_hop).copied().unwrap_or(true);
        let sick = |(acts, is): &(bool, Health)| match is {
            Health::Unhealthy { until, .. } => *acts && until.is_none_or(|u| u.0.0 > self.now),
            _ => false,
        };
        let stale = source.phase == Phase::Stale
            || (source.carried_over && route.stamp < source.session_stamp)
            || route.carried == Standing::Stale;
        let draining =
            source.phase == Phase::Draining || drained || route.carried == Standing::Draining;
        let unhealthy = route.verdicts.values().any(sick)
            || source.verdicts.values().any(sick)
            || route.carried == Standing::Unhealthy;
        [
            (Standing::Denied, !ruled.accepted || !allowed || revoked),
            (Standing::Unapproved, must && !approved && !revoked),
            (Standing::Offline, source.phase == Phase::Offline),
            (Standing::Unresolved, !resolved),
            (Standing::Held, self.is_held(at)),
            (Standing::Unhealthy, unhealthy),
            (Standing::Stale, stale),
            (Standing::Draining, draining),
        ]
        .into_iter()
        .filter_map(|(fact, holds)| holds.then_some(fact))
        .collect()
    }

    pub fn standing(&self, at: &(D, RouteKey)) -> Standing {
        self.facts(at).first().copied().unwrap_or_default()
    }

    /// What only hold-down keeps away is free where all is barred.
    fn spare_sole(&mut self) {
        if !self.policy.stability.spare_sole {
            return;
        }
        for d in self.destinations() {
            let of_d: Vec<_> = self.routes.keys().filter(|(of, _)| *of == d).cloned().collect();
            if of_d.iter().any(|at| !self.standing(at).is_barred()) {
                continue;
            }
            let held = of_d.into_iter().filter(|at| self.standing(at) == Standing::Held);
            for at in held.collect::<Vec<_>>() {
                if let Some(flaps) = self.flaps.get_mut(&at) {
                    flaps.hold_down_until = 0;
                }
            }
        }
    }

    pub(super) fn flap(&mut self, at: (D, RouteKey), change: bool) {
        if self.policy.stability.flap_limit.is_some() {
            self.flaps.entry(at).or_default().history.push((self.now, change));
        }
    }

    /// Replays every flap from the beginning: the simple count, and hold-down. (Damping has tables
    /// of its own in `stability.rs`.)
    fn is_held(&self, at: &(D, RouteKey)) -> bool {
        let Some(flaps) = self.flaps.get(at) else { return false };
        let stability = &self.policy.stability;
        if !stability.hold_down.is_zero() && flaps.hold_down_until > self.now {
            return true;
        }
        let Some(limit) = &stability.flap_limit else { return false };
        let (mut n, mut last, mut until) = (0, 0, 0);
        for (when, change) in &flaps.history {
            if *change {
                continue;
            }
            if until != 0 && until <= *when {
                (n, until) = (0, 0);
            }
            n = if n > 0 && when - last > ms(limit.window) { 1 } else { n + 1 };
            last = *when;
            if n >= limit.flaps {
                until = when + ms(limit.window);
            }
        }
        until > self.now
    }

    /// The criteria of a view, without the closing identity.
    pub fn criteria(&self, view: &ViewName) -> Vec<Criterion> {
        self.views[view].criteria.clone().unwrap_or_else(|| self.policy.criteria_for(D::KIND))
    }

    fn candidates(&self, view: &ViewName, d: &D) -> Vec<rank::Candidate> {
        let show = &self.views[view].show;
        let of_d = self.routes.keys().filter(|(of, _)| of == d);
        let mut candidates = Vec::new();
        for at in of_d {
            let attributes = self.effective(at).0;
            let info = &self.sources[&at.1.source].info;
            let is_shown = |m| matching::matches(m, d, &at.1.source, info, &attributes);
            if !show.is_empty() && !show.iter().any(is_shown) {
                continue;
            }
            let standing = self.standing(at);
            let best = self.incumbents.get(&(view.clone(), d.clone()));
            let best = best.filter(|i| self.keeps(view) && i.key == at.1);
            let usable = !standing.is_barred() || standing == Standing::Offline;
            candidates.push(rank::Candidate {
                key: at.1.clone(),
                standing,
                attributes,
                incumbent: best.is_some(),
                nominee: best.is_some_and(|i| i.nominated) && usable,
            });
        }
        candidates
    }

    /// The ranked list of a view as it would be committed now, and who is best from then on.
    pub fn list(&self, view: &ViewName, d: &D) -> Vec<rank::Candidate> {
        let criteria = self.criteria(view);
        let keep = self.policy.all_unhealthy == AllUnhealthy::Incumbent;
        let weights = &self.policy.score;
        let mut candidates = self.candidates(view, d);
        let list = rank::ranked(&criteria, weights, keep, &candidates);
        let Some(best) = list.first() else { return list };
        if !self.keeps(view) {
            return list;
        }
        // Who is best is the incumbent, and the others rank behind it as such.
        for candidate in &mut candidates {
            candidate.incumbent = candidate.key == best.key;
            candidate.nominee &= candidate.incumbent;
        }
        rank::ranked(&criteria, weights, keep, &candidates)
    }

    pub fn shown(&self, view: &ViewName, d: &D) -> Vec<Shown> {
        rank::shown(&self.criteria(view), &self.policy.score, &self.list(view, d))
    }

    /// Authorized routes, but no best.
    pub fn is_unreachable(&self, view: &ViewName, d: &D) -> bool {
        let authorized =
            |c: &rank::Candidate| !matches!(c.standing, Standing::Denied | Standing::Unapproved);
        !self.policy.fall_through
            && self.list(view, d).is_empty()
            && self.candidates(view, d).iter().any(authorized)
    }

    pub fn destinations(&self) -> BTreeSet<D> {
        self.routes.keys().map(|(d, _)| d.clone()).collect()
    }

    /// A commit of everything: awaited nominees are seated, and each view's best is its incumbent.
    pub fn commit(&mut self) {
        self.spare_sole();
        let views: Vec<ViewName> = self.views.keys().cloned().collect();
        for (at, (key, until)) in self.awaited.clone() {
            if self.routes.contains_key(&(at.1.clone(), key.clone())) {
                self.awaited.remove(&at);
                self.seat(at, key, until);
            }
        }
        for view in views {
            for d in self.destinations() {
                let at = (view.clone(), d.clone());
                let best = self.list(&view, &d).first().map(|b| b.key.clone());
                let old = self.incumbents.get(&at).map(|i| i.key.clone());
                match best {
                    Some(key) if old.as_ref() != Some(&key) => {
                        let new = Incumbent { key, nominated: false, until: None };
                        self.incumbents.insert(at, new);
                    }
                    // Who was best last is remembered where best routes are kept.
                    None if !self.keeps(&view) => drop(self.incumbents.remove(&at)),
                    _ => {}
                }
            }
        }
        let routes = &self.routes;
        self.incumbents.retain(|(_, d), i| routes.contains_key(&(d.clone(), i.key.clone())));
    }
}

/// The word on approval that counts, of those on ever more.
pub fn approval_of<'d>(decided: &[Option<&'d Decided>]) -> Option<&'d (bool, By)> {
    let words = || decided.iter().flatten().filter_map(|d| d.approval.as_ref());
    words().find(|(_, by)| matches!(by, By::Person(_))).or_else(|| words().next())
}
