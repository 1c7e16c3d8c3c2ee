//! Timers that are never cancelled, only checked when they fire.
//!
//! An entry is a hint: "look at this one then". Whoever is told looks at the real deadline and
//! adds a new entry if it moved, so a renewal touches nothing here. A bucket is one tick; it holds
//! the entries of one load in parts, so that growth never copies much.

use std::collections::BTreeMap;

/// Tenths of a second since the table's origin: 13 years in 32 bits.
pub(crate) type Tick = u32;

/// No deadline.
pub(crate) const NEVER: Tick = Tick::MAX;

#[derive(Debug)]
pub(crate) struct Wheel<T> {
    buckets: BTreeMap<Tick, Vec<Vec<T>>>,
    len: usize,
}

const PART: usize = 1024;

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self { buckets: BTreeMap::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that fires at `at`.
    pub(crate) fn add(&mut self, at: Tick, entry: T) {
        if at == NEVER {
            return;
        }
        let parts = self.buckets.entry(at).or_default();
        match parts.last_mut().filter(|p| p.len() < PART) {
            Some(part) => part.push(entry),
            None => {
                // A first part grows as it must: most buckets hold a few entries.
                let mut part = match parts.is_empty() {
                    true => Vec::new(),
                    false => Vec::with_capacity(PART),
                };
                part.push(entry);
                parts.push(part);
            }
        }
        self.len += 1;
    }

    /// Takes one entry that is due.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<T> {
        let mut bucket = self.buckets.first_entry()?;
        if *bucket.key() > now {
            return None;
        }
        let parts = bucket.get_mut();
        let entry = parts.last_mut().and_then(Vec::pop);
        if parts.last().is_some_and(Vec::is_empty) {
            parts.pop();
        }
        if parts.is_empty() {
            bucket.remove();
        }
        self.len -= usize::from(entry.is_some());
        entry
    }

    /// When the first entry is due: a lower bound for the real deadlines.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.buckets.first_key_value().map(|(tick, _)| *tick)
    }
}
