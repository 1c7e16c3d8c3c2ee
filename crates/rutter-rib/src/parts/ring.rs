//! The ring of numbered events, with a quota a destination.
//!
//! Events stand in the order of their numbers. Each names the one before it of the same
//! destination, found through a table of heads by hash. Beyond the quota a destination's oldest
//! events make room for its newest: a flapper evicts itself, not others. The oldest quarter of the
//! quota goes at once, since to find the oldest is to walk all of them, slots far from each other:
//! one walk serves many events. Beyond the capacity the oldest of all goes; links to what is gone
//! simply end.
//!
//! The heads are lossy: two destinations whose hashes collide share one, so a chain may lead
//! through another's events (each is checked) and a quota may be a little generous. An exact map
//! would cost as much as the rest of an event, at every withdrawal of a full table.

use std::collections::VecDeque;

use rutter_route::{Cause, Criterion, EventNumber, Left, Standing, Wall};

use super::index::KeyHash;

/// A route's key in the ring's interner; 0 is none.
pub(crate) type KeyId = u32;

/// What happened, in few bytes; the fat form is [`rutter_route::What`].
#[derive(Debug, Clone)]
pub(crate) enum Story {
    Changed(KeyId),
    Left(KeyId, Left),
    Standing(Box<Stood>),
    Moved {
        from: KeyId,
        to: KeyId,
        decided_by: Option<Criterion>,
        view: u16,
    },
    /// What concerns many destinations, or is rare: kept whole.
    Whole(Box<rutter_route::What>),
}

/// A change of standing, apart, since it is rarer and larger than the others.
#[derive(Debug, Clone)]
pub(crate) struct Stood {
    pub(crate) route: KeyId,
    pub(crate) from: Standing,
    pub(crate) to: Standing,
    pub(crate) why: String,
}

#[derive(Debug)]
pub(crate) struct Slot<D> {
    pub(crate) at: Wall,
    pub(crate) destination: Option<D>,
    /// `None` once the destination's quota took it.
    pub(crate) story: Option<Story>,
    pub(crate) cause: Option<Cause>,
    /// How many numbers before it the one before of this destination is; 0 for none.
    before: u32,
    /// How many events its destination had with it, at most (the capacity may have taken some since);
    /// `u16::MAX`: so many or more.
    nth: u16,
}

#[derive(Debug)]
pub(crate) struct Ring<D> {
    /// Numbered without gaps, up to `last`: a quota empties a slot, it doesn't take it out.
    slots: VecDeque<Slot<D>>,
    /// Slots that still tell something.
    n_live: usize,
    capacity: usize,
    quota: usize,
    last: u64,
    /// The greatest number that capacity (not a quota) took.
    lost_through: u64,
    /// The low half of the number of the newest event by hash of its destination; 0 for none. A
    /// number whose low half is 0 starts a chain anew.
    heads: Vec<u32>,
    /// Stories that left, for the owner to release what they held.
    dropped: Vec<Story>,
}

impl<D: Eq> Ring<D> {
    pub(crate) fn new(capacity: usize, quota: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            n_live: 0,
            capacity: capacity.max(1),
            quota: quota.max(1),
            last: 0,
            lost_through: 0,
            heads: vec![0; heads_for(capacity)],
            dropped: Vec::new(),
        }
    }

    /// Changes the bounds; they hold from the next event on.
    pub(crate) fn set_bounds(&mut self, capacity: usize, quota: usize) {
        self.capacity = capacity.max(1);
        self.quota = quota.max(1);
        if self.heads.len() != heads_for(capacity) {
            self.heads = vec![0; heads_for(capacity)];
        }
    }

    /// The number of the newest event.
    pub(crate) fn last(&self) -> EventNumber {
        EventNumber(self.last)
    }

    /// Adds an event, about a destination of that hash or about many, and returns its number.
    pub(crate) fn push(
        &mut self,
        at: Wall,
        destination: Option<(D, KeyHash)>,
        story: Story,
        cause: Option<Cause>,
    ) -> u64 {
        self.last += 1;
        let low = self.last as u32;
        let (mut before, mut nth) = (0, 0);
        let destination = destination.map(|(key, hash)| {
            let bucket = hash.bits() & (self.heads.len() - 1);
            if let Some(head) = self.heads.get_mut(bucket) {
                let newest = std::mem::replace(head, low);
                before = if newest == 0 { 0 } else { low.wrapping_sub(newest) };
            }
            nth = self.keep_quota(&key, before);
            key
        });
        self.slots.push_back(Slot { at, destination, story: Some(story), cause, before, nth });
        self.n_live += 1;
        while self.n_live > self.capacity || self.slots.len() > 2 * self.capacity {
            self.drop_oldest();
        }
        self.last
    }

    /// The number of the slot in front.
    fn first(&self) -> u64 {
        self.last + 1 - self.slots.len() as u64
    }

    fn drop_oldest(&mut self) {
        let number = self.first();
        if let Some(slot) = self.slots.pop_front()
            && let Some(story) = slot.story
        {
            self.n_live -= 1;
            self.lost_through = number;
            self.dropped.push(story);
        }
    }

    /// Makes room for an event to come and says how many its destination has with it, at most. The
    /// slots end before that event, so `before` counts back from behind the last.
    fn keep_quota(&mut self, key: &D, before: u32) -> u16 {
        let newest = self.slots.len().checked_sub(before as usize).filter(|_| before > 0);
        let newest = newest.and_then(|at| self.slots.get(at));
        let known = newest.filter(|s| s.destination.as_ref() == Some(key)).map(|s| s.nth);
        if let Some(known) = known
            && usize::from(known) < self.quota
        {
            return known.saturating_add(1);
        }
        // It has as many as it may, or its head is another's by hash.
        let mut oldest_first = self.chain(key, before);
        oldest_first.reverse();
        let mut n = oldest_first.len();
        if n >= self.quota {
            let n_gone = n + 1 - self.quota + self.quota / 4;
            for at in oldest_first.into_iter().take(n_gone) {
                self.empty(at);
            }
            n = n.saturating_sub(n_gone);
        }
        u16::try_from(n + 1).unwrap_or(u16::MAX)
    }

    /// Where a key's events are, the newest first, by the chain of an event to come. It ends after
    /// twice the quota, others' events among them.
    fn chain(&self, key: &D, before: u32) -> Vec<usize> {
        let mut found = Vec::new();
        let (mut at, mut back) = (self.slots.len(), before);
        for _ in 0..2 * self.quota {
            if back == 0 || back as usize > at {
                break;
            }
            at -= back as usize;
            let Some(slot) = self.slots.get(at) else { break };
            if slot.destination.as_ref() == Some(key) {
                if slot.story.is_none() {
                    // The oldest go first: what is before it is gone too.
                    break;
                }
                found.push(at);
            }
            back = slot.before;
        }
        found
    }

    /// Takes the story of a slot, whose destination has newer ones.
    fn empty(&mut self, at: usize) {
        if let Some(story) = self.slots.get_mut(at).and_then(|s| s.story.take()) {
            self.n_live -= 1;
            self.dropped.push(story);
        }
    }

    /// The event of a number, if it is still here.
    pub(crate) fn slot(&self, number: u64) -> Option<&Slot<D>> {
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.slots.get(at).filter(|s| s.story.is_some())
    }

    /// Every event with its number, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &Slot<D>)> {
        (self.first()..).zip(&self.slots).filter(|(_, s)| s.story.is_some())
    }

    /// What came after a number, oldest first; `None` if some of it is lost.
    pub(crate) fn after(&self, number: u64) -> Option<impl Iterator<Item = (u64, &Slot<D>)>> {
        if number < self.lost_through || number > self.last {
            return None;
        }
        let first = self.first();
        let from = usize::try_from((number + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let from = from.min(self.slots.len());
        let slots = (first + from as u64..).zip(self.slots.range(from..));
        Some(slots.filter(|(_, s)| s.story.is_some()))
    }

    /// One story that left, for releasing what it held.
    pub(crate) fn pop_dropped(&mut self) -> Option<Story> {
        self.dropped.pop()
    }
}

fn heads_for(capacity: usize) -> usize {
    (4 * capacity.max(1)).next_power_of_two()
}
