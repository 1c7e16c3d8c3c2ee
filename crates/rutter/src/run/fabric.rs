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
//! It starts before the gateway, which asks it for ways, speaks to neighbours when that is there, and ends
//! behind it: requests in flight still find theirs. Its end is announced as a restart (`fabric.restart`),
//! so that neighbours keep what they heard as long as that takes; with `0s` it is for good.
//!
//! At a hand-over it ends early, since two processes with one cluster's name and key would be one that
//! says two things, and begins in the other one, which is ready when neighbours have told it all. The
//! gateway forwards meanwhile by the last picture, and neighbours by what they keep.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
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
use super::handover::Sockets;
use crate::config::resolved::Table;
use crate::config::{Config, tables};

/// Where it keeps what must last, in the data directory.
const STATE: &str = "fabric";

/// How long the end may take: the neighbours hear of it, or don't.
const END: Duration = Duration::from_secs(6);

/// How long a successor waits for what neighbours have to say; who is away is waited for in vain.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// By which name a successor knows the socket.
const LISTENER: &str = "fabric";

/// The role, running.
pub(crate) struct FabricRole {
    handle: FabricHandle,
    /// The socket that neighbours reach, once more: to go on with it, or for a successor.
    socket: TcpListener,
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
    /// Has all that it takes to speak with neighbours, on the socket of a process before this one if there
    /// was one. The tables that are carried are in the book.
    ///
    /// # Errors
    /// A key that can't be had, an address that is taken.
    pub(super) async fn start(
        config: &Config,
        dir: &DataDir,
        book: BookHandle,
        inherited: &mut Sockets,
    ) -> anyhow::Result<Self> {
        let own = own_words(config, dir)?;
        let socket = match inherited.take(LISTENER, Some(own.listen)) {
            Some(socket) => TcpListener::from(socket),
            None => rutter_fabric::bind(&own)?,
        };
        let handle = rutter_fabric::prepare(socket.try_clone()?, own.clone(), book.clone()).await?;
        let clusters = match (&config.gateway, &config.controller) {
            (Some(_), Some(_)) => Some(OfFabric::start(&handle, &own, book).await?),
            _ => None,
        };
        tracing::info!(cluster = %own.cluster, listen = %own.listen, "the fabric runs");
        Ok(Self { handle, socket, clusters: clusters.map(Arc::new) })
    }

    /// Begins to speak with neighbours.
    pub(super) fn speak(&self) {
        self.handle.speak();
    }

    /// Waits until the neighbours have said what they have to say, but not for long.
    pub(super) async fn heard_all(&self) {
        if tokio::time::timeout(HEARD_WITHIN, self.handle.heard_all()).await.is_err() {
            tracing::warn!("not all neighbours have said all they know in {HEARD_WITHIN:?}");
        }
    }

    /// The socket, for a successor.
    pub(super) fn sockets(&self, config: &Config) -> io::Result<Sockets> {
        let mut sockets = Sockets::default();
        let listen = config.fabric.as_ref().map(|fabric| fabric.listen);
        sockets.add(LISTENER, listen, OwnedFd::from(self.socket.try_clone()?));
        Ok(sockets)
    }

    /// Parts from the neighbours for a successor. Requests go on by what is known now.
    pub(super) async fn lend(&self, config: &Config) {
        if let Some(clusters) = &self.clusters {
            clusters.freeze();
        }
        self.part(config).await;
    }

    /// Begins anew, since there is no successor after all.
    ///
    /// # Errors
    /// As [`FabricRole::start`].
    pub(super) async fn take_back(&mut self, config: &Config, dir: &DataDir) -> anyhow::Result<()> {
        let (socket, book) = (self.socket.try_clone()?, self.handle.book().clone());
        self.handle = rutter_fabric::prepare(socket, own_words(config, dir)?, book).await?;
        self.handle.speak();
        if let Some(clusters) = &self.clusters {
            clusters.follow(&self.handle);
        }
        Ok(())
    }

    /// Cancels `stop` when neighbours can't be taken any more, which nobody asked for; until `over`.
    pub(super) fn tell_failure(
        &self,
        stop: &CancellationToken,
        over: &CancellationToken,
        tasks: &TaskTracker,
    ) {
        let (failed, stop, over) = (self.handle.failed(), stop.clone(), over.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = failed.cancelled() => stop.cancel(),
                () = over.cancelled() => {}
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
        self.part(config).await;
    }

    async fn part(&self, config: &Config) {
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
