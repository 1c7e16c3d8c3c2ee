//! What the rest of the program asks of the fabric.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle};
use rutter_protocol::keys::KeySnapshot;
use rutter_protocol::planner::{Ask, Planned, next_hop};
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourStatus, Parting, Refusal};
use rutter_protocol::stats::Stats;
use rutter_protocol::wire::{Metrics, Scope};
use rutter_rib::ViewId;
use rutter_route::{ClusterId, Standing, TableName};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::run::Command;
use crate::station::Shared;
use crate::{FabricConfig, FabricError, Forwarding, trace, trial};

/// Destinations that are looked at in one go of the owner.
const PAGE: usize = 1024;

/// The fabric as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricStatus {
    /// This cluster.
    pub cluster: ClusterId,
    /// This boot.
    pub incarnation: u64,
    /// The neighbours.
    pub neighbours: Vec<NeighbourStatus>,
    /// Claims held.
    pub claims: usize,
    /// The tables that are carried.
    pub scopes: Vec<Scope>,
}

/// Everything there is to say of one destination cluster, as `/routing/trace` has it and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Where to.
    pub destination: ClusterId,
    /// Those in the table, best first, the barred ones behind.
    pub candidates: Vec<TraceCandidate>,
    /// What was refused and stands in no table.
    pub refused: Vec<Refusal>,
    /// What the planner decides now.
    pub decision: Planned,
}

/// What another policy would do to the stored routes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Which table.
    pub table: String,
    /// How many routes were looked at.
    pub n_routes: usize,
    /// Routes that would be permitted and aren't now: (source, destination).
    pub permitted: Vec<(String, String)>,
    /// Routes that would be denied and aren't now.
    pub denied: Vec<(String, String)>,
    /// Destinations whose best would be another: (destination, now, then).
    pub moved: Vec<(String, Option<String>, Option<String>)>,
}

/// One route of a [`Trace`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceCandidate {
    /// Who says it.
    pub advertiser: ClusterId,
    /// This cluster first, the destination last.
    pub path: Vec<ClusterId>,
    /// With the link to the advertiser.
    pub metrics: Metrics,
    /// In thousandths of a point.
    pub score: u64,
    /// What decides after the score, in order, with the route's value.
    pub tiebreakers: Vec<(String, String)>,
    /// How it stands.
    pub standing: Standing,
    /// Why, where it is barred or impaired.
    pub why: Option<String>,
    /// Whether it leads through what is to be avoided.
    pub avoided: bool,
    /// Whether it is the best of those not avoided.
    pub selected: bool,
    /// How long it is held, in milliseconds.
    pub held_for_ms: Option<u64>,
}

/// A handle on the fabric that runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FabricHandle(Arc<Inner>);

/// What the handles share.
pub(crate) struct Inner {
    pub(crate) own: ClusterId,
    /// The table of clusters.
    pub(crate) fabric: TableName,
    pub(crate) incarnation: u64,
    pub(crate) address: SocketAddr,
    pub(crate) book: BookHandle,
    pub(crate) shared: Shared,
    pub(crate) forwarding: watch::Receiver<Arc<Forwarding>>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) failed: CancellationToken,
    pub(crate) heard_all: CancellationToken,
    pub(crate) speaks: CancellationToken,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric").field("own", &self.own).finish_non_exhaustive()
    }
}

impl FabricHandle {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Where neighbours are taken.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The book that has the carried tables.
    pub fn book(&self) -> &BookHandle {
        &self.0.book
    }

    /// Cancelled when neighbours can't be taken any more, which nobody asked for.
    pub fn failed(&self) -> CancellationToken {
        self.0.failed.clone()
    }

    /// Begins to dial neighbours and to take them, where it doesn't yet.
    pub fn speak(&self) {
        self.0.speaks.cancel();
    }

    /// Waits until every neighbour has said all that it had to say since the start, and the tables have
    /// it. A neighbour that is away is waited for, so bound it.
    pub async fn heard_all(&self) {
        self.0.heard_all.cancelled().await;
    }

    /// How it is.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn status(&self) -> Result<FabricStatus, FabricError> {
        let (own, incarnation) = (self.0.own.clone(), self.0.incarnation);
        let shared = self.0.shared.clone();
        let status = self.0.book.read(move |book, _| {
            let core = shared.core();
            let speaker = &core.speaker;
            FabricStatus {
                cluster: own,
                incarnation,
                neighbours: speaker.neighbours(book),
                claims: speaker.claims().len(),
                scopes: speaker.config().scopes.iter().map(|s| s.scope.clone()).collect(),
            }
        });
        Ok(status.await?)
    }

    /// What was counted.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn stats(&self) -> Result<Stats, FabricError> {
        let shared = self.0.shared.clone();
        Ok(self.0.book.read(move |_, _| shared.core().speaker.stats().clone()).await?)
    }

    /// How many routes of the table `fabric` aren't barred, by destination.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn routes(&self) -> Result<BTreeMap<ClusterId, usize>, FabricError> {
        let mut all = BTreeMap::new();
        let mut after = None;
        loop {
            let every = |_: &rutter_rib::Table<ClusterId>, _: &ClusterId| true;
            let page = self.0.book.page(self.0.fabric.clone(), after.take(), PAGE, every).await?;
            let Some(page) = page.filter(|page| !page.is_empty()) else { return Ok(all) };
            after = page.last().cloned();
            let fabric = self.0.fabric.clone();
            let counted = self.0.book.read(move |book, _| {
                let table = book.table::<ClusterId>(&fabric)?;
                let count = |to: ClusterId| {
                    let n_routes = table.selected(&to, ViewId::DEFAULT).routes().len();
                    (to, n_routes)
                };
                Some(page.into_iter().map(count).collect::<Vec<_>>())
            });
            all.extend(counted.await?.unwrap_or_default());
        }
    }

    /// The keys that are known.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn keys(&self) -> Result<KeySnapshot, FabricError> {
        let shared = self.0.shared.clone();
        Ok(self.0.book.read(move |_, now| shared.core().speaker.keys().snapshot(now)).await?)
    }

    /// Which neighbour a request goes to.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn next_hop(&self, ask: Ask) -> Result<Planned, FabricError> {
        let (own, fabric) = (self.0.own.clone(), self.0.fabric.clone());
        let forwarding = self.0.forwarding.borrow().clone();
        let planned = self.0.book.read(move |book, _| {
            let table = book.table::<ClusterId>(&fabric)?;
            Some(next_hop(&own, table, &*forwarding, forwarding.fallback_neighbour, &ask))
        });
        // The table is there as long as the book is.
        planned.await?.ok_or(FabricError::Closed(BookClosed))
    }

    /// What a gateway forwards by, as it changes.
    pub fn forwarding(&self) -> watch::Receiver<Arc<Forwarding>> {
        self.0.forwarding.clone()
    }

    /// All there is to say of a destination.
    ///
    /// # Errors
    /// The program is shutting down.
    pub async fn trace(
        &self,
        destination: ClusterId,
        avoid: Vec<ClusterId>,
    ) -> Result<Trace, FabricError> {
        let (own, fabric) = (self.0.own.clone(), self.0.fabric.clone());
        let (shared, forwarding) = (self.0.shared.clone(), self.0.forwarding.borrow().clone());
        let traced = self.0.book.read(move |book, now| {
            let core = shared.core();
            let of = trace::Of { own: &own, fabric: &fabric, speaker: &core.speaker };
            trace::trace(&of, book, now, &forwarding, &destination, &avoid)
        });
        traced.await?.ok_or(FabricError::Closed(BookClosed))
    }

    /// What another policy would change, and changes nothing: a table each.
    ///
    /// # Errors
    /// The policy contradicts itself; the program is shutting down.
    pub async fn try_policy(&self, policy: FabricPolicy) -> Result<Vec<PolicyDiff>, FabricError> {
        trial::try_policy(&self.0.book, &self.0.shared, policy).await
    }

    /// Another configuration: neighbours, policy, security, sources of keys, liveness. What else it
    /// says needs a restart. Sessions that it doesn't change go on.
    ///
    /// # Errors
    /// What contradicts itself; nothing has changed.
    pub async fn reload(&self, config: FabricConfig) -> Result<(), FabricError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Reload(Box::new(config), answer)).await?;
        answered.await.map_err(|_| BookClosed)?
    }

    /// This cluster signs by a new key, made now, from now on; the one before counts for the
    /// overlap. The new key's id.
    ///
    /// # Errors
    /// The key can't be written.
    pub async fn rotate(&self, overlap: Duration) -> Result<String, FabricError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Rotate(overlap, answer)).await?;
        let key = answered.await.map_err(|_| BookClosed)??;
        Ok(key.id().to_string())
    }

    /// Parts from all neighbours, and ends.
    pub async fn end(&self, parting: Parting) {
        let (answer, answered) = oneshot::channel();
        if self.ask(Command::End(parting, answer)).await.is_ok() {
            // It has ended already where there is no answer.
            let _ended = answered.await;
        }
    }

    async fn ask(&self, command: Command) -> Result<(), FabricError> {
        Ok(self.0.commands.send(command).await.map_err(|_| BookClosed)?)
    }
}
