//! The registry of routes: what every handler, API and command looks at (seed 001).
//!
//! Three pools as GoDoxy has them: HTTP, streams, and what is known but not served, which is also
//! where one stands whose place another has. They hold what the catalogue's last commit left, so a
//! look-up takes no lock and waits for nobody; whoever advertised and then looks sees what it said.
//!
//! It is an object of a running program and never a global: the original's globals made reload and
//! tests hard, and are gone there too.
//!
//! `add`, `del` and `clear` speak for a session of the registry's own: what providers say stays
//! theirs. They return after the commit.

mod entry;
mod events;
mod health_info;
mod pool;
mod providers;
mod shards;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use smol_str::{SmolStr, ToSmolStr};
use tokio::sync::{broadcast, mpsc};

use crate::catalogue::{CatalogueError, Command, ask};
use crate::monitor::HealthStatus;
use crate::{ProviderId, Route};

pub use entry::{Entry, EntryKey, Verdict, What};
pub use events::{BEHIND, Happened, KEPT, RegistryEvent};
pub use health_info::{HealthInfo, HealthInfoWithoutDetail};
pub use pool::{Pool, PoolKind};
pub use providers::{ProviderState, ProviderStatus};

/// The registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    shown: Arc<Shown>,
    commands: mpsc::Sender<Command>,
}

/// What the catalogue's task writes and everybody reads.
#[derive(Debug)]
pub(crate) struct Shown {
    pools: [Pool; 3],
    events: events::Events,
    providers: ArcSwap<Vec<ProviderStatus>>,
}

impl Registry {
    pub(crate) fn new(shown: Arc<Shown>, commands: mpsc::Sender<Command>) -> Self {
        Self { shown, commands }
    }

    /// A pool.
    pub fn pool(&self, kind: PoolKind) -> &Pool {
        self.shown.pool(kind)
    }

    /// What is served by HTTP.
    pub fn http(&self) -> &Pool {
        self.pool(PoolKind::Http)
    }

    /// What is served as streams.
    pub fn stream(&self) -> &Pool {
        self.pool(PoolKind::Stream)
    }

    /// What is known and not served.
    pub fn excluded(&self) -> &Pool {
        self.pool(PoolKind::Excluded)
    }

    /// The entry of an alias: HTTP's, else a stream's; never one that isn't served. O(1), without
    /// a lock. Aliases compare by case; they are lower case.
    pub fn get(&self, alias: &str) -> Option<Arc<Entry>> {
        self.http().get(alias).or_else(|| self.stream().get(alias))
    }

    /// As [`Self::get`], else one that isn't served.
    pub fn get_include_excluded(&self, alias: &str) -> Option<Arc<Entry>> {
        self.get(alias).or_else(|| self.excluded().get(alias))
    }

    /// HTTP's entry of an alias, else of the host as it is. Whoever asks has taken port and final
    /// dot from the host; the rules of an entrypoint (first label, domains, wildcards) are the
    /// gateway's.
    pub fn get_http_route_or_exact(&self, alias: &str, host: &str) -> Option<Arc<Entry>> {
        self.http().get(alias).or_else(|| self.http().get(host))
    }

    /// All that is served: HTTP, then streams, each in the order of its keys. Who stops, stops.
    pub fn iter_active(&self) -> impl Iterator<Item = Arc<Entry>> + use<> {
        self.http().iter().chain(self.stream().iter())
    }

    /// All there is: what is served, then what isn't.
    pub fn iter_all(&self) -> impl Iterator<Item = Arc<Entry>> + use<> {
        self.iter_active().chain(self.excluded().iter())
    }

    /// The `limit` next entries of those for which `wanted` answers, of all pools in the order of
    /// [`Self::iter_all`], behind the one of this pool and key (which may be gone).
    pub fn page(
        &self,
        after: Option<(PoolKind, &str)>,
        limit: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let mut page = Vec::new();
        for pool in &self.shown.pools {
            let from = match after {
                Some((kind, _)) if pool.kind() < kind => continue,
                Some((kind, key)) if pool.kind() == kind => Some(key),
                _ => None,
            };
            page.extend(pool.page(from, limit.saturating_sub(page.len()), &wanted));
        }
        page
    }

    /// How many are served.
    pub fn num_active_routes(&self) -> usize {
        self.http().size() + self.stream().size()
    }

    /// How many there are.
    pub fn num_all_routes(&self) -> usize {
        self.num_active_routes() + self.excluded().size()
    }

    /// All entries by their provider's short name. Two providers of one short name have theirs
    /// together.
    pub fn by_provider(&self) -> BTreeMap<SmolStr, Vec<Arc<Entry>>> {
        let mut by_provider: BTreeMap<SmolStr, Vec<Arc<Entry>>> = BTreeMap::new();
        for entry in self.iter_all() {
            let provider = entry.key.provider.short_name().to_smolstr();
            by_provider.entry(provider).or_default().push(entry);
        }
        by_provider
    }

    /// The health of all entries, by name: what one is called, where no other is called so, else
    /// the text of its key.
    pub fn health_info(&self) -> BTreeMap<SmolStr, HealthInfo> {
        self.by_name(|entry| HealthInfo::from(&*entry.seen()))
    }

    /// As [`Self::health_info`], without what was seen.
    pub fn health_info_without_detail(&self) -> BTreeMap<SmolStr, HealthInfoWithoutDetail> {
        self.by_name(|entry| HealthInfoWithoutDetail::from(&*entry.seen()))
    }

    /// As [`Self::health_info`], the status alone.
    pub fn health_info_simple(&self) -> BTreeMap<SmolStr, HealthStatus> {
        self.by_name(|entry| entry.seen().status)
    }

    fn by_name<T>(&self, of: impl Fn(&Entry) -> T) -> BTreeMap<SmolStr, T> {
        let all: Vec<Arc<Entry>> = self.iter_all().collect();
        health_info::by_name(&all, of)
    }

    /// The providers, in their order.
    pub fn providers(&self) -> Arc<Vec<ProviderStatus>> {
        self.shown.providers.load_full()
    }

    /// What happened last, at most [`KEPT`] events, the oldest first.
    pub fn recent_events(&self) -> Vec<Arc<RegistryEvent>> {
        self.shown.events.recent()
    }

    /// What happened last, and what happens from then on; nothing is missing between.
    pub fn follow_events(
        &self,
    ) -> (Vec<Arc<RegistryEvent>>, broadcast::Receiver<Arc<RegistryEvent>>) {
        self.shown.events.follow()
    }

    /// Says that something happened at a provider: a file was written, a container died.
    pub fn note(&self, provider: &ProviderId, action: &str, actor: &str) {
        let provider = Arc::new(provider.clone());
        let (action, actor) = (action.into(), actor.into());
        self.shown.publish([Happened::Provider { provider, action, actor }]);
    }

    /// Adds a route of the registry's own, instead of the one that it has by that name. It is built
    /// in, so its claims come before all providers'. What it became is the answer.
    ///
    /// # Errors
    /// The catalogue has ended.
    pub async fn add(&self, route: Route) -> Result<Arc<Entry>, CatalogueError> {
        ask(&self.commands, |answer| Command::Add { route: Box::new(route), answer }).await
    }

    /// Deletes a route of the registry's own by its name; `false`: it has none.
    ///
    /// # Errors
    /// The catalogue has ended.
    pub async fn del(&self, name: &str) -> Result<bool, CatalogueError> {
        ask(&self.commands, |answer| Command::Del { name: name.into(), answer }).await
    }

    /// Deletes all routes of the registry's own that are in a pool; `None`: in any. Says how many.
    ///
    /// # Errors
    /// The catalogue has ended.
    pub async fn clear(&self, pool: Option<PoolKind>) -> Result<usize, CatalogueError> {
        ask(&self.commands, |answer| Command::Clear { pool, answer }).await
    }
}

impl Shown {
    pub(crate) fn new() -> Self {
        Self {
            pools: PoolKind::ALL.map(Pool::new),
            events: events::Events::new(),
            providers: ArcSwap::default(),
        }
    }

    pub(crate) fn pool(&self, kind: PoolKind) -> &Pool {
        let [http, stream, excluded] = &self.pools;
        match kind {
            PoolKind::Http => http,
            PoolKind::Stream => stream,
            PoolKind::Excluded => excluded,
        }
    }

    /// Entries that come and go (`None`), and then what is said of it.
    pub(crate) fn apply(&self, updates: BTreeMap<(PoolKind, SmolStr), Option<Arc<Entry>>>) {
        let mut of_pool: BTreeMap<PoolKind, Vec<_>> = BTreeMap::new();
        for ((kind, key), entry) in updates {
            of_pool.entry(kind).or_default().push((key, entry));
        }
        for (kind, updates) in of_pool {
            self.pool(kind).apply(updates);
        }
    }

    pub(crate) fn publish(&self, happened: impl IntoIterator<Item = Happened>) {
        self.events.publish(happened);
    }

    pub(crate) fn set_providers(&self, providers: Vec<ProviderStatus>) {
        self.providers.store(Arc::new(providers));
    }
}
