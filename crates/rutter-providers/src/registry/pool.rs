//! A pool: the entries of one sort, by their keys.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Entry;
use super::shards::Sharded;

/// The pools, as GoDoxy has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolKind {
    /// Served by HTTP.
    Http,
    /// Served as streams.
    Stream,
    /// Known and not served: excluded, refused, without room, or another has their place.
    Excluded,
}

impl PoolKind {
    /// Every pool, in the order in which they are walked.
    pub const ALL: [Self; 3] = [Self::Http, Self::Stream, Self::Excluded];

    /// GoDoxy's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http_routes",
            Self::Stream => "stream_routes",
            Self::Excluded => "excluded_routes",
        }
    }
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One pool. Whoever reads waits for nobody.
#[derive(Debug)]
pub struct Pool {
    kind: PoolKind,
    entries: Sharded<Arc<Entry>>,
    /// By aliases that are no entry's key.
    named: Sharded<Arc<Entry>>,
    size: AtomicUsize,
    /// The entries of each alias that is no key of theirs; the writer's.
    of_alias: Mutex<HashMap<SmolStr, BTreeMap<SmolStr, Arc<Entry>>>>,
}

impl Pool {
    pub(super) fn new(kind: PoolKind) -> Self {
        Self {
            kind,
            entries: Sharded::new(),
            named: Sharded::new(),
            size: AtomicUsize::new(0),
            of_alias: Mutex::default(),
        }
    }

    /// Which pool.
    pub fn kind(&self) -> PoolKind {
        self.kind
    }

    /// An entry by its key here, else by its alias, where several have one the first by key.
    /// O(1), without a lock. Names compare by case; they are lower case.
    pub fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.entries.get(name).or_else(|| self.named.get(name))
    }

    /// How many entries there are: exactly those that [`Self::iter`] gives.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// The entries in the order of their keys, as they are now; who stops, stops.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Entry>> + use<> {
        let mut all = self.entries.all();
        all.sort_unstable_by(|a, b| a.pool_key.cmp(&b.pool_key));
        tracing::debug!(pool = %self.kind, n = all.len(), "the entries of a pool are walked");
        all.into_iter()
    }

    /// The `limit` first entries behind a key for which `wanted` answers, in the order of keys.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let is_behind =
            |entry: &Arc<Entry>| after.is_none_or(|after| entry.pool_key.as_str() > after);
        let mut all = self.entries.all();
        all.retain(|entry| is_behind(entry) && wanted(entry));
        if limit < all.len() {
            all.select_nth_unstable_by(limit, |a, b| a.pool_key.cmp(&b.pool_key));
            all.truncate(limit);
        }
        all.sort_unstable_by(|a, b| a.pool_key.cmp(&b.pool_key));
        all
    }

    /// Puts entries and removes keys (`None`). The catalogue's task alone calls it.
    pub(super) fn apply(&self, updates: Vec<(SmolStr, Option<Arc<Entry>>)>) {
        let mut of_alias = self.of_alias.lock().unwrap_or_else(PoisonError::into_inner);
        let mut renamed = BTreeMap::new();
        for (key, entry) in &updates {
            let before = self.entries.get(key).and_then(|entry| entry.looked_up_by());
            let now = entry.as_ref().and_then(|entry| entry.looked_up_by());
            if let Some(alias) = before.filter(|alias| Some(alias) != now.as_ref()) {
                if let Some(entries) = of_alias.get_mut(&alias) {
                    entries.remove(key);
                }
                renamed.insert(alias, ());
            }
            if let (Some(alias), Some(entry)) = (now, entry) {
                of_alias.entry(alias.clone()).or_default().insert(key.clone(), entry.clone());
                renamed.insert(alias, ());
            }
        }
        let growth = self.entries.apply(updates);
        let named = renamed.into_keys().map(|alias| {
            let entries = of_alias.get(&alias).filter(|entries| !entries.is_empty());
            let first = entries.and_then(|entries| entries.values().next().cloned());
            if first.is_none() {
                of_alias.remove(&alias);
            }
            (alias, first)
        });
        self.named.apply(named.collect::<Vec<_>>());
        let size = self.size.load(Ordering::Relaxed).saturating_add_signed(growth);
        self.size.store(size, Ordering::Release);
    }
}
