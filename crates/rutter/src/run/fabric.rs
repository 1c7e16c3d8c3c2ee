//! The role `fabric`: neighbours of this cluster, on the book that its tables are in.
//!
//! ```text
//!   neighbours ◀─ sessions ─▶ fabric ─▶ book: fabric, services, overlay/N   the controller's, or its own
//!                               │                     │
//!                               └─ one picture ─▶ gateway, for requests to other clusters
//!                                                     └─▶ kernel, for prefixes behind them
//! ```
//!
//! Where there is a controller, the fabric's tables stand in its book: so a service's next hop may be a
//! cluster that is looked up there. The overlay's tables stand with them. A fabric without a controller
//! has a book of its own.
//!
//! It starts before the gateway, which asks it for ways, and ends behind it: requests in flight still
//! find theirs. Its end is announced as a restart (`fabric.restart`), so that neighbours keep what they
//! heard as long as that takes; with `0s` it is for good.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_fabric::{FabricConfig, FabricHandle};
use rutter_gateway::Clusters;
use rutter_overlay::import;
use rutter_protocol::speaker::Parting;
use rutter_registry::DataDir;
use rutter_route::TableName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clusters::OfFabric;
use super::controller::{ends, seed};
use crate::config::resolved::Table;
use crate::config::{Config, tables};

/// Where it keeps what must last, in the data directory.
const STATE: &str = "fabric";

/// How long the end may take: the neighbours hear of it, or don't.
const END: Duration = Duration::from_secs(6);

/// The role, running.
pub(crate) struct FabricRole {
    handle: FabricHandle,
    /// What a gateway beside it asks; `None`: there is none.
    clusters: Option<Arc<OfFabric>>,
}

/// A book that is the fabric's own.
pub(crate) struct OwnBook {
    pub(super) book: BookHandle,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl FabricRole {
    /// Begins to speak with neighbours. The tables that are carried are in the book.
    ///
    /// # Errors
    /// A key that can't be had, an address that is taken.
    pub(super) async fn start(
        config: &Config,
        dir: &DataDir,
        book: BookHandle,
    ) -> anyhow::Result<Self> {
        let own = own_words(config, dir)?;
        let handle = rutter_fabric::start(own.clone(), book.clone()).await?;
        let clusters = match (&config.gateway, &config.controller) {
            (Some(_), Some(_)) => Some(OfFabric::start(&handle, &own, book).await?),
            _ => None,
        };
        tracing::info!(cluster = %own.cluster, listen = %own.listen, "the fabric runs");
        Ok(Self { handle, clusters: clusters.map(Arc::new) })
    }

    /// Cancels `stop` when neighbours can't be taken any more, which nobody asked for.
    pub(super) fn tell_failure(&self, stop: &CancellationToken, tasks: &TaskTracker) {
        let (failed, stop) = (self.handle.failed(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = failed.cancelled() => stop.cancel(),
                () = stop.cancelled() => {}
            }
        });
    }

    pub(super) fn handle(&self) -> FabricHandle {
        self.handle.clone()
    }

    /// What the gateway asks.
    pub(super) fn clusters(&self) -> Option<Arc<dyn Clusters>> {
        self.clusters.clone().map(|clusters| clusters as Arc<dyn Clusters>)
    }

    /// Goes on by another configuration.
    ///
    /// # Errors
    /// A policy that contradicts itself, or what needs a restart; nothing has changed then.
    pub(super) async fn reload(&self, config: &Config, dir: &DataDir) -> anyhow::Result<()> {
        let own = own_words(config, dir)?;
        self.handle.reload(own.clone()).await?;
        match &self.clusters {
            Some(clusters) => clusters.reload(&own).await,
            None => Ok(()),
        }
    }

    /// Parts from the neighbours.
    pub(super) async fn shutdown(self, config: &Config) {
        let restart = config.fabric.as_ref().map_or(Duration::ZERO, |fabric| fabric.restart.into());
        let parting = match restart {
            Duration::ZERO => Parting::Goodbye,
            restart => Parting::Restart(restart),
        };
        if tokio::time::timeout(END, self.handle.end(parting)).await.is_err() {
            tracing::warn!("not all neighbours have heard of the end in {END:?}");
        }
    }
}

/// The fabric's own words for what the file says.
fn own_words(config: &Config, dir: &DataDir) -> anyhow::Result<FabricConfig> {
    let fabric = config.fabric.as_ref().context("no fabric is configured")?;
    let state = dir.file(STATE);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&state);
    made.with_context(|| format!("{} can't be made", state.display()))?;
    Ok(fabric.config(&config.cluster, state))
}

/// The tables of a book that a fabric is on: those of the file, and those of an overlay that runs here.
pub(super) fn tables_with_overlay(config: &Config) -> BTreeMap<TableName, Table> {
    let mut all = config.tables.clone();
    let (Some(_), Some(overlay)) = (&config.fabric, &config.overlay) else { return all };
    for spec in import::tables(&overlay.host) {
        let resolves = tables::through_fabric(&[]).into_iter().collect();
        let table = Table { kind: spec.kind, policy: spec.policy, feeds: Vec::new(), resolves };
        all.insert(spec.name, table);
    }
    all
}

impl OwnBook {
    /// The book of a fabric without a controller.
    ///
    /// # Errors
    /// Tables that make no sense together.
    pub(super) fn make(config: &Config) -> anyhow::Result<Self> {
        let (seed, now) = (seed(), SystemClock.now());
        let book = tables::book(&tables_with_overlay(config), &config.cluster, now, seed)?;
        let stop = CancellationToken::new();
        let (book, owner) = rutter_book::spawn(book, SystemClock, seed, stop.clone());
        Ok(Self { book, stop, ended: ends(owner) })
    }

    /// Ends it.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}
