//! From keys to ids: a hash table of 32-bit ids in 256 shards.
//!
//! The keys stay with their owner; an entry is the id and 32 bits of the key's hash, eight bytes in
//! one array with linear probing. So a look-up costs one cache miss here and reads no key but the
//! one it wants, and a shard grows without reading any key at all. A table of another crate with
//! its control bytes apart costs a second miss at every look-up, which at a million routes is a
//! third of a withdrawal. Shards bound what one insertion can cost: only its shard grows. The
//! hasher is seeded by the caller; the order of the shards never reaches output.
//!
//! An id that ends may stay as a *husk*: to take it out at once costs the cache miss of finding its
//! entry once more, at every withdrawal. When enough of a shard is husks it is swept in one go
//! from one end to the other. How much is enough, from an eighth to a half, goes by the shard: keys
//! fill shards evenly, and shards that were all swept at once would make one call long.

use std::hash::{BuildHasher, Hash};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

const SHARDS: usize = 256;

/// Entries of a shard when it gets its first.
const LEAST: usize = 4;

/// 32 bits of a key's hash: all that an index uses of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(u32);

impl KeyHash {
    /// Shards take the high bits, entries in a shard the low ones.
    fn shard(self) -> usize {
        (self.0 >> 24) as usize
    }

    /// For other tables by the same hash.
    pub(crate) fn bits(self) -> usize {
        self.0 as usize
    }
}

/// An id and its key's hash; all ones for none, which no id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    const NONE: Self = Self(u64::MAX);

    fn new(id: u32, hash: KeyHash) -> Self {
        Self(u64::from(hash.0) << 32 | u64::from(id))
    }

    fn id(self) -> u32 {
        self.0 as u32
    }

    fn hash(self) -> KeyHash {
        KeyHash((self.0 >> 32) as u32)
    }
}

/// A power of two of entries, three quarters of them in use at most.
#[derive(Debug, Default)]
struct Shard {
    entries: Vec<Entry>,
    n: usize,
    n_husks: usize,
}

// Positions are masked by the length, a power of two, or stem from a masked one; a shard that is
// probed has an entry in use or is probed for one, and always one that isn't, so probing ends.
impl Shard {
    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    #[inline]
    fn find(&self, hash: KeyHash, mut is: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let mask = self.mask();
        let mut at = hash.bits() & mask;
        loop {
            let entry = self.entries[at];
            if entry == Entry::NONE {
                return None;
            }
            if entry.hash() == hash && is(entry.id()) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    fn insert(&mut self, entry: Entry) {
        if 4 * (self.n + 1) > 3 * self.entries.len() {
            self.resize((2 * self.entries.len()).max(LEAST));
        }
        self.place(entry);
        self.n += 1;
    }

    fn place(&mut self, entry: Entry) {
        let mask = self.mask();
        let mut at = entry.hash().bits() & mask;
        while self.entries[at] != Entry::NONE {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry;
    }

    fn resize(&mut self, to: usize) {
        let old = std::mem::replace(&mut self.entries, vec![Entry::NONE; to]);
        for entry in old.into_iter().filter(|e| *e != Entry::NONE) {
            self.place(entry);
        }
    }

    /// Empties a position and moves up those behind it that would not be found past the gap.
    fn remove(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let entry = self.entries[at];
            if entry == Entry::NONE {
                break;
            }
            let home = entry.hash().bits() & mask;
            let from_home = at.wrapping_sub(home) & mask;
            let from_gap = at.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = Entry::NONE;
        self.n -= 1;
    }
}

/// Ids by the hash of a key that lives elsewhere.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<Shard>,
    hasher: SeedableRandomState,
}

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { shards, hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()) }
    }

    #[inline]
    pub(crate) fn hash<K: Hash + ?Sized>(&self, key: &K) -> KeyHash {
        let hash = self.hasher.hash_one(key);
        KeyHash((hash ^ (hash >> 32)) as u32)
    }

    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let shard = &self.shards[hash.shard()];
        shard.find(hash, is).map(|at| shard.entries[at].id())
    }

    /// Adds an id that isn't there.
    pub(crate) fn insert(&mut self, hash: KeyHash, id: u32) {
        self.shards[hash.shard()].insert(Entry::new(id, hash));
    }

    pub(crate) fn remove(&mut self, hash: KeyHash, id: u32) {
        let shard = &mut self.shards[hash.shard()];
        if let Some(at) = shard.find(hash, |other| other == id) {
            shard.remove(at);
        }
    }

    /// An id ends, but stays as a husk. Says whether its shard is to be swept.
    pub(crate) fn retire(&mut self, hash: KeyHash) -> bool {
        let at = hash.shard();
        let shard = &mut self.shards[at];
        shard.n_husks += 1;
        8 * SHARDS * shard.n_husks > (SHARDS + 3 * at) * shard.n
    }

    /// A husk is in use again.
    pub(crate) fn revive(&mut self, hash: KeyHash) {
        self.shards[hash.shard()].n_husks -= 1;
    }

    /// Takes the husks of a shard out, and gives room back that it no longer needs.
    pub(crate) fn sweep(&mut self, hash: KeyHash, mut is_husk: impl FnMut(u32) -> bool) {
        let shard = &mut self.shards[hash.shard()];
        let mut n = 0;
        for entry in shard.entries.iter_mut().filter(|e| **e != Entry::NONE) {
            if is_husk(entry.id()) {
                *entry = Entry::NONE;
            } else {
                n += 1;
            }
        }
        shard.n = n;
        shard.n_husks = 0;
        // Probing passes no gap, so what stays is placed anew.
        let to = (2 * n).next_power_of_two().max(LEAST);
        shard.resize(to.min(shard.entries.len()));
    }
}
