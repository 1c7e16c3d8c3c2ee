//! The store of claims.
//!
//! A claim that was *verified* has the one place of its (originator, scope, destination). One whose
//! key nobody knows stands aside with the few others like it until the key comes, and never in the
//! way of a verified one: otherwise who forges a claim of a high version would make the true one
//! stale. What is past its not-after, by the receiver's clock, counts for nothing even before
//! [`Claims::expire`] comes round to it.
//!
//! A look-up is one probe of a hash table that holds 32-bit places; an originator's claims are a
//! chain through the slots, so that the end of one of its keys doesn't walk everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::time::Duration;

use hashbrown::HashTable;
use rutter_route::{AnyDestination, ClusterId, Deadline, Now, Wall};

use super::Claim;
use super::aside::Aside;
use crate::keys::KeyId;
use crate::wire::Scope;

/// How many claims are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimLimits {
    /// In all.
    pub total: usize,
    /// Of one originator.
    pub per_originator: usize,
    /// How far in the future a not-after may lie, beside what the clocks may differ by, in ms.
    pub max_life_ms: u64,
    /// By how much two clocks may differ, in ms.
    pub skew_ms: u64,
}

/// What becomes of a claim that is heard, before its signature is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is the *verified* one that is held, byte for byte: nothing is to be verified. A claim that
    /// waits aside is never this, however often it is said.
    Same,
    /// It is newer than what is held: its signature is to be verified, then [`Claims::put`].
    Newer,
    /// It is older than the one held, which is returned.
    Stale(Box<Claim>),
    /// It has the version of the one held and says something else.
    Conflict,
    /// Its not-after has passed.
    Expired,
    /// Its not-after lies too far ahead.
    TooFar,
    /// There is no room.
    Full,
}

/// What is held of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The claim.
    pub claim: Claim,
    /// Whether its signature was verified by a key that is known; `false`: the key isn't known yet,
    /// and routes that rest on it are `Denied`.
    pub verified: bool,
}

/// See the module's head.
#[derive(Debug)]
pub struct Claims {
    limits: ClaimLimits,
    hasher: foldhash::fast::FixedState,
    /// Places in `slots`.
    table: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Scopes by number; there are as many as are carried.
    scopes: Vec<Scope>,
    originators: BTreeMap<ClusterId, Originator>,
    /// By not-after.
    by_end: BTreeSet<(Wall, u32)>,
    /// Those that withdraw, by not-after: they give way first.
    withdrawn: BTreeSet<(Wall, u32)>,
    aside: Aside,
}

#[derive(Debug)]
struct Slot {
    scope: u32,
    /// `None`: the slot is free.
    held: Option<Held>,
    /// The originator's chain; [`END`] at its ends.
    before: u32,
    after: u32,
}

#[derive(Debug)]
struct Originator {
    first: u32,
    n_claims: usize,
    withdrawn: BTreeSet<(Wall, u32)>,
}

const END: u32 = u32::MAX;

impl Claims {
    /// None yet. The seed is the hash table's: what neighbours choose can't make it slow.
    pub fn new(limits: ClaimLimits, seed: u64) -> Self {
        // Places are 32 bits, the last of them marks an end.
        let limits = ClaimLimits { total: limits.total.min(END as usize), ..limits };
        Self {
            limits,
            hasher: foldhash::fast::FixedState::with_seed(seed),
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            scopes: Vec::new(),
            originators: BTreeMap::new(),
            by_end: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            aside: Aside::default(),
        }
    }

    /// What becomes of a claim.
    pub fn judge(&self, now: Now, scope: &Scope, claim: &Claim) -> Judged {
        if self.is_over(now, claim.not_after) {
            return Judged::Expired;
        }
        let latest = now.wall.0.saturating_add(self.limits.max_life_ms + self.limits.skew_ms);
        if claim.not_after.0 > latest {
            return Judged::TooFar;
        }
        match self.verified(scope, &claim.originator, &claim.destination) {
            // What has ended blocks nothing (P2), not even one of the same version.
            Some(held) if self.is_over(now, held.claim.not_after) => Judged::Newer,
            Some(held) if held.claim == *claim => Judged::Same,
            Some(held) if held.claim.version() > claim.version() => {
                Judged::Stale(Box::new(held.claim.clone()))
            }
            Some(held) if held.claim.version() == claim.version() => Judged::Conflict,
            Some(_) => Judged::Newer,
            None if self.has_room(&claim.originator) => Judged::Newer,
            None => Judged::Full,
        }
    }

    /// Keeps a claim: a verified one in place of what was held, one that isn't verified aside. Says
    /// whether it was kept: there may be no room, or something newer came while it was verified.
    pub fn put(&mut self, now: Now, scope: &Scope, claim: Claim, verified: bool) -> bool {
        if !verified {
            let bound = (self.limits.total / 8).max(1);
            return self.aside.put(scope, claim, bound, self.limits.per_originator);
        }
        match self.judge(now, scope, &claim) {
            Judged::Newer | Judged::Same => {}
            _ => return false,
        }
        self.aside.forget(scope, &claim);
        let number = self.number(scope);
        if let Some(at) = self.find(number, &claim.originator, &claim.destination) {
            self.replace(at, claim);
            return true;
        }
        self.insert(number, claim)
    }

    /// The claim held: the verified one, else the newest of those aside.
    pub fn get(&self, scope: &Scope, by: &ClusterId, on: &AnyDestination) -> Option<&Held> {
        self.verified(scope, by, on).or_else(|| self.aside.newest(scope, by, on))
    }

    /// Claims by that cluster whose key wasn't known, in order: its keys have changed.
    pub fn unverified(&self, by: &ClusterId) -> Vec<(Scope, Claim)> {
        self.aside.of(by)
    }

    /// Keys of that cluster ended: claims signed by others than `active` count no more. Those that
    /// don't withdraw are returned, in order.
    pub fn unvouch(
        &mut self,
        by: &ClusterId,
        active: &dyn Fn(&KeyId) -> bool,
    ) -> Vec<(Scope, Claim)> {
        let mut ended = Vec::new();
        let mut at = self.originators.get(by).map_or(END, |originator| originator.first);
        while let Some(slot) = self.slots.get(at as usize) {
            if slot.held.as_ref().is_some_and(|held| !active(&held.claim.key)) {
                ended.push(at);
            }
            at = slot.after;
        }
        self.take(ended)
    }

    /// Takes out at most `budget` claims whose not-after has passed, by the receiver's clock; those
    /// that don't withdraw are returned, in order.
    pub fn expire(&mut self, now: Now, budget: usize) -> Vec<(Scope, Claim)> {
        let over = |(end, _): &&(Wall, u32)| self.is_over(now, *end);
        let ended: Vec<u32> =
            self.by_end.iter().take_while(over).take(budget).map(|(_, at)| *at).collect();
        let is_over = |end: Wall| now.wall.0 > end.0.saturating_add(self.limits.skew_ms);
        let mut gone = self.aside.expire(&is_over, budget.saturating_sub(ended.len()));
        gone.extend(self.take(ended));
        gone
    }

    /// When `expire` is next worth calling.
    pub fn next_deadline(&self, now: Now) -> Option<Deadline> {
        let first = self.by_end.first().map(|(end, _)| *end);
        let end = first.into_iter().chain(self.aside.first_end()).min()?;
        // The first millisecond at which it is over.
        let over = end.0.saturating_add(self.limits.skew_ms).saturating_add(1);
        Some(now.deadline(Duration::from_millis(over.saturating_sub(now.wall.0))))
    }

    /// How many are kept, those aside among them.
    pub fn len(&self) -> usize {
        self.table.len() + self.aside.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a not-after has passed for certain, whichever way the clocks differ.
    fn is_over(&self, now: Now, not_after: Wall) -> bool {
        now.wall.0 > not_after.0.saturating_add(self.limits.skew_ms)
    }

    fn verified(&self, scope: &Scope, by: &ClusterId, on: &AnyDestination) -> Option<&Held> {
        let number = self.scopes.iter().position(|known| known == scope)?;
        let at = self.find(u32::try_from(number).ok()?, by, on)?;
        self.slots.get(at as usize)?.held.as_ref()
    }

    fn find(&self, scope: u32, by: &ClusterId, on: &AnyDestination) -> Option<u32> {
        let is_it = |at: &u32| {
            self.slots.get(*at as usize).is_some_and(|slot| {
                let fits = |h: &Held| h.claim.destination == *on && h.claim.originator == *by;
                slot.scope == scope && slot.held.as_ref().is_some_and(fits)
            })
        };
        self.table.find(hash(&self.hasher, scope, by, on), is_it).copied()
    }

    /// The scope's number; a new one gets the next.
    fn number(&mut self, scope: &Scope) -> u32 {
        let at = self.scopes.iter().position(|known| known == scope).unwrap_or_else(|| {
            self.scopes.push(scope.clone());
            self.scopes.len() - 1
        });
        u32::try_from(at).unwrap_or(END)
    }

    /// Whether a claim on something new fits, where withdrawals that are held may give way.
    fn has_room(&self, by: &ClusterId) -> bool {
        let originator = self.originators.get(by);
        let fits = originator
            .is_none_or(|o| o.n_claims < self.limits.per_originator || !o.withdrawn.is_empty());
        let total = self.table.len() < self.limits.total || !self.withdrawn.is_empty();
        self.limits.per_originator > 0 && fits && total
    }

    fn replace(&mut self, at: u32, claim: Claim) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        let new = (claim.not_after, claim.withdrawn, claim.originator.clone());
        let Some(old) = slot.held.replace(Held { claim, verified: true }) else { return };
        self.unmark(at, old.claim.not_after, &new.2);
        self.mark(at, new.0, new.1, &new.2);
    }

    fn insert(&mut self, scope: u32, claim: Claim) -> bool {
        self.make_room(&claim.originator);
        let by = claim.originator.clone();
        if !self.has_room(&by) {
            return false;
        }
        let hash_of = hash(&self.hasher, scope, &by, &claim.destination);
        let (end, withdrawn) = (claim.not_after, claim.withdrawn);
        let originator = self.originators.entry(by.clone()).or_insert_with(|| Originator {
            first: END,
            n_claims: 0,
            withdrawn: BTreeSet::new(),
        });
        let first = originator.first;
        let held = Some(Held { claim, verified: true });
        let slot = Slot { scope, held, before: END, after: first };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at as usize) {
                    *place = slot;
                }
                at
            }
            None => {
                self.slots.push(slot);
                // `limits.total` keeps it within 32 bits.
                u32::try_from(self.slots.len() - 1).unwrap_or(END)
            }
        };
        originator.first = at;
        originator.n_claims += 1;
        if let Some(next) = self.slots.get_mut(first as usize) {
            next.before = at;
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.table.insert_unique(hash_of, at, |at| hash_slot(slots, hasher, *at));
        self.mark(at, end, withdrawn, &by);
        true
    }

    /// Where there is no room, the withdrawal that ends first gives way: the originator's own where
    /// its bound is reached, anybody's where the bound of all is.
    fn make_room(&mut self, by: &ClusterId) {
        if let Some(originator) = self.originators.get(by)
            && originator.n_claims >= self.limits.per_originator
            && let Some((_, at)) = originator.withdrawn.first().copied()
        {
            self.remove(at);
        }
        if self.table.len() >= self.limits.total
            && let Some((_, at)) = self.withdrawn.first().copied()
        {
            self.remove(at);
        }
    }

    fn mark(&mut self, at: u32, end: Wall, withdrawn: bool, by: &ClusterId) {
        self.by_end.insert((end, at));
        if !withdrawn {
            return;
        }
        self.withdrawn.insert((end, at));
        if let Some(originator) = self.originators.get_mut(by) {
            originator.withdrawn.insert((end, at));
        }
    }

    fn unmark(&mut self, at: u32, end: Wall, by: &ClusterId) {
        self.by_end.remove(&(end, at));
        self.withdrawn.remove(&(end, at));
        if let Some(originator) = self.originators.get_mut(by) {
            originator.withdrawn.remove(&(end, at));
        }
    }

    fn remove(&mut self, at: u32) -> Option<(Scope, Claim)> {
        let hash_of = hash_slot(&self.slots, &self.hasher, at);
        if let Ok(entry) = self.table.find_entry(hash_of, |other| *other == at) {
            entry.remove();
        }
        let slot = self.slots.get_mut(at as usize)?;
        let (scope, before, after) = (slot.scope, slot.before, slot.after);
        let claim = slot.held.take()?.claim;
        self.free.push(at);
        self.unmark(at, claim.not_after, &claim.originator);
        if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.after = after;
        }
        if let Some(slot) = self.slots.get_mut(after as usize) {
            slot.before = before;
        }
        if let Some(originator) = self.originators.get_mut(&claim.originator) {
            originator.n_claims -= 1;
            if originator.first == at {
                originator.first = after;
            }
            if originator.n_claims == 0 {
                self.originators.remove(&claim.originator);
            }
        }
        Some((self.scopes.get(scope as usize)?.clone(), claim))
    }

    /// Removes them; those that don't withdraw come back, sorted.
    fn take(&mut self, places: Vec<u32>) -> Vec<(Scope, Claim)> {
        let mut gone: Vec<_> = places.into_iter().filter_map(|at| self.remove(at)).collect();
        gone.retain(|(_, claim)| !claim.withdrawn);
        gone.sort_by(|(a, x), (b, y)| {
            (a, &x.originator, &x.destination).cmp(&(b, &y.originator, &y.destination))
        });
        gone
    }
}

fn hash(
    hasher: &foldhash::fast::FixedState,
    scope: u32,
    by: &ClusterId,
    on: &AnyDestination,
) -> u64 {
    let mut state = hasher.build_hasher();
    scope.hash(&mut state);
    by.hash(&mut state);
    on.hash(&mut state);
    state.finish()
}

fn hash_slot(slots: &[Slot], hasher: &foldhash::fast::FixedState, at: u32) -> u64 {
    let held = slots.get(at as usize).and_then(|slot| Some((slot.scope, slot.held.as_ref()?)));
    held.map_or(0, |(scope, held)| {
        hash(hasher, scope, &held.claim.originator, &held.claim.destination)
    })
}
