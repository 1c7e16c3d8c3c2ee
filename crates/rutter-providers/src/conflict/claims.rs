//! All claims there are, judged anew only where something changed.
//!
//! A claim's judgement depends on stronger claims alone. So after a change those are judged again
//! that want a place of what changed, the strongest first, and whoever wants a place of one that is
//! granted now and wasn't, or was and isn't. What comes out is what [`super::judge`] says of the
//! same claims; a property test compares the two.
//!
//! Cost: a change is a few look-ups a place and a walk over those who want the same one. Members of
//! one link want the same place without excluding each other, so a link of `n` costs `n` a member.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Claim, Claimant, Judgement, Place};
use crate::Alias;

/// Claims and their judgements.
#[derive(Debug, Default)]
pub struct Claims {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_strength: BTreeMap<ByStrength, usize>,
    /// Who wants a place, the strongest first.
    wanted: HashMap<Place, Vec<usize>, foldhash::fast::RandomState>,
    /// Who wants a place of an alias, the strongest first: what wants it whole excludes them all.
    of_alias: HashMap<Alias, Vec<usize>, foldhash::fast::RandomState>,
    /// How many judgements there were.
    #[cfg(test)]
    pub(super) n_judged: usize,
}

#[derive(Debug)]
struct Slot {
    claim: Arc<Claim>,
    judgement: Judgement,
    /// Whether others have been told that its places are taken.
    counts: bool,
}

/// A claim in the order of strength.
#[derive(Debug, Clone)]
struct ByStrength(Arc<Claim>);

impl PartialEq for ByStrength {
    fn eq(&self, other: &Self) -> bool {
        self.0.by == other.0.by
    }
}

impl Eq for ByStrength {}

impl PartialOrd for ByStrength {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByStrength {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.by.cmp(&other.0.by)
    }
}

impl Borrow<Claimant> for ByStrength {
    fn borrow(&self) -> &Claimant {
        &self.0.by
    }
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A claim is made, instead of the one that the claimant had.
    Put(Claim),
    /// A claimant claims nothing any more.
    Remove(Claimant),
}

impl Claims {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_strength.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_strength.is_empty()
    }

    /// What became of a claim.
    pub fn judgement(&self, of: &Claimant) -> Option<&Judgement> {
        self.slot(*self.by_strength.get(of)?).map(|slot| &slot.judgement)
    }

    /// Makes changes, one after the other, and judges what depends on them. Returns who was judged
    /// otherwise than before, the strongest first; who was put is always among them.
    pub fn change(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Vec<(Claimant, Judgement)> {
        let mut pending = BTreeMap::new();
        let mut put = Vec::new();
        for change in changes {
            match change {
                Change::Remove(by) => self.remove(&by, &mut pending),
                Change::Put(claim) => {
                    self.remove(&claim.by, &mut pending);
                    put.push(self.put(claim, &mut pending));
                }
            }
        }
        put.sort_unstable();
        let mut judged = Vec::new();
        while let Some((claim, id)) = pending.pop_first() {
            #[cfg(test)]
            {
                self.n_judged += 1;
            }
            let judgement = self.judge(&claim.0);
            let Some(slot) = self.slots.get_mut(id).and_then(Option::as_mut) else { continue };
            let is_granted = judgement == Judgement::Granted;
            let turned = slot.counts != is_granted;
            slot.counts = is_granted;
            if slot.judgement != judgement || put.binary_search(&id).is_ok() {
                slot.judgement.clone_from(&judgement);
                judged.push((claim.0.by.clone(), judgement));
            }
            if turned {
                self.ask_again(&claim.0, &mut pending);
            }
        }
        judged
    }

    fn slot(&self, id: usize) -> Option<&Slot> {
        self.slots.get(id)?.as_ref()
    }

    fn put(&mut self, claim: Claim, pending: &mut BTreeMap<ByStrength, usize>) -> usize {
        let claim = Arc::new(claim);
        let slot = Slot { claim: claim.clone(), judgement: Judgement::Granted, counts: false };
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        if let Some(free) = self.slots.get_mut(id) {
            *free = Some(slot);
        }
        let Self { slots, wanted, of_alias, .. } = self;
        for place in &claim.places {
            enter(wanted.entry(place.clone()).or_default(), id, slots);
            if let Some(alias) = place.alias() {
                enter(of_alias.entry(alias.clone()).or_default(), id, slots);
            }
        }
        self.by_strength.insert(ByStrength(claim.clone()), id);
        pending.insert(ByStrength(claim), id);
        id
    }

    fn remove(&mut self, by: &Claimant, pending: &mut BTreeMap<ByStrength, usize>) {
        let Some(id) = self.by_strength.remove(by) else { return };
        pending.remove(by);
        let Some(slot) = self.slots.get_mut(id).and_then(Option::take) else { return };
        self.free.push(id);
        for place in &slot.claim.places {
            leave(&mut self.wanted, place, id);
            if let Some(alias) = place.alias() {
                leave(&mut self.of_alias, alias, id);
            }
        }
        if slot.counts {
            self.ask_again(&slot.claim, pending);
        }
    }

    /// Those whose places the claim may stand in the way of are to be judged again.
    fn ask_again(&self, claim: &Claim, pending: &mut BTreeMap<ByStrength, usize>) {
        for place in &claim.places {
            for id in self.excluded_by(place).into_iter().flatten() {
                if let Some(slot) = self.slot(*id)
                    && slot.claim.by > claim.by
                {
                    pending.insert(ByStrength(slot.claim.clone()), *id);
                }
            }
        }
    }

    /// Those who want what can't be had together with a place, in two lists.
    fn excluded_by(&self, place: &Place) -> [&[usize]; 2] {
        let wanted = |place: &Place| self.wanted.get(place).map_or(EMPTY, Vec::as_slice);
        match (place, place.alias()) {
            (Place::Whole(alias), _) => {
                [self.of_alias.get(alias).map_or(EMPTY, Vec::as_slice), EMPTY]
            }
            (place, Some(alias)) => [wanted(place), wanted(&Place::Whole(alias.clone()))],
            (place, None) => [wanted(place), EMPTY],
        }
    }

    /// What becomes of a claim, of whose stronger ones all are judged.
    fn judge(&self, claim: &Claim) -> Judgement {
        for place in &claim.places {
            let lists = self.excluded_by(place);
            let holders = lists.iter().filter_map(|list| self.holder(list, claim));
            let Some(holder) = holders.min_by(|a, b| a.by.cmp(&b.by)) else { continue };
            let taken = holder.places.iter().find(|taken| taken.excludes(place));
            return Judgement::Denied {
                place: taken.unwrap_or(place).clone(),
                winner: holder.by.clone(),
            };
        }
        Judgement::Granted
    }

    /// The strongest of a list who has what it wants and is in a claim's way.
    fn holder(&self, list: &[usize], claim: &Claim) -> Option<&Claim> {
        list.iter()
            .map_while(|id| self.slot(*id).filter(|slot| slot.claim.by < claim.by))
            .find(|slot| slot.counts && !claim.shares_with(&slot.claim))
            .map(|slot| &*slot.claim)
    }
}

const EMPTY: &[usize] = &[];

/// Puts a claim in its place in the order of strength.
fn enter(list: &mut Vec<usize>, id: usize, slots: &[Option<Slot>]) {
    let by = |id: usize| Some(&slots.get(id)?.as_ref()?.claim.by);
    let at = list.partition_point(|other| by(*other) < by(id));
    // A claim that wants two places of an alias stands there once.
    if list.get(at) != Some(&id) {
        list.insert(at, id);
    }
}

fn leave<K: std::hash::Hash + Eq>(
    lists: &mut HashMap<K, Vec<usize>, foldhash::fast::RandomState>,
    of: &K,
    id: usize,
) {
    let Some(list) = lists.get_mut(of) else { return };
    list.retain(|other| *other != id);
    if list.is_empty() {
        lists.remove(of);
    }
}
