//! Claims whose key isn't known: they wait beside the store until it comes, or they end.
//!
//! Anybody can make them up, so they are few: [`MAX_PER_DESTINATION`] of one (originator, scope,
//! destination), of which the oldest version gives way, and a bound of all, over which a new one is
//! not kept.

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::{AnyDestination, ClusterId, Wall};

use super::{Claim, Held};
use crate::wire::Scope;

/// Different claims on one destination that wait.
const MAX_PER_DESTINATION: usize = 4;

type Place = (ClusterId, Scope, AnyDestination);

#[derive(Debug, Default)]
pub(super) struct Aside {
    /// By version, then by signature as they came.
    waiting: BTreeMap<Place, Vec<Held>>,
    by_end: BTreeMap<Wall, BTreeSet<Place>>,
    n_claims: usize,
    n_of: BTreeMap<ClusterId, usize>,
}

impl Aside {
    pub(super) fn has(&self, scope: &Scope, claim: &Claim) -> bool {
        let held = self.waiting.get(&place(scope, claim));
        held.is_some_and(|held| held.iter().any(|held| held.claim == *claim))
    }

    pub(super) fn put(&mut self, scope: &Scope, claim: Claim, total: usize, of_one: usize) -> bool {
        if self.has(scope, &claim) {
            return true;
        }
        let place = place(scope, &claim);
        let here = self.waiting.get(&place).map_or(0, Vec::len);
        if here >= MAX_PER_DESTINATION {
            self.drop_oldest(&place);
        } else if self.n_claims >= total || self.n_of.get(&place.0).is_some_and(|n| *n >= of_one) {
            return false;
        }
        self.by_end.entry(claim.not_after).or_default().insert(place.clone());
        self.n_claims += 1;
        *self.n_of.entry(place.0.clone()).or_default() += 1;
        let held = self.waiting.entry(place).or_default();
        let at = held.partition_point(|had| had.claim.version() <= claim.version());
        held.insert(at, Held { claim, verified: false });
        true
    }

    /// It was verified: that one, and those that it makes stale, wait no more.
    pub(super) fn forget(&mut self, scope: &Scope, claim: &Claim) {
        if self.n_claims > 0 {
            self.retain(&place(scope, claim), &|held| held.version() > claim.version());
        }
    }

    pub(super) fn newest(
        &self,
        scope: &Scope,
        by: &ClusterId,
        on: &AnyDestination,
    ) -> Option<&Held> {
        if self.n_claims == 0 {
            return None;
        }
        self.waiting.get(&(by.clone(), scope.clone(), on.clone()))?.last()
    }

    pub(super) fn of(&self, by: &ClusterId) -> Vec<(Scope, Claim)> {
        // The places are sorted by originator first; skipping to it would need the least scope and
        // destination, which nobody can name.
        let of_it = self.waiting.iter().filter(|((originator, _, _), _)| originator == by);
        of_it
            .flat_map(|((_, scope, _), held)| held.iter().map(|h| (scope.clone(), h.claim.clone())))
            .collect()
    }

    pub(super) fn expire(
        &mut self,
        is_over: &dyn Fn(Wall) -> bool,
        budget: usize,
    ) -> Vec<(Scope, Claim)> {
        let mut gone = Vec::new();
        while gone.len() < budget
            && let Some((end, places)) = self.by_end.first_key_value()
            && is_over(*end)
            && let Some(place) = places.first().cloned()
        {
            let end = *end;
            let ended = self.retain(&place, &|claim| claim.not_after != end);
            if ended.is_empty() {
                return gone;
            }
            let lost = ended.into_iter().filter(|claim| !claim.withdrawn);
            gone.extend(lost.map(|claim| (place.1.clone(), claim)));
        }
        gone
    }

    pub(super) fn first_end(&self) -> Option<Wall> {
        self.by_end.first_key_value().map(|(end, _)| *end)
    }

    pub(super) fn len(&self) -> usize {
        self.n_claims
    }

    fn drop_oldest(&mut self, place: &Place) {
        let oldest = self.waiting.get(place).and_then(|held| held.first()).map(|h| h.claim.clone());
        if let Some(oldest) = oldest {
            self.retain(place, &|claim| *claim != oldest);
        }
    }

    /// Keeps of one place those that fit; the others come back.
    fn retain(&mut self, place: &Place, keep: &dyn Fn(&Claim) -> bool) -> Vec<Claim> {
        let Some(held) = self.waiting.get_mut(place) else { return Vec::new() };
        let (stay, gone): (Vec<Held>, Vec<Held>) =
            std::mem::take(held).into_iter().partition(|held| keep(&held.claim));
        for ended in &gone {
            let end = ended.claim.not_after;
            let is_last = stay.iter().all(|held| held.claim.not_after != end);
            if is_last && let Some(places) = self.by_end.get_mut(&end) {
                places.remove(place);
                if places.is_empty() {
                    self.by_end.remove(&end);
                }
            }
        }
        self.n_claims -= gone.len();
        let left = self.n_of.get(&place.0).map_or(0, |n| n.saturating_sub(gone.len()));
        if left == 0 {
            self.n_of.remove(&place.0);
        } else {
            self.n_of.insert(place.0.clone(), left);
        }
        *held = stay;
        if held.is_empty() {
            self.waiting.remove(place);
        }
        gone.into_iter().map(|held| held.claim).collect()
    }
}

fn place(scope: &Scope, claim: &Claim) -> Place {
    (claim.originator.clone(), scope.clone(), claim.destination.clone())
}
