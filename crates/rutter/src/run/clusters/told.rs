//! Which services each neighbour is told of: those that its requests may ask for here.
//!
//! A route that export policy keeps from a neighbour is nothing that it may use, whoever told it the
//! name. So beside each neighbour's session stands an outlet of the same table with the same rules and
//! the same split horizon, and what it would be told is what it is served. That is the tables' own
//! machinery, asked a second time; the rejected alternative, to evaluate policy with each request,
//! would need the route's attributes on the request path.
//!
//! Bounds: a service name a neighbour and service told, as the neighbour's own outlet has.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::Context;
use rutter_book::{BookHandle, Subscription};
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::wire::{Metrics, Scope};
use rutter_rib::{Batch, OutletSpec, Rules, Tell};
use rutter_route::{ClusterId, Service, SourceId, SourceKind, TableName};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The services of one neighbour.
type Services = Arc<RwLock<HashSet<Service>>>;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Told {
    book: BookHandle,
    table: TableName,
    by: Mutex<BTreeMap<ClusterId, Watched>>,
}

/// A neighbour that is told something.
#[derive(Debug)]
struct Watched {
    export: Rules,
    services: Services,
    _stop: DropGuard,
}

impl Told {
    /// Nobody is told anything yet. `table` is what the fabric carries services of.
    pub(crate) fn new(book: BookHandle, table: TableName) -> Self {
        Self { book, table, by: Mutex::default() }
    }

    /// These are the neighbours, and this is the policy from now on, by which the scope `services` is
    /// told (`None`: it isn't carried). What changes for nobody goes on;
    /// a neighbour that is told otherwise is served nothing until its first snapshot is there, which is
    /// when this returns.
    ///
    /// # Errors
    /// A policy that contradicts itself, or no table of services; then all is as before.
    pub(crate) async fn follow(
        &self,
        (own, fabric): (&ClusterId, &Scope),
        services: Option<&Scope>,
        neighbours: impl Iterator<Item = ClusterId>,
        policy: &FabricPolicy,
    ) -> anyhow::Result<()> {
        let links: BTreeMap<ClusterId, Metrics> =
            neighbours.map(|neighbour| (neighbour, Metrics::default())).collect();
        let export = policy.compile(own, fabric, &links)?.export;
        let of_services = export.into_iter().filter(|((_, scope), _)| Some(scope) == services);
        let wanted: BTreeMap<ClusterId, Rules> =
            of_services.map(|((neighbour, _), rules)| (neighbour, rules)).collect();
        let mut fresh = Vec::new();
        for (neighbour, rules) in &wanted {
            let same = self.by().get(neighbour).is_some_and(|watched| watched.export == *rules);
            if !same {
                fresh.push((neighbour.clone(), self.watch(neighbour, rules.clone()).await?));
            }
        }
        let mut by = self.by();
        by.retain(|neighbour, _| wanted.contains_key(neighbour));
        by.extend(fresh);
        Ok(())
    }

    /// Whether a neighbour is told of a service.
    pub(super) fn is_told(&self, neighbour: &ClusterId, service: &Service) -> bool {
        let services = self.by().get(neighbour).map(|watched| watched.services.clone());
        services.is_some_and(|services| {
            services.read().unwrap_or_else(PoisonError::into_inner).contains(service)
        })
    }

    fn by(&self) -> MutexGuard<'_, BTreeMap<ClusterId, Watched>> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(&self, neighbour: &ClusterId, export: Rules) -> anyhow::Result<Watched> {
        let source = SourceId::new(SourceKind::Neighbour, neighbour.as_str()).ok();
        let spec = OutletSpec {
            export: export.clone(),
            split_horizon: source,
            ..OutletSpec::best(format!("gateway for {neighbour}"))
        };
        let told = self.book.subscribe::<Service>(self.table.clone(), spec).await?;
        let mut told =
            told.with_context(|| format!("there is no table of services `{}`", self.table))?;
        let services = Services::default();
        let mut mentioned = None;
        while let Some(batch) = told.next().await {
            let ended = batch.end_of_snapshot;
            take(&services, &mut mentioned, batch);
            if ended {
                break;
            }
        }
        let stop = CancellationToken::new();
        tokio::spawn(keep(told, services.clone(), stop.clone()));
        Ok(Watched { export, services, _stop: stop.drop_guard() })
    }
}

async fn keep(mut told: Subscription<Service>, services: Services, stop: CancellationToken) {
    let mut mentioned = None;
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => return,
            batch = told.next() => batch,
        };
        let Some(batch) = batch else { return };
        take(&services, &mut mentioned, batch);
    }
}

/// `mentioned`: during a snapshot, what it has named.
fn take(services: &Services, mentioned: &mut Option<HashSet<Service>>, batch: Batch<Service>) {
    let mut services = services.write().unwrap_or_else(PoisonError::into_inner);
    if batch.begin_snapshot {
        *mentioned = Some(HashSet::new());
    }
    for tell in batch.tells {
        let (service, is_told) = match tell {
            Tell::Advertise { destination, routes, .. } => (destination, !routes.is_empty()),
            Tell::Withdraw { destination, .. } => (destination, false),
        };
        if let Some(mentioned) = mentioned {
            mentioned.insert(service.clone());
        }
        match is_told {
            true => drop(services.insert(service)),
            false => drop(services.remove(&service)),
        }
    }
    if batch.end_of_snapshot
        && let Some(mentioned) = mentioned.take()
    {
        services.retain(|service| mentioned.contains(service));
    }
}

#[cfg(test)]
mod tests;
