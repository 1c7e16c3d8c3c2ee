//! The host index: from a `Host` and a path to the ranked routes of its service, on the hot path.
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
//! A name may have several services, by path; they are one entry, so that they are found by one
//! look-up too ([`narrower`]). What else a host may mean is in [`matching`].
//!
//! Invariants: a reader sees for one host either the old or the new routes, whole; a host that is
//! in the index and stays is never missed while others come and go.
//!
//! Rejected: one map behind one `ArcSwap` (90 ms a change at a million hosts), and a concurrent
//! map (its readers write to shared cache lines on every look-up, and a change of best hashes
//! again what is known already). The hasher is seeded at random for each process; a tenant can
//! choose names but not see the seed, and how many names it holds is bounded by the table.

mod host;
mod matching;
mod narrower;
mod reading;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use foldhash::quality::RandomState;
use rutter_route::{Scope, Service, ServiceName};
use smol_str::{SmolStr, format_smolstr};
use tokio::sync::Notify;

pub(crate) use host::normalise;
pub use matching::HostMatching;
pub(crate) use narrower::Narrower;
use shard::Shard;

use crate::mtls::Asked;
use crate::routes::Routes;

/// How many shards a small index has.
const FEW_SHARDS: usize = 16;

/// How many shards: a power of two, so that bits of the hash choose one. More of them would make
/// writes cheaper and take look-ups' room in the processor's caches.
const SHARDS: usize = 4096;

/// What a service's routes are from now on; `None`: there is no such service any more.
type Update = (Service, Option<Arc<Routes>>);

/// A host's routes as they were when they were asked for.
///
/// It is a debt (arc-swap's word) instead of a reference count, so that a host which everybody asks
/// for has no cache line that every worker writes to. A thread has eight such debts at a time; from
/// the ninth on the count is raised after all, so requests may keep theirs to their end.
#[derive(Debug)]
pub struct Found {
    of_name: Guard<Arc<Routes>>,
    /// Which of those that have paths of the name to themselves; `None`: the name's own.
    narrower: Option<usize>,
}

impl Found {
    fn new(of_name: Guard<Arc<Routes>>) -> Self {
        Self { of_name, narrower: None }
    }

    /// The routes of a path of that host: those of the longest prefix that covers it, else the
    /// host's own. `None`: it is nobody's, as [`ByPath`] says.
    pub fn at(self, path: &str) -> Option<Self> {
        match self.by_path(path) {
            ByPath::Routes(found) => Some(found),
            ByPath::Nobodys | ByPath::TwoWays => None,
        }
    }

    /// The same, saying why it is nobody's.
    pub(crate) fn by_path(mut self, path: &str) -> ByPath {
        if !self.of_name.narrower.is_empty() {
            self.narrower = self.of_name.narrower.find(path);
            if self.of_name.narrower.is_read_as_anothers(path, self.narrower) {
                return ByPath::TwoWays;
            }
        }
        match self.narrower.is_some() || self.of_name.is_whole {
            true => ByPath::Routes(self),
            false => ByPath::Nobodys,
        }
    }

    /// What the host's services ask of clients before a path is known: the first that asks for
    /// anything counts, and a request for one that asks for something else is refused then.
    pub(crate) fn asked_of_any_path(&self) -> &Asked {
        let narrower = self.of_name.narrower.iter().map(|routes| &routes.asked);
        let mut all = std::iter::once(&self.of_name.asked).chain(narrower);
        all.find(|asked| **asked != Asked::Nothing).unwrap_or(&Asked::Nothing)
    }
}

/// What a path of a host leads to.
#[derive(Debug)]
pub(crate) enum ByPath {
    /// These routes.
    Routes(Found),
    /// The host has routes for some paths, and this is none of them.
    Nobodys,
    /// A lenient server would read it as another service's ([`reading`]).
    TwoWays,
}

/// Routes that stand in no index.
impl From<Arc<Routes>> for Found {
    fn from(routes: Arc<Routes>) -> Self {
        Self::new(Guard::from_inner(routes))
    }
}

impl std::ops::Deref for Found {
    type Target = Routes;

    fn deref(&self) -> &Routes {
        let narrower = self.narrower.and_then(|number| self.of_name.narrower.get(number));
        narrower.unwrap_or(&self.of_name)
    }
}

/// Finds the routes of a host. Cheap to share: readers take no lock.
#[derive(Debug)]
pub struct HostIndex {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
    /// Server domains, the longest first, each with its leading dot: `.nsl.sh`.
    suffixes: Vec<String>,
    matching: HostMatching,
    n_hosts: AtomicUsize,
    /// How many of those are wildcards.
    n_wildcards: AtomicUsize,
    changed: Notify,
}

impl HostIndex {
    /// An empty index in which hosts under one of `domains` are also found by their owner's name.
    pub fn new(domains: &[ServiceName]) -> Self {
        Self::matching(domains, HostMatching::Exact)
    }

    /// As [`Self::new`]; what else a host may mean is as `matching` says.
    pub fn matching(domains: &[ServiceName], matching: HostMatching) -> Self {
        Self::of_shards(SHARDS, domains, matching)
    }

    /// The same for some thousands of hosts at most: it takes less room.
    pub(crate) fn small(domains: &[ServiceName], matching: HostMatching) -> Self {
        Self::of_shards(FEW_SHARDS, domains, matching)
    }

    fn of_shards(n_shards: usize, domains: &[ServiceName], matching: HostMatching) -> Self {
        let empty = Arc::new(Shard::of(Vec::new(), |_| 0));
        let mut suffixes: Vec<String> = domains.iter().map(|d| format!(".{d}")).collect();
        suffixes.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Self {
            shards: (0..n_shards).map(|_| ArcSwap::new(empty.clone())).collect(),
            hasher: RandomState::default(),
            suffixes,
            matching,
            n_hosts: AtomicUsize::new(0),
            n_wildcards: AtomicUsize::new(0),
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

    /// The routes of a host, which must be lower case, without port, brackets or final dot: of the
    /// first name that is there of those that [`HostMatching`] says, else of its owner, else of the
    /// wildcard that covers it. [`Found::at`] then says which of them are a path's.
    pub fn find(&self, host: &str) -> Option<Found> {
        self.named(host).or_else(|| self.owners(host)).or_else(|| self.wildcard(host))
    }

    /// The routes of the first name that is there of those that the host may mean.
    fn named(&self, host: &str) -> Option<Found> {
        if let HostMatching::Domains(domains) = &self.matching {
            let mut names = domains.iter().filter_map(|domain| matching::before(host, domain));
            if let Some(found) = names.find_map(|name| self.exact(name)) {
                return Some(found);
            }
        }
        let found = self.exact(host);
        if found.is_some() || self.matching != HostMatching::AnyDomain {
            return found;
        }
        matching::split(host).and_then(|(label, _)| self.exact(label))
    }

    /// The routes of a host's owner.
    ///
    /// The owner's name is found as Mesh Router does, but with a strict suffix: the last label
    /// left of the server domain, and if it holds a dash what follows the last one. So
    /// `app.alice.nsl.sh` and `app-alice.nsl.sh` lead to `alice.nsl.sh`; `alice.example`, the bare
    /// domain and `evilnsl.sh` lead nowhere. A label that is itself a service comes before what
    /// follows its dash, so a name with a dash in it works.
    fn owners(&self, host: &str) -> Option<Found> {
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

    /// Sets the routes of one service; `None` removes it.
    pub fn set(&self, service: &Service, routes: Option<Arc<Routes>>) {
        self.apply([(service.clone(), routes)]);
    }

    /// Sets many, rebuilding each shard that gains or loses hosts once. One caller at a time: the
    /// table's task is the only writer, and a second one could undo what the first stored. What
    /// listener or place a service has plays no part here: an index is of one.
    pub fn apply(&self, updates: impl IntoIterator<Item = (Service, Option<Arc<Routes>>)>) {
        let mut structural: HashMap<usize, Vec<(SmolStr, Update)>> = HashMap::new();
        for (service, routes) in updates {
            let host = host_of(&service);
            let hash = self.hash(&host);
            let number = self.shard_of(hash);
            if let Some(pending) = structural.get_mut(&number) {
                pending.push((host, (service, routes)));
                continue;
            }
            let shard = self.shard(number).load();
            match shard.find(hash, &host) {
                Some(place) if routes.is_some() => {
                    let now = with(Some(place.load_full()), service, routes);
                    // There is one: it was given.
                    now.into_iter().for_each(|now| place.store(now));
                }
                None if routes.is_none() => {}
                Some(_) | None => {
                    structural.entry(number).or_default().push((host, (service, routes)));
                }
            }
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
        let mut all = Vec::new();
        for shard in self.shards.iter().map(ArcSwap::load) {
            for (_, routes) in shard.iter() {
                let routes = routes.load_full();
                all.extend(routes.narrower.iter().cloned());
                all.extend(routes.is_whole.then_some(routes));
            }
        }
        all
    }

    /// Makes a shard anew. The only writer stores into the new one from then on, and who still reads
    /// the old one reads the old routes, whole.
    fn rebuild(&self, number: usize, updates: Vec<(SmolStr, Update)>) {
        let old = self.shard(number).load();
        // Updates of one host one after the other, so of several words on a service the last holds.
        let mut changed: HashMap<SmolStr, Option<Arc<Routes>>> = HashMap::new();
        for (host, (service, to)) in updates {
            let stands = || old.find(self.hash(&host), &host).map(ArcSwap::load_full);
            let slot = changed.entry(host.clone()).or_insert_with(stands);
            *slot = with(slot.take(), service, to);
        }
        let stay = old.iter().filter(|(name, _)| !changed.contains_key(*name));
        let mut hosts: Vec<_> =
            stay.map(|(name, routes)| (name.clone(), routes.load_full())).collect();
        hosts.extend(changed.into_iter().filter_map(|(name, routes)| Some((name, routes?))));
        // Wrapping: the counters are only this function's, and never fall below zero in sum.
        let n_wildcards = |names: &mut dyn Iterator<Item = &SmolStr>| {
            names.filter(|name| name.starts_with(WILDCARD)).count()
        };
        let gained = n_wildcards(&mut hosts.iter().map(|(name, _)| name))
            .wrapping_sub(n_wildcards(&mut old.iter().map(|(name, _)| name)));
        self.n_hosts.fetch_add(hosts.len().wrapping_sub(old.len()), Ordering::Relaxed);
        self.shard(number).store(Arc::new(Shard::of(hosts, |name| self.hash(name))));
        self.n_wildcards.fetch_add(gained, Ordering::Relaxed);
    }

    fn exact(&self, host: &str) -> Option<Found> {
        let hash = self.hash(host);
        let shard = self.shard(self.shard_of(hash)).load();
        shard.find(hash, host).map(|routes| Found::new(routes.load()))
    }

    /// The wildcard for the host's first label.
    fn wildcard(&self, host: &str) -> Option<Found> {
        if self.n_wildcards.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (_, domain) = matching::split(host)?;
        self.joined(WILDCARD, domain)
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
        // `shard_of` is the only source of numbers, and stays below their count.
        &self.shards[number]
    }

    /// By bits that the shard itself doesn't use: it takes the lowest.
    fn shard_of(&self, hash: u64) -> usize {
        // Their count is a power of two.
        (hash >> 40) as usize & (self.shards.len() - 1)
    }
}

/// How the key of a wildcard begins, which no host does.
const WILDCARD: &str = "*.";

/// Under which key the routes of a service are found.
fn host_of(service: &Service) -> SmolStr {
    match service.is_wildcard() {
        true => format_smolstr!("{WILDCARD}{}", service.name),
        false => service.name.as_str().into(),
    }
}

/// What stands for a name once one of its services has changed; `None`: it has none any more.
fn with(
    before: Option<Arc<Routes>>,
    service: Service,
    to: Option<Arc<Routes>>,
) -> Option<Arc<Routes>> {
    let narrower = match (&before, service.paths()) {
        (None, None) => return to,
        (Some(before), None) if before.narrower.is_empty() => return to,
        (Some(before), None) => before.narrower.clone(),
        (_, Some(prefix)) => {
            // Within a batch it is nobody else's, and so is changed where it is.
            let mut of_name = before.map_or_else(|| only_paths(&service), Arc::unwrap_or_clone);
            of_name.narrower.set(prefix.as_str(), to);
            let remains = of_name.is_whole || !of_name.narrower.is_empty();
            return remains.then(|| Arc::new(of_name));
        }
    };
    let of_name = to.map_or_else(|| only_paths(&service), |to| Routes::clone(&to));
    Some(Arc::new(Routes { narrower, ..of_name }))
}

/// What stands for a name of which only some paths are a service's.
fn only_paths(service: &Service) -> Routes {
    let scope = Scope { paths: None, is_wildcard: service.is_wildcard(), at: service.at() };
    let whole = Service::new(service.name.clone(), service.listener, scope);
    Routes { is_whole: false, ..Routes::new(whole, Vec::new()) }
}
