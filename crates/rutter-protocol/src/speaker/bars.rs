//! Routes that are barred since nobody knows the key of their claim.
//!
//! The bar itself is a decision in the table, by the rule `claim`, on (source, destination, path id):
//! `explain` shows it. Here stands by which claim each is barred, so that it is lifted when that very
//! claim is verified, and not by another of the same destination.
//!
//! Bound: [`Bars::PER_NEIGHBOUR`] of a neighbour, over which such a route is refused.

use std::collections::BTreeMap;

use rutter_rib::Book;
use rutter_route::{AnyDestination, ClusterId, Decision, Now, PathId};

use super::{Speaker, tables};
use crate::wire::{Claim, Scope, Signature};

/// Which route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BarKey {
    pub(crate) scope: Scope,
    pub(crate) destination: AnyDestination,
    pub(crate) by: ClusterId,
    pub(crate) path: PathId,
}

/// Why it is barred.
#[derive(Debug, Clone)]
struct Bar {
    originator: ClusterId,
    signature: Signature,
}

type Place = (Scope, AnyDestination);

/// All routes that are barred so.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    of: BTreeMap<Place, BTreeMap<(ClusterId, PathId), Bar>>,
    n_of: BTreeMap<ClusterId, usize>,
}

impl Bars {
    pub(crate) const PER_NEIGHBOUR: usize = 16_384;

    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    fn has_room(&self, key: &BarKey) -> bool {
        let n = self.n_of.get(&key.by).copied().unwrap_or(0);
        n < Self::PER_NEIGHBOUR || self.get(key).is_some()
    }

    fn get(&self, key: &BarKey) -> Option<&Bar> {
        let place = (key.scope.clone(), key.destination.clone());
        self.of.get(&place)?.get(&(key.by.clone(), key.path.clone()))
    }

    fn add(&mut self, key: BarKey, bar: Bar) {
        let BarKey { scope, destination, by, path } = key;
        let of = self.of.entry((scope, destination)).or_default();
        if of.insert((by.clone(), path), bar).is_none() {
            *self.n_of.entry(by).or_default() += 1;
        }
    }

    fn remove(&mut self, key: &BarKey) -> bool {
        let place = (key.scope.clone(), key.destination.clone());
        let Some(of) = self.of.get_mut(&place) else { return false };
        let was = of.remove(&(key.by.clone(), key.path.clone())).is_some();
        if of.is_empty() {
            self.of.remove(&place);
        }
        if was && let Some(n) = self.n_of.get_mut(&key.by) {
            *n = n.saturating_sub(1);
        }
        was
    }

    /// A neighbour is gone; the tables have forgotten their decisions about it.
    pub(crate) fn forget(&mut self, by: &ClusterId) {
        if self.n_of.remove(by).is_none() {
            return;
        }
        self.of.retain(|_, of| {
            of.retain(|(neighbour, _), _| neighbour != by);
            !of.is_empty()
        });
    }

    /// All of them, in order.
    fn iter(&self) -> impl Iterator<Item = (BarKey, &Bar)> {
        self.of
            .iter()
            .flat_map(|(place, of)| of.iter().map(move |(route, bar)| (key_of(place, route), bar)))
    }

    fn of_destination(&self, scope: &Scope, destination: &AnyDestination) -> Vec<(BarKey, Bar)> {
        let place = (scope.clone(), destination.clone());
        let of = self.of.get(&place).into_iter().flatten();
        of.map(|(route, bar)| (key_of(&place, route), bar.clone())).collect()
    }
}

fn key_of((scope, destination): &Place, (by, path): &(ClusterId, PathId)) -> BarKey {
    BarKey {
        scope: scope.clone(),
        destination: destination.clone(),
        by: by.clone(),
        path: path.clone(),
    }
}

impl Speaker {
    /// Bars a route by its claim. Says whether there is room; if not, the route may not stand.
    pub(crate) fn bar(&mut self, now: Now, book: &mut Book, key: BarKey, claim: &Claim) -> bool {
        let Some(spec) = self.scope_spec(&key.scope) else { return false };
        let Some(source) = self.neighbours.get(&key.by).map(|n| n.source.clone()) else {
            return false;
        };
        if !self.bars.has_room(&key) {
            return false;
        }
        let why = format!("signed by an unknown key of {}", claim.originator);
        let on = (&key.destination, &key.path);
        if !tables::bar(now, book, &spec, &source, on, Decision::Revoke, &why) {
            return false;
        }
        let bar = Bar { originator: claim.originator.clone(), signature: claim.signature };
        self.bars.add(key, bar);
        true
    }

    /// A route isn't barred any more, or isn't there.
    pub(crate) fn lift(&mut self, now: Now, book: &mut Book, key: &BarKey) {
        if self.bars.is_empty() || !self.bars.remove(key) {
            return;
        }
        let Some(spec) = self.scope_spec(&key.scope) else { return };
        let Some(source) = self.neighbours.get(&key.by).map(|n| n.source.clone()) else { return };
        let on = (&key.destination, &key.path);
        // A word that is taken back needs no room.
        tables::bar(now, book, &spec, &source, on, Decision::Clear, "");
    }

    /// A claim is verified: what it barred is free. Routes barred by another claim of the same
    /// destination are asked for again: their neighbours will have heard of this one.
    pub(crate) fn lift_by(&mut self, now: Now, book: &mut Book, scope: &Scope, claim: &Claim) {
        if self.bars.is_empty() {
            return;
        }
        for (key, bar) in self.bars.of_destination(scope, &claim.destination) {
            if bar.originator != claim.originator {
                continue;
            }
            if bar.signature == claim.signature {
                self.lift(now, book, &key);
            } else if let Some(neighbour) = self.neighbours.get_mut(&key.by) {
                neighbour.missed.insert(key.scope);
            }
        }
    }

    /// Bars of routes that a neighbour has no more.
    pub(crate) fn lift_idle_bars(
        &mut self,
        now: Now,
        book: &mut Book,
        by: &ClusterId,
        scope: &Scope,
    ) {
        if self.bars.is_empty() {
            return;
        }
        let Some(spec) = self.scope_spec(scope) else { return };
        let Some(source) = self.neighbours.get(by).map(|n| n.source.clone()) else { return };
        let keys = self.bars.iter().map(|(key, _)| key);
        let mine: Vec<_> = keys.filter(|key| key.by == *by && key.scope == *scope).collect();
        for key in mine {
            if !tables::holds(book, &spec, &source, &key.destination, &key.path) {
                self.lift(now, book, &key);
            }
        }
    }

    /// Whether a route is barred so.
    pub(crate) fn is_barred(&self, key: &BarKey) -> bool {
        self.bars.get(key).is_some()
    }

    /// A claim is void: routes that are barred by it, and rest on nothing, are returned.
    pub(crate) fn barred_by(&self, scope: &Scope, claim: &Claim) -> Vec<BarKey> {
        let bars = self.bars.of_destination(scope, &claim.destination).into_iter();
        bars.filter(|(_, bar)| bar.signature == claim.signature).map(|(key, _)| key).collect()
    }

    /// Keys of a cluster have changed. Where its claims that nobody could check aren't kept any more
    /// (there was no room), the neighbours whose routes are barred by them are asked for them again.
    pub(crate) fn ask_barred(&mut self, originator: &ClusterId) {
        if self.bars.is_empty() || !self.claims.unverified(originator).is_empty() {
            return;
        }
        for (key, bar) in self.bars.iter() {
            if bar.originator == *originator
                && let Some(neighbour) = self.neighbours.get_mut(&key.by)
            {
                neighbour.missed.insert(key.scope);
            }
        }
    }
}
