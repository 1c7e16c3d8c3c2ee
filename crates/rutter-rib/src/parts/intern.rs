//! Interned, counted values: a million routes share a handful of attribute sets.

use std::hash::Hash;

use super::index::{Index, KeyHash};
use super::slots::Slots;

#[derive(Debug)]
struct Entry<T, X> {
    value: T,
    extra: X,
    hash: KeyHash,
    count: u32,
}

/// Values by id, each kept once and counted; `X` is what the owner keeps beside a value.
#[derive(Debug)]
pub(crate) struct Interner<T, X = ()> {
    index: Index,
    entries: Slots<Entry<T, X>>,
    /// The value interned last: sources repeat themselves, and a comparison is cheaper than a hash.
    last: Option<u32>,
}

impl<T: Eq + Hash, X> Interner<T, X> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { index: Index::new(seed), entries: Slots::new(), last: None }
    }

    /// The id of an equal value, counted once more; a new one gets what `extra` makes.
    pub(crate) fn intern(&mut self, value: T, extra: impl FnOnce(&T) -> X) -> u32 {
        if let Some(last) = self.last
            && let Some(entry) = self.live(last)
            && entry.value == value
        {
            entry.count += 1;
            return last;
        }
        let hash = self.index.hash(&value);
        let found = self.index.find(hash, |id| self.entries[id].value == value);
        let id = match found {
            Some(id) => {
                self.entries[id].count += 1;
                id
            }
            None => {
                let extra = extra(&value);
                let id = self.entries.insert(Entry { value, extra, hash, count: 1 });
                self.index.insert(hash, id);
                id
            }
        };
        self.last = Some(id);
        id
    }

    fn live(&mut self, id: u32) -> Option<&mut Entry<T, X>> {
        Some(&mut self.entries[id]).filter(|e| e.count > 0)
    }

    /// Counts an id in use once more.
    pub(crate) fn retain(&mut self, id: u32) {
        self.entries[id].count += 1;
    }

    /// Counts an id once less; at zero it is forgotten. Says whether it was.
    pub(crate) fn release(&mut self, id: u32) -> bool {
        let entry = &mut self.entries[id];
        entry.count -= 1;
        if entry.count > 0 {
            return false;
        }
        self.index.remove(entry.hash, id);
        self.entries.free(id);
        true
    }

    /// The id of an equal value, if there is one; nothing is counted.
    pub(crate) fn find(&self, value: &T) -> Option<u32> {
        let hash = self.index.hash(value);
        self.index.find(hash, |id| self.entries[id].value == *value)
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.entries[id].value
    }

    pub(crate) fn extra(&self, id: u32) -> &X {
        &self.entries[id].extra
    }

    /// How many values are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
