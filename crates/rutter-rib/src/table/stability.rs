//! Hold-down and damping: what is remembered of withdrawn and flapping routes.
//!
//! Kept by the values of (destination, source, path id), since it outlives the candidate and its
//! ids. What has decayed is freed by a look once a minute while anything is remembered: one pass
//! over a bounded map. Bounded: over the bound the memory of the one asked for is
//! not made, and the route is free.

use std::time::Duration;

use hashbrown::HashMap;
use rutter_route::{Destination, Mono, Now, PathId, SourceId, Standing};
use smallvec::SmallVec;

use crate::policy::{FlapState, Flapped, Stability};

use super::candidate::{Flags, Place};
use super::{Table, Timer};

type Key<D> = (D, SourceId, PathId);

/// How often what has decayed is freed.
const CALM_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Flaps<D> {
    of: HashMap<Key<D>, FlapState, foldhash::fast::FixedState>,
    /// A timer is set that looks for what has decayed.
    looks: bool,
}

impl<D: Destination> Flaps<D> {
    pub(super) fn new(seed: u64) -> Self {
        Self { of: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)), looks: false }
    }

    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

impl<D: Destination> Table<D> {
    fn flap_key(&self, id: u32, place: Place) -> Key<D> {
        let key = self.key_of(self.candidate(place));
        (self.dests[id].key.clone(), key.source, key.path)
    }

    /// Takes note of a flap.
    pub(super) fn note_flap(&mut self, now: Now, id: u32, place: Place, what: Flapped) {
        if !self.policy.stability.is_on() {
            return;
        }
        let key = self.flap_key(id, place);
        let bound = self.policy.bounds.held;
        if self.flaps.len() >= bound && !self.flaps.of.contains_key(&key) {
            self.forget_calm(now);
            if self.flaps.len() >= bound {
                return;
            }
        }
        let state = self.flaps.of.entry(key).or_default();
        state.note(now.mono, what, &self.policy.stability);
        self.look_for_calm(now);
        self.hold_if_flapping(now, id, place);
    }

    /// Has what is remembered looked through after a while, if anything is.
    fn look_for_calm(&mut self, now: Now) {
        if self.flaps.of.is_empty() || std::mem::replace(&mut self.flaps.looks, true) {
            return;
        }
        let at = self.tick_after(now, CALM_INTERVAL);
        self.timers.add(at, Timer::Calm);
    }

    /// The time for that has come.
    pub(super) fn calm_due(&mut self, now: Now) {
        self.flaps.looks = false;
        self.forget_calm(now);
        self.look_for_calm(now);
    }

    /// Frees what has decayed; one scan of a bounded map.
    fn forget_calm(&mut self, now: Now) {
        let settings = &self.policy.stability;
        self.flaps.of.retain(|_, state| !state.is_forgotten(now.mono, settings));
    }

    /// Sets or clears the hold of a candidate, and the timer that ends it.
    pub(super) fn hold_if_flapping(&mut self, now: Now, id: u32, place: Place) {
        if self.flaps.of.is_empty() && !self.candidate(place).flags.has(Flags::HELD) {
            return;
        }
        let key = self.flap_key(id, place);
        let settings = &self.policy.stability;
        let held = match self.flaps.of.get_mut(&key) {
            Some(state) => state.held_until(now.mono, settings),
            None => None,
        };
        if let Some((until, _)) = held {
            self.look_again(now, id, until);
        }
        let was = self.candidate(place).flags.has(Flags::HELD);
        if was != held.is_some() {
            self.candidate_mut(place).flags.set(Flags::HELD, held.is_some());
            self.marks.set(id);
        }
    }

    /// Where every route of a destination is barred, those that only hold-down or damping keeps away
    /// are free (`spare_sole`). It is asked as the destination is ranked, when all that was said is
    /// known: a route that is withdrawn and back before its alternative goes is free then, not before.
    pub(super) fn spare_sole(&mut self, now: Now, id: u32) {
        if !self.policy.stability.spare_sole || self.flaps.of.is_empty() {
            return;
        }
        let live = |p: &Place| !self.candidate(*p).is_gone();
        let places: SmallVec<[Place; 2]> = self.places(id).filter(live).collect();
        if places.iter().any(|p| !self.standing_at(id, *p).is_barred()) {
            return;
        }
        for place in places {
            if self.standing_at(id, place) != Standing::Held {
                continue;
            }
            let key = self.flap_key(id, place);
            if let Some(state) = self.flaps.of.get_mut(&key) {
                state.spare();
            }
            self.hold_if_flapping(now, id, place);
        }
    }

    /// Has a destination looked at at a time, unless it is sooner anyway: then the next time is
    /// found. So it has one timer that counts, however often it is held or judged.
    pub(super) fn look_again(&mut self, now: Now, id: u32, until: Mono) {
        let at = self.tick_after(now, until.since(now.mono));
        if self.wakes.get(&id).is_none_or(|before| at < *before) {
            self.wakes.insert(id, at);
            self.timers.add(at, Timer::Destination(id));
        }
    }

    /// Whether a candidate would be held under other settings.
    pub(super) fn held_under(&self, now: Now, id: u32, place: Place, settings: &Stability) -> bool {
        let state = self.flaps.of.get(&self.flap_key(id, place));
        state.is_some_and(|s| s.clone().held_until(now.mono, settings).is_some())
    }

    /// What holds a candidate, if anything does.
    pub(super) fn hold_of(&self, now: Now, id: u32, place: Place) -> Option<&'static str> {
        let mut state = self.flaps.of.get(&self.flap_key(id, place))?.clone();
        state.held_until(now.mono, &self.policy.stability).map(|(_, why)| why)
    }

    /// Why and how long a candidate is held, and its penalty.
    pub(super) fn held_because(&self, now: Now, id: u32, place: Place) -> Option<(String, u64)> {
        let mut state = self.flaps.of.get(&self.flap_key(id, place))?.clone();
        let (until, why) = state.held_until(now.mono, &self.policy.stability)?;
        let why = match state.penalty() {
            0 => why.to_owned(),
            penalty => format!("{why}, penalty {penalty}"),
        };
        Some((why, until.since(now.mono).as_millis() as u64))
    }
}
