//! From keys to ids: a hash table of 32-bit ids in 256 shards.
//!
//! The keys stay with their owner, so an entry costs 5 bytes and not a second key. Shards bound
//! what one insertion can cost: only its shard is rehashed (0.13 ms at a million, against 34 ms for
//! one table). The hasher is seeded by the caller; the order of the shards never reaches output.

use std::hash::{BuildHasher, Hash};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use hashbrown::HashTable;

const SHARDS: usize = 256;

/// The hash function of an index.
#[derive(Debug)]
pub(crate) struct Hasher(SeedableRandomState);

impl Hasher {
    #[inline]
    pub(crate) fn hash<K: Hash + ?Sized>(&self, key: &K) -> u64 {
        self.0.hash_one(key)
    }
}

/// Ids by the hash of a key that lives elsewhere.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<HashTable<u32>>,
    hasher: Hasher,
}

impl Index {
    pub(crate) fn new(seed: u64) -> Self {
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self {
            shards,
            hasher: Hasher(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed())),
        }
    }

    #[inline]
    pub(crate) fn hash<K: Hash + ?Sized>(&self, key: &K) -> u64 {
        self.hasher.hash(key)
    }

    // The table uses the low bits for buckets and the top seven for tags: shards take others.
    #[inline]
    fn shard_of(hash: u64) -> usize {
        (hash >> 48) as usize % SHARDS
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.shards.get(Self::shard_of(hash))?.find(hash, is).copied()
    }

    /// Adds an id that isn't there; `rehash` gives the hash of any id in the index.
    pub(crate) fn insert(&mut self, hash: u64, id: u32, rehash: impl Fn(&Hasher, u32) -> u64) {
        let Self { shards, hasher } = self;
        if let Some(shard) = shards.get_mut(Self::shard_of(hash)) {
            shard.insert_unique(hash, id, |other| rehash(hasher, *other));
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, id: u32) {
        if let Some(shard) = self.shards.get_mut(Self::shard_of(hash))
            && let Ok(entry) = shard.find_entry(hash, |other| *other == id)
        {
            entry.remove();
        }
    }
}
