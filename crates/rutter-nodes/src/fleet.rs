//! The nodes of an installation, running: what a controller does with them, however it is asked.
//!
//! ```text
//!   people (API) ─┐                 ┌─▶ registry        written before it is acknowledged
//!   sessions ─────┼─▶ Fleet ─▶ book ┤
//!   time ─────────┘   table `nodes` └─▶ touched ─▶ maps, one a class ─▶ sessions
//! ```
//!
//! [`crate::Nodes`] and the table decide; this keeps what they hold in the registry, gives them
//! time, and tells every node what changed. [`crate::Nodes`] is looked at and changed only where the
//! table is: on the owner of the book, so the two are always of one moment.
//!
//! What always holds:
//! - what a person said is in the registry before it takes effect and before it is acknowledged;
//! - what a session said takes effect at once, and its report follows when its rows are written, so
//!   that forwarding never waits for a disk and nothing that was acknowledged is lost;
//! - who is primary is written with the rows of the commit that moved it.

mod addresses;
mod config;
mod enrol;
mod error;
mod maps;
mod moves;
mod people;
mod policy;
mod probe;
mod registration;
mod restore;
mod routes;
mod session;
mod state;
mod store;
mod suppose;
mod tend;
mod views;
mod word;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rutter_book::{BookHandle, Clock};
use rutter_link::Pinged;
use rutter_registry::Registry;
use rutter_route::{NodeId, Prefix, TableName};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{FleetConfig, PolicyText, Probing};
pub use error::FleetError;
pub use maps::MapReader;
pub use people::{NewPreauthKey, NewUser, PreauthKey, PreauthKeyId, User};
pub use registration::{EnrolNode, Pending};
pub use routes::{Drained, PolicyDiff, Preferred};
pub use session::{Connected, Heard, MAX_ENDPOINTS, NodeSession};
pub use views::{Moved, NodeRef, NodeView};

use crate::election::Settings;
use enrol::{AllPending, Waits};
use maps::Maps;
use moves::Moves;
use state::{Changed, State, lock};
use store::Store;

/// A handle on the nodes; cheap to clone.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    config: RwLock<Arc<FleetConfig>>,
    table: TableName,
    book: BookHandle,
    registry: Arc<dyn Registry>,
    clock: Arc<dyn Clock>,
    /// Of the hashes of the table's views.
    seed: u64,
    state: Arc<Mutex<State>>,
    changed: Arc<Changed>,
    store: Store,
    moves: Arc<Moves>,
    maps: Maps,
    pending: Mutex<AllPending>,
    /// Who waits to be let in: as many as there are callers.
    asking: Mutex<VecDeque<Waits>>,
    /// The way to each node that has a session, and which it is.
    pings: Mutex<BTreeMap<NodeId, (u64, mpsc::Sender<Pinged>)>>,
    /// Something may be due sooner.
    look_at_the_clock: Notify,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet")
    }
}

impl Fleet {
    /// Brings back the nodes, rows and words that were stored, and begins to tend them. The book has
    /// the table; nothing else writes to it.
    ///
    /// # Errors
    /// The registry can't be read, the policy is wrong, or the book is closed or has no such table.
    pub async fn start(
        config: FleetConfig,
        book: BookHandle,
        registry: Arc<dyn Registry>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FleetError> {
        let policy = policy::read(config.policy.as_ref())?;
        let table = config.table.clone();
        let stored = restore::read(&*registry).await?;
        let seed = clock.now().wall.0;
        let no_table =
            || FleetError::Invalid(format!("the book has no table of prefixes `{table}`"));
        // One for whoever writes, one that wakes it.
        let touched = book.touched::<Prefix>(table.clone()).await?.ok_or_else(no_table)?;
        let wakes = book.touched::<Prefix>(table.clone()).await?.ok_or_else(no_table)?;
        let state = Arc::new(Mutex::new(State::default()));
        let (into, name) = (state.clone(), table.clone());
        let calm = Settings { damping: None, ..config.election.clone() };
        let restored = book.apply(move |book, now| {
            let table = book.table_mut::<Prefix>(&name)?;
            let state = &mut lock(&into);
            Some(restore::restore(state, table, now, stored, policy, &calm, seed))
        });
        restored.await?.ok_or_else(no_table)??;
        let changed = Arc::new(Changed::default());
        let moves = Arc::new(Moves::default());
        let (hears, told_at) = (moves.clone(), clock.clone());
        let on_told: maps::OnTold = Box::new(move |prefixes| {
            let now = told_at.now().mono;
            prefixes.iter().for_each(|prefix| hears.told(prefix, now));
        });
        let (of, with) = (table.clone(), changed.clone());
        let maps =
            Maps::start(of, book.clone(), clock.clone(), state.clone(), with, on_told).await?;
        let inner = Arc::new(Inner {
            config: RwLock::new(Arc::new(config)),
            table,
            book,
            registry,
            clock,
            seed,
            state,
            changed,
            store: Store::new(touched),
            moves,
            maps,
            pending: Mutex::default(),
            asking: Mutex::default(),
            pings: Mutex::default(),
            look_at_the_clock: Notify::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        if inner.config().election.damping.is_some() {
            inner.damp_again().await?;
        }
        inner.tasks.spawn(inner.clone().keep_written(wakes));
        inner.tasks.spawn(inner.clone().keep_time());
        inner.tasks.spawn(inner.clone().keep_probing());
        Ok(Self(inner))
    }

    /// What it runs by.
    pub fn config(&self) -> Arc<FleetConfig> {
        self.0.config()
    }

    /// Runs by other settings from now on; the table's name and the prefixes stay what they are. What
    /// was given stays given.
    ///
    /// # Errors
    /// [`FleetError::Policy`], [`FleetError::Enforce`]; all that was before stands.
    pub async fn reconfigure(&self, config: FleetConfig) -> Result<(), FleetError> {
        let read = policy::read(config.policy.as_ref())?;
        let before = self.config();
        let config = FleetConfig {
            table: before.table.clone(),
            prefixes: before.prefixes.clone(),
            ..config
        };
        let (new, seed) = (config.election.clone(), self.0.seed);
        let enforced = self.0.apply(move |state, table, now| {
            let settings = (&new, &before.election);
            policy::enforce(state, table, now, read, settings, seed)
        });
        enforced.await??;
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.0.changed.note(|what| what.policy = true);
        self.0.look_at_the_clock.notify_one();
        Ok(())
    }

    /// All sessions are about to be ended from this side, since the controller stops or hands over:
    /// that says nothing of the nodes, so no primary moves by it and nothing is written of it. What
    /// waited until now is written first.
    pub async fn pause(&self) {
        let mut turn = self.0.store.turn().await;
        if let Err(error) = self.0.write_what_waits(&mut turn).await {
            tracing::warn!(%error, "the last that became of nodes' routes isn't written");
        }
        lock(&self.0.state).paused = true;
    }

    /// The controller goes on after all: nodes are waited for as after a start.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn resume(&self) -> Result<(), FleetError> {
        let calm = Settings { damping: None, ..self.config().election.clone() };
        let seed = self.0.seed;
        let resumed = self.0.apply(move |state, table, now| {
            state.paused = false;
            let policy = state.policy.clone();
            policy.enforce(now, table, &calm, &policy, seed)?;
            restore::wait_again(state, table, now, &calm)
        });
        resumed.await??;
        self.0.damp_again().await?;
        self.0.store.wait_for([], []);
        self.0.look_at_the_clock.notify_one();
        Ok(())
    }

    /// Writes what waits and ends its tasks. Sessions end by their own.
    pub async fn close(&self) {
        let mut turn = self.0.store.turn().await;
        // Paused, it was written before.
        if self.0.check_open().is_ok()
            && let Err(error) = self.0.write_what_waits(&mut turn).await
        {
            tracing::warn!(%error, "the last that became of nodes' routes isn't written");
        }
        drop(turn);
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    fn config(&self) -> Arc<FleetConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
