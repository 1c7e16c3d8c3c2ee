//! A map that readers ask without a lock and without waiting, and that one writer changes.
//!
//! A fixed number of shards, each an immutable map behind an `ArcSwap`: a batch makes each shard
//! that it touches anew once, which is a few dozen entries at a hundred thousand. The gateway's
//! index has more in it, since every request asks it; this one is asked by handlers and the API.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use smol_str::SmolStr;

/// How many shards: a power of two, so that bits of the hash choose one.
const SHARDS: usize = 4096;

type Shard<V> = HashMap<SmolStr, V, RandomState>;

#[derive(Debug)]
pub(super) struct Sharded<V> {
    shards: Box<[ArcSwap<Shard<V>>]>,
    hasher: RandomState,
}

impl<V: Clone> Sharded<V> {
    pub(super) fn new() -> Self {
        let hasher = RandomState::default();
        let empty: Arc<Shard<V>> = Arc::new(HashMap::with_hasher(hasher.clone()));
        Self { shards: (0..SHARDS).map(|_| ArcSwap::new(empty.clone())).collect(), hasher }
    }

    pub(super) fn get(&self, key: &str) -> Option<V> {
        self.shards.get(self.shard_of(key))?.load().get(key).cloned()
    }

    /// Everything, in no order; each shard as it is when it is read.
    pub(super) fn all(&self) -> Vec<V> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.load().values().cloned());
        }
        all
    }

    /// Puts and removes (`None`), the last word on a key counts. Returns by how many the entries
    /// became more. One caller at a time: a second one could undo what the first stored.
    pub(super) fn apply(&self, updates: impl IntoIterator<Item = (SmolStr, Option<V>)>) -> isize {
        let mut of_shard: HashMap<usize, Vec<(SmolStr, Option<V>)>> = HashMap::new();
        for (key, value) in updates {
            of_shard.entry(self.shard_of(&key)).or_default().push((key, value));
        }
        let mut growth = 0;
        for (number, updates) in of_shard {
            let Some(shard) = self.shards.get(number) else { continue };
            let mut anew = Shard::clone(&shard.load());
            let before = anew.len();
            for (key, value) in updates {
                match value {
                    Some(value) => drop(anew.insert(key, value)),
                    None => drop(anew.remove(&key)),
                }
            }
            growth += anew.len().cast_signed() - before.cast_signed();
            shard.store(Arc::new(anew));
        }
        growth
    }

    fn shard_of(&self, key: &str) -> usize {
        // The map in the shard reads the low bits.
        (self.hasher.hash_one(key) >> 40) as usize & (SHARDS - 1)
    }
}
