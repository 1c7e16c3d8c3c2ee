//! From keys to ids: a hash table of 32-bit ids in 256 shards.
//!
//! The keys stay with their owner; an entry is the id and 32 bits of the key's hash. With those a
//! shard is rehashed without reading a single key (a quarter of what taking in a full table cost
//! when it did), and a look-up reads no key but the one it wants. Shards bound what one insertion
//! can cost: only its shard grows (0.13 ms at a million, against 34 ms for one table). The hasher
//! is seeded by the caller; the order of the shards never reaches output.
//!
//! An id that ends may stay as a *husk*: to take it out at once costs the two cache misses of
//! finding its bucket once more, at every withdrawal. When a quarter of a shard is husks it is
//! swept in one go from one end to the other.

use std::hash::{BuildHasher, Hash};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use hashbrown::HashTable;

const SHARDS: usize = 256;

/// 32 bits of a key's hash: all that an index uses of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(u32);

impl KeyHash {
    /// As the table wants it: it takes buckets from the low bits and tags from the top seven.
    fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }

    /// Shards take bits between those of the buckets and of the tags.
    fn shard(self) -> usize {
        (self.0 >> 17) as usize % SHARDS
    }

    /// For other tables by the same hash.
    pub(crate) fn bits(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Default)]
struct Shard {
    ids: HashTable<Entry>,
    n_husks: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    hash: KeyHash,
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
    pub(crate) fn find(&self, hash: KeyHash, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let shard = self.shards.get(hash.shard())?;
        shard.ids.find(hash.spread(), |e| e.hash == hash && is(e.id)).map(|e| e.id)
    }

    /// Adds an id that isn't there.
    pub(crate) fn insert(&mut self, hash: KeyHash, id: u32) {
        if let Some(shard) = self.shards.get_mut(hash.shard()) {
            shard.ids.insert_unique(hash.spread(), Entry { id, hash }, |e| e.hash.spread());
        }
    }

    pub(crate) fn remove(&mut self, hash: KeyHash, id: u32) {
        if let Some(shard) = self.shards.get_mut(hash.shard())
            && let Ok(entry) = shard.ids.find_entry(hash.spread(), |e| e.id == id)
        {
            entry.remove();
        }
    }

    /// An id ends, but stays as a husk. Says whether its shard is to be swept.
    pub(crate) fn retire(&mut self, hash: KeyHash) -> bool {
        let Some(shard) = self.shards.get_mut(hash.shard()) else { return false };
        shard.n_husks += 1;
        4 * shard.n_husks > shard.ids.len()
    }

    /// A husk is in use again.
    pub(crate) fn revive(&mut self, hash: KeyHash) {
        if let Some(shard) = self.shards.get_mut(hash.shard()) {
            shard.n_husks -= 1;
        }
    }

    /// Takes the husks of a shard out.
    pub(crate) fn sweep(&mut self, hash: KeyHash, mut is_husk: impl FnMut(u32) -> bool) {
        if let Some(shard) = self.shards.get_mut(hash.shard()) {
            shard.ids.retain(|e| !is_husk(e.id));
            shard.n_husks = 0;
        }
    }
}
