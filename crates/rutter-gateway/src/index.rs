//! The host index: from a `Host` to the ranked routes of its service, on the hot path.
//!
//! Purpose: every request asks it once, from every worker, while the table's task changes it.
//! Readers never wait for the writer, and the writer never copies the whole.
//!
//! Shape: a fixed number of shards, each an immutable table behind an [`ArcSwap`], of names and
//! where the routes of each stand, an `ArcSwap` again.
//! - A change of best (a failover, the common case) is one store; no table is touched.
//! - A host that comes or goes has its [shard] made anew, with a few hundred others at a
//!   million hosts; a batch makes each shard that it touches anew once.
//! - Where the routes stand lies beside the name. Behind a pointer it would be kept when its shard is
//!   made anew, which is then cheaper, and each look-up would wait for memory once more; look-ups are
//!   what there are many of (docs/benchmarks.md has what a look-up and a write cost).
//!
//! Invariants: a reader sees for one host either the old or the new routes, whole; a host that is
//! in the index and stays is never missed while others come and go.
//!
//! Rejected: one map behind one `ArcSwap` (90 ms a change at a million hosts), and a concurrent
//! map (its readers write to shared cache lines on every look-up, and a change of best hashes
//! again what is known already). The hasher is seeded at random for each process; a tenant can
//! choose names but not see the seed, and how many names it holds is bounded by the table.

mod host;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use foldhash::quality::RandomState;
use rutter_route::ServiceName;
use smol_str::SmolStr;
use tokio::sync::Notify;

pub(crate) use host::normalise;
use shard::Shard;

use crate::routes::Routes;

/// How many shards: a power of two, so that bits of the hash choose one. More of them would make
/// writes cheaper and take look-ups' room in the processor's caches.
const SHARDS: usize = 4096;

/// What a service's routes are from now on; `None`: there is no such host any more.
type Update = (ServiceName, Option<Arc<Routes>>);

/// A host's routes as they were when they were asked for.
///
/// It is a debt (arc-swap's word) instead of a reference count, so that a host which everybody asks
/// for has no cache line that every worker writes to. A thread has eight such debts at a time; from
/// the ninth on the count is raised after all, so requests may keep theirs to their end.
#[derive(Debug)]
pub struct Found(Guard<Arc<Routes>>);

/// Routes that stand in no index.
impl From<Arc<Routes>> for Found {
    fn from(routes: Arc<Routes>) -> Self {
        Self(Guard::from_inner(routes))
    }
}

impl std::ops::Deref for Found {
    type Target = Routes;

    fn deref(&self) -> &Routes {
        &self.0
    }
}

/// Finds the routes of a host. Cheap to share: readers take no lock.
#[derive(Debug)]
pub struct HostIndex {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    /// Server domains, the longest first, each with its leading dot: `.nsl.sh`.
    suffixes: Vec<String>,
    n_hosts: AtomicUsize,
    changed: Notify,
}

impl HostIndex {
    /// An empty index in which hosts under one of `domains` are also found by their owner's name.
    pub fn new(domains: &[ServiceName]) -> Self {
        let empty = Arc::new(Shard::of(Vec::new(), |_| 0));
        let mut suffixes: Vec<String> = domains.iter().map(|d| format!(".{d}")).collect();
        suffixes.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::new(empty.clone())).collect(),
            hasher: RandomState::default(),
            suffixes,
            n_hosts: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.n_hosts.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The routes of a host, which must be lower case, without port, brackets or final dot: exactly
    /// that name, else its owner's.
    ///
    /// The owner's name is found as Mesh Router does, but with a strict suffix: the last label
    /// left of the server domain, and if it holds a dash what follows the last one. So
    /// `app.alice.nsl.sh` and `app-alice.nsl.sh` lead to `alice.nsl.sh`; `alice.example`, the bare
    /// domain and `evilnsl.sh` lead nowhere. A label that is itself a service comes before what
    /// follows its dash, so a name with a dash in it works.
    pub fn find(&self, host: &str) -> Option<Found> {
        if let Some(found) = self.exact(host) {
            return Some(found);
        }
        let suffix = self.suffixes.iter().find(|s| host.ends_with(s.as_str()))?;
        let left = host.strip_suffix(suffix.as_str())?;
        let label = left.rsplit('.').next().filter(|l| !l.is_empty())?;
        if label.len() < left.len()
            && let Some(found) = self.joined(label, suffix)
        {
            return Some(found);
        }
        let (_, after_dash) = label.rsplit_once('-')?;
        if after_dash.is_empty() {
            return None;
        }
        self.joined(after_dash, suffix)
    }

    /// Sets the routes of one service; `None` removes its host.
    pub fn set(&self, service: &ServiceName, routes: Option<Arc<Routes>>) {
        self.apply([(service.clone(), routes)]);
    }

    /// Sets many, rebuilding each shard that gains or loses hosts once. One caller at a time: the
    /// table's task is the only writer, and a second one could undo what the first stored.
    pub fn apply(&self, updates: impl IntoIterator<Item = (ServiceName, Option<Arc<Routes>>)>) {
        let mut structural: HashMap<usize, Vec<Update>> = HashMap::new();
        for (service, routes) in updates {
            let hash = self.hash(service.as_str());
            let number = shard_of(hash);
            let pending = structural.contains_key(&number);
            if !pending && let Some(routes) = &routes {
                let shard = self.shard(number).load();
                if let Some(place) = shard.find(hash, service.as_str()) {
                    place.store(routes.clone());
                    continue;
                }
            }
            structural.entry(number).or_default().push((service, routes));
        }
        for (number, updates) in structural {
            self.rebuild(number, updates);
        }
        self.changed.notify_waiters();
    }

    /// Waits for the next change. Enable it before you look, so that one in between isn't missed.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Every service with its routes; the order is none. For start-up, shutdown and tests.
    pub fn snapshot(&self) -> Vec<Arc<Routes>> {
        let shards = self.shards.iter().map(ArcSwap::load);
        shards.flat_map(|s| s.iter().map(|(_, r)| r.load_full()).collect::<Vec<_>>()).collect()
    }

    /// Makes a shard anew. The only writer stores into the new one from then on, and who still reads
    /// the old one reads the old routes, whole.
    fn rebuild(&self, number: usize, updates: Vec<Update>) {
        let old = self.shard(number).load();
        // Of several words on a host the last one holds.
        let updates: HashMap<SmolStr, Option<Arc<Routes>>> =
            updates.into_iter().map(|(service, to)| (service.as_str().into(), to)).collect();
        let stay = old.iter().filter(|(name, _)| !updates.contains_key(*name));
        let mut hosts: Vec<_> =
            stay.map(|(name, routes)| (name.clone(), routes.load_full())).collect();
        hosts.extend(updates.into_iter().filter_map(|(name, routes)| Some((name, routes?))));
        // Wrapping: the counter is only this function's, and never falls below zero in sum.
        self.n_hosts.fetch_add(hosts.len().wrapping_sub(old.len()), Ordering::Relaxed);
        self.shard(number).store(Arc::new(Shard::of(hosts, |name| self.hash(name))));
    }

    fn exact(&self, host: &str) -> Option<Found> {
        let hash = self.hash(host);
        let shard = self.shard(shard_of(hash)).load();
        shard.find(hash, host).map(|routes| Found(routes.load()))
    }

    fn joined(&self, label: &str, suffix: &str) -> Option<Found> {
        // At most 253 bytes (`normalise` refuses longer hosts), so this stays on the stack.
        let mut name = [0_u8; host::MAX_LEN];
        let len = label.len() + suffix.len();
        let (left, right) = name.get_mut(..len)?.split_at_mut(label.len());
        left.copy_from_slice(label.as_bytes());
        right.copy_from_slice(suffix.as_bytes());
        self.exact(std::str::from_utf8(name.get(..len)?).ok()?)
    }

    fn hash(&self, host: &str) -> u64 {
        self.hasher.hash_one(host)
    }

    fn shard(&self, number: usize) -> &ArcSwap<Shard> {
        // `shard_of` is the only source of numbers, and stays below SHARDS.
        &self.shards[number]
    }
}

/// Bits that the shard itself doesn't use: it takes the lowest.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}
