//! Hold-down and damping: what is remembered of withdrawn and flapping routes.
//!
//! Kept by the values of (destination, source, path id), since it outlives the candidate and its
//! ids. Bounded: over the bound the memory of the one asked for is not made, and the route is free.

use hashbrown::HashMap;
use rutter_route::{Destination, Mono, Now, PathId, SourceId};

use crate::policy::{FlapState, Flapped};

use super::candidate::{Flags, Place};
use super::{Table, Timer};

type Key<D> = (D, SourceId, PathId);

#[derive(Debug)]
pub(super) struct Flaps<D> {
    of: HashMap<Key<D>, FlapState, foldhash::fast::FixedState>,
}

impl<D: Destination> Flaps<D> {
    pub(super) fn new(seed: u64) -> Self {
        Self { of: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)) }
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
        self.hold_if_flapping(now, id, place);
    }

    /// Makes room; one scan of a bounded map, when it is full.
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
        let was = self.candidate(place).flags.has(Flags::HELD);
        if was == held.is_some() {
            return;
        }
        self.candidate_mut(place).flags.set(Flags::HELD, held.is_some());
        self.marks.set(id);
        if let Some((until, _)) = held {
            self.look_again(now, id, until);
        }
    }

    /// Has a destination looked at at a time. One who is held, or judged until a time, has one
    /// timer: it is set anew when it fires, not whenever the time moves.
    pub(super) fn look_again(&mut self, now: Now, id: u32, until: Mono) {
        let at = self.tick_after(now, until.since(now.mono));
        self.timers.add(at, Timer::Destination(id));
    }

    /// The timer of a held candidate has fired: it is free, or held for longer by now.
    pub(super) fn hold_due(&mut self, now: Now, id: u32, place: Place) {
        if !self.candidate(place).flags.has(Flags::HELD) {
            return;
        }
        self.hold_if_flapping(now, id, place);
        if self.candidate(place).flags.has(Flags::HELD)
            && let Some((_, ms)) = self.held_because(now, id, place)
        {
            self.look_again(now, id, now.mono.after(std::time::Duration::from_millis(ms)));
        }
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
