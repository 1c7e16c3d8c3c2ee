//! The task that works out what is told.
//!
//! ```text
//!   gather ─▶ round ─▶ publish ─▶ (a step of what is built) ─▶ gather ...
//!             moves, endpoints, readers      another roster or policy
//! ```
//!
//! A round takes everything that has happened since the last, so rounds grow with what there is to
//! do and never queue. Rounds that only readers and endpoints ask for wait [`TOGETHER`] for more of
//! them. Another roster or policy is built beside what is told, after [`ROSTER`] or eight times as
//! long as the last building took: however often nodes come, most of the time is left for others.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use rutter_book::{BookClosed, BookHandle, Clock, Touched};
use rutter_rib::Table;
use rutter_route::{NodeId, Prefix, TableName};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::board::Board;
use super::build::{Building, Made};
use super::waits::{Round, Wait};
use super::work::{self, READERS, STEP, Work};
use crate::fleet::state::{Changed, State, What};
use crate::map::{Class, Delta, Network};
use crate::policy::PolicyFile;

/// How long readers and endpoints are collected.
const TOGETHER: Duration = Duration::from_millis(5);

/// How long changes of the roster are collected, at least.
const ROSTER: Duration = Duration::from_millis(20);

/// What a round has to do.
#[derive(Default)]
struct Todo {
    prefixes: BTreeSet<Prefix>,
    endpoints: BTreeSet<NodeId>,
    readers: BTreeSet<NodeId>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Todo {
    fn is_empty(&self) -> bool {
        let Self { prefixes, endpoints, readers, flushes } = self;
        prefixes.is_empty() && endpoints.is_empty() && readers.is_empty() && flushes.is_empty()
    }

    fn may_wait(&self) -> bool {
        self.prefixes.is_empty() && self.flushes.is_empty()
    }
}

/// See the module's head.
pub(super) struct Distributor {
    pub(super) sources: Sources,
    pub(super) shared: Arc<Shared>,
    told: mpsc::Sender<Round>,
    /// What is told follows this policy.
    pub(super) policy: Arc<PolicyFile>,
    pub(super) building: Option<Building>,
    /// When the next building begins; `None`: nothing asks for one.
    build_at: Option<Instant>,
    pub(super) last_build: Duration,
    /// The number of the last round.
    pub(super) number: u64,
}

/// Where the fleet is looked at.
pub(super) struct Sources {
    pub(super) table: TableName,
    pub(super) book: BookHandle,
    pub(super) clock: Arc<dyn Clock>,
    /// Locked on the owner of the book alone.
    pub(super) state: Arc<Mutex<State>>,
    /// What changes and isn't seen in the table.
    pub(super) changed: Arc<Changed>,
    pub(super) touched: Touched<Prefix>,
}

impl Distributor {
    pub(super) fn new(sources: Sources, shared: Arc<Shared>, told: mpsc::Sender<Round>) -> Self {
        let (building, build_at, last_build) = (None, None, Duration::ZERO);
        let policy = Arc::default();
        Self { sources, shared, told, policy, building, build_at, last_build, number: 0 }
    }

    pub(super) async fn run(mut self) {
        // The book is closed, and with it all there is to tell.
        let Err(BookClosed) = self.distribute().await;
        self.shared.close();
    }

    async fn distribute(&mut self) -> Result<std::convert::Infallible, BookClosed> {
        let Made { mapper, policy } = self.mapper().await?;
        self.policy = policy;
        let mut work = Work::new(mapper);
        self.look_at_all(&mut work).await?;
        loop {
            let todo = self.gather().await?;
            if !todo.is_empty() {
                work = self.round(work, todo).await?;
            }
            if self.building.is_none() && self.build_at.is_some_and(|at| at <= Instant::now()) {
                self.build_at = None;
                work = self.begin_building(work).await?;
            }
            if let Some(building) = self.building.take() {
                work = self.build(work, building).await?;
            }
        }
    }

    /// All that has happened since it was asked last; waits for something unless there is something
    /// to build.
    async fn gather(&mut self) -> Result<Todo, BookClosed> {
        let mut todo = Todo::default();
        loop {
            self.take(&mut todo)?;
            let is_building = self.building.is_some();
            let is_due = self.build_at.is_some_and(|at| at <= Instant::now());
            if !todo.is_empty() || is_building || is_due {
                break;
            }
            tokio::select! {
                touched = self.sources.touched.next() => {
                    todo.prefixes.extend(touched.ok_or(BookClosed)?);
                }
                what = self.sources.changed.next() => self.note(&mut todo, what),
                () = self.shared.news.notified() => {}
                () = until(self.build_at) => {}
            }
        }
        if todo.may_wait() && !todo.is_empty() && self.building.is_none() {
            tokio::time::sleep(TOGETHER).await;
            self.take(&mut todo)?;
        }
        Ok(todo)
    }

    fn take(&mut self, todo: &mut Todo) -> Result<(), BookClosed> {
        let mut registry = self.shared.registry();
        if registry.is_closed {
            return Err(BookClosed);
        }
        todo.readers.append(&mut registry.changed);
        // Before what it waits for is taken.
        todo.flushes.append(&mut registry.flushes);
        drop(registry);
        todo.prefixes.append(&mut self.sources.touched.take());
        while let Some(what) = self.sources.changed.next().now_or_never() {
            self.note(todo, what);
        }
        Ok(())
    }

    fn note(&mut self, todo: &mut Todo, what: What) {
        let What { roster, policy, mut endpoints } = what;
        todo.endpoints.append(&mut endpoints);
        if roster || policy {
            let wait = if policy { Duration::ZERO } else { ROSTER.max(self.last_build * 8) };
            let at = Instant::now() + wait;
            self.build_at = Some(self.build_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Works out what a round asks for, and tells it.
    async fn round(&mut self, mut work: Work, todo: Todo) -> Result<Work, BookClosed> {
        let Todo { prefixes, endpoints, mut readers, flushes } = todo;
        if let Some(building) = &mut self.building {
            building.prefixes.extend(&prefixes);
            building.endpoints.extend(&endpoints);
        }
        if !endpoints.is_empty() {
            self.renew(&mut work, &endpoints).await?;
        }
        if !prefixes.is_empty() {
            let list = prefixes.iter().copied().collect();
            let (networks, mut nodes) = self.look(&mut work, list).await?;
            let classes = work.classes.keys().cloned().collect();
            work = self.bring_all(work, classes, networks).await?;
            nodes.retain(|id| work.places.contains_key(id));
            readers.append(&mut nodes);
        }
        self.publish(&mut work, prefixes);
        if !readers.is_empty() {
            work = self.place(work, readers).await?;
        }
        for done in flushes {
            // Who waited may have given up.
            let _late = done.send(());
        }
        Ok(work)
    }

    /// Puts what has changed on the boards, and wakes whom it is for.
    pub(super) fn publish(&mut self, work: &mut Work, prefixes: BTreeSet<Prefix>) {
        self.number += 1;
        let mut waits = Vec::new();
        for held in work.classes.values_mut() {
            let delta = std::mem::take(&mut held.delta);
            let Some(board) = held.board.as_ref().filter(|_| !delta.is_empty()) else { continue };
            board.push(self.number, &delta, &held.map, std::mem::take(&mut held.anew));
            let moves = !delta.routes.is_empty();
            for reader in held.readers.values() {
                reader.wake();
                if moves {
                    waits.push(Wait::for_word(reader.clone(), board.clone(), self.number));
                }
            }
        }
        if !prefixes.is_empty() && self.told.try_send(Round { prefixes, waits }).is_err() {
            tracing::debug!("more moves than are watched until all were told");
        }
    }

    /// Finds the classes of readers that are new, or whose class may be another.
    pub(super) async fn place(
        &self,
        mut work: Work,
        ids: BTreeSet<NodeId>,
    ) -> Result<Work, BookClosed> {
        let mut there = Vec::new();
        for id in ids {
            match self.shared.registry().readers.get(&id) {
                Some(_) => there.push(id),
                None => work.remove(id),
            }
        }
        let mut new = Vec::new();
        for ids in there.chunks(READERS) {
            let ids = ids.to_vec();
            work = self.place_some(work, ids, &mut new).await?;
        }
        if !new.is_empty() {
            let networks = work.networks();
            work = self.bring_all(work, new.clone(), networks).await?;
        }
        for class in new {
            let Some(held) = work.classes.get_mut(&class) else { continue };
            held.delta = Delta::default();
            held.board = Some(Arc::new(Board::new(self.number, &held.map)));
        }
        there.iter().for_each(|id| work.assign(*id));
        Ok(work)
    }

    /// A step of it; the classes that are new come to `new`.
    pub(super) async fn place_some(
        &self,
        mut work: Work,
        ids: Vec<NodeId>,
        new: &mut Vec<Class>,
    ) -> Result<Work, BookClosed> {
        let found;
        (work, found) = self
            .on_book(move |table, state| {
                let found = work.classes_of(table, &state.nodes, &ids);
                (work, found)
            })
            .await?;
        for (id, class) in found {
            let reader = self.shared.registry().readers.get(&id).cloned();
            // One that has gone meanwhile is among those that changed.
            let Some(reader) = reader else { continue };
            new.extend(work.place(reader, class));
        }
        Ok(work)
    }

    /// Brings networks into the maps of classes, step by step.
    pub(super) async fn bring_all(
        &self,
        mut work: Work,
        classes: Vec<Class>,
        networks: Vec<Arc<Network>>,
    ) -> Result<Work, BookClosed> {
        for networks in networks.chunks(STEP) {
            for classes in classes.chunks((STEP / networks.len()).max(1)) {
                let (classes, networks) = (classes.to_vec(), networks.to_vec());
                work = self
                    .on_book(move |table, _| {
                        work.bring(table, &classes, &networks);
                        work
                    })
                    .await?;
            }
        }
        Ok(work)
    }

    pub(super) async fn look(
        &self,
        work: &mut Work,
        prefixes: Vec<Prefix>,
    ) -> Result<(Vec<Arc<Network>>, BTreeSet<NodeId>), BookClosed> {
        let mut found = Vec::with_capacity(prefixes.len());
        for prefixes in prefixes.chunks(STEP) {
            let prefixes = prefixes.to_vec();
            found.extend(self.on_book(move |table, _| work::routers(table, &prefixes)).await?);
        }
        Ok(work.look(found))
    }

    /// The prefixes that the table has from the start.
    async fn look_at_all(&self, work: &mut Work) -> Result<(), BookClosed> {
        let (all, most) = (|_: &Table<Prefix>, _: &Prefix| true, usize::MAX);
        let prefixes = self.sources.book.page(self.sources.table.clone(), None, most, all).await?;
        self.look(work, prefixes.unwrap_or_default()).await?;
        Ok(())
    }

    pub(super) async fn renew(
        &self,
        work: &mut Work,
        ids: &BTreeSet<NodeId>,
    ) -> Result<(), BookClosed> {
        for (id, endpoints) in self.endpoints(ids.clone()).await? {
            work.mapper.set_endpoints(id, endpoints);
        }
        work.renew(ids);
        Ok(())
    }

    async fn endpoints(
        &self,
        ids: BTreeSet<NodeId>,
    ) -> Result<Vec<(NodeId, Vec<IpAddr>)>, BookClosed> {
        self.on_book(move |_, state| {
            let of = |id: &NodeId| (*id, state.endpoints.get(id).cloned().unwrap_or_default());
            ids.iter().map(of).collect()
        })
        .await
    }

    /// Runs a step where the table is.
    pub(super) async fn on_book<R: Send + 'static>(
        &self,
        f: impl FnOnce(&Table<Prefix>, &State) -> R + Send + 'static,
    ) -> Result<R, BookClosed> {
        let (table, state) = (self.sources.table.clone(), self.sources.state.clone());
        let step = self.sources.book.read(move |book, _| {
            let table = book.table::<Prefix>(&table)?;
            // Nothing panics while it holds the lock half-written.
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            Some(f(table, &state))
        });
        step.await?.ok_or(BookClosed)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
