//! The task between the two tables, the detector and the index.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use rutter_book::{BookClosed, Subscription};
use rutter_link::relay::{self, NotTaken};
use rutter_rib::{Batch, OutletSpec};
use rutter_route::{
    Incarnation, Observer, Service, Session, SourceId, SourceInfo, SourceKind, SourceState,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::teller::{Teller, Told, health};
use super::to_index::{ToIndex, Unreachable};
use super::{PATIENCE, STALE_AFTER, Sources, TableRef};
use crate::error::GatewayError;
use crate::feed::Update;
use crate::health::verdicts::Told as ToldVerdict;
use crate::routes::RouteId;
use crate::server::TableEnd;

/// Fills the table and the index, then keeps them so until `stop`.
///
/// # Errors
/// A book is closed, or has no such table of services.
pub(crate) async fn start(
    name: &str,
    sources: Sources,
    end: TableEnd,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, GatewayError> {
    let observer = format!("gateway/{name}");
    let session = begin_session(&sources.own, sources.controller.source()).await?;
    let asking = end.asking.clone();
    let teller = Teller::start(sources.controller, &observer, asking, stop.clone()).await?;
    let mut task = Task {
        observer,
        session,
        own: sources.own,
        teller,
        end,
        unreachable: Unreachable::default(),
        to_index: ToIndex::default(),
        waiting: Vec::new(),
        away: Away::No,
    };
    if task.teller.linked().is_some() {
        task.end.metrics.controller_is(false);
    }
    task.first_snapshot(Instant::now() + PATIENCE).await?;
    let mut from_own = subscribe(&task.own, OutletSpec::all("index")).await?;
    while let Some(batch) = from_own.next().await {
        let complete = batch.end_of_snapshot;
        task.index(batch).await;
        if complete {
            break;
        }
    }
    Ok(tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            ended = task.run(from_own) => if ended.is_err() {
                tracing::debug!("the book is closed; the gateway serves what it knows");
            },
        }
    }))
}

pub(super) async fn subscribe(
    to: &TableRef,
    spec: OutletSpec,
) -> Result<Subscription<Service>, GatewayError> {
    let subscribed = to.book.subscribe::<Service>(to.table.clone(), spec).await.map_err(closed)?;
    subscribed.ok_or_else(|| {
        GatewayError::Table(format!("there is no table of services named `{}`", to.table))
    })
}

/// The teller's session in the own table: a new life of the one source.
async fn begin_session(
    own: &TableRef,
    (kind, name): (SourceKind, &str),
) -> Result<Session, GatewayError> {
    let refused = |e: &dyn std::fmt::Display| GatewayError::Table(e.to_string());
    let source = SourceId::new(kind, name).map_err(|e| refused(&e))?;
    let name = own.table.clone();
    let begun = own.book.apply(move |book, now| {
        let table = book.table_mut::<Service>(&name)?;
        let last = table.session_of(&source).map_or(0, |s| s.incarnation.0);
        let session = Session { source, incarnation: Incarnation(last + 1) };
        let up = SourceState::Up(SourceInfo::default());
        Some(table.source(now, &session, up).map(|()| session))
    });
    match begun.await.map_err(closed)? {
        Some(Ok(session)) => Ok(session),
        Some(Err(why)) => Err(refused(&why)),
        None => {
            Err(GatewayError::Table(format!("there is no table of services named `{}`", own.table)))
        }
    }
}

fn closed(error: BookClosed) -> GatewayError {
    GatewayError::Table(error.to_string())
}

/// Whether the controller is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// It is there, or in this process.
    No,
    /// It was lost then, and nothing has been done about it.
    Since(Instant),
    /// Its routes are stale.
    Stale { since: Instant },
    /// What it told is withdrawn.
    Forgotten,
}

struct Task {
    observer: String,
    session: Session,
    own: TableRef,
    teller: Teller,
    end: TableEnd,
    unreachable: Unreachable,
    to_index: ToIndex,
    /// What a snapshot has told so far.
    waiting: Vec<Update>,
    away: Away,
}

impl Task {
    async fn first_snapshot(&mut self, until: Instant) -> Result<(), GatewayError> {
        loop {
            let Ok(told) = timeout_at(until, self.teller.next()).await else {
                tracing::warn!("the controller has told no services yet; starting without");
                return Ok(());
            };
            self.hear(told.map_err(closed)?).await.map_err(closed)?;
            if self.end.told.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    async fn run(mut self, mut from_own: Subscription<Service>) -> Result<(), BookClosed> {
        loop {
            let next_step = self.next_step();
            tokio::select! {
                told = self.teller.next() => self.hear(told?).await?,
                batch = from_own.next() => self.index(batch.ok_or(BookClosed)?).await,
                told = self.end.verdicts.take() => self.tell(told).await?,
                () = sleep_until(next_step.unwrap_or_else(Instant::now)), if next_step.is_some() => {
                    self.step().await?;
                }
            }
        }
    }

    async fn hear(&mut self, told: Told) -> Result<(), BookClosed> {
        match told {
            Told::Batch(batch) => self.take(batch).await,
            Told::Up { controller } => self.up(&controller).await,
            Told::Lost(why) => {
                self.lost(&why);
                Ok(())
            }
        }
    }

    /// A batch of the controller's.
    async fn take(&mut self, batch: Batch<Service>) -> Result<(), BookClosed> {
        let complete = batch.end_of_snapshot;
        let updates = self.unreachable.take(&batch);
        if !updates.is_empty() {
            self.end.feed.apply(updates).await;
        }
        let (session, name) = (self.session.clone(), self.own.table.clone());
        let taken = self.own.book.apply(move |book, now| {
            let table = book.table_mut::<Service>(&name);
            table.map(|t| relay::take(now, t, &session, &batch)).unwrap_or_default()
        });
        for NotTaken { destination, route, why } in taken.await? {
            self.end.metrics.routes_refused.add(1);
            tracing::warn!(service = %destination, %route, why, "a route can't be used by this gateway");
        }
        if complete {
            self.told(true);
        }
        Ok(())
    }

    /// Whether all services were told, and stand.
    fn told(&self, told: bool) {
        self.end.told.store(told, Ordering::Relaxed);
        self.end.metrics.services_told.set(u64::from(told));
    }

    /// A batch of the own table's. A snapshot is put into the index as a whole: each shard is
    /// rebuilt once, and not once a batch.
    async fn index(&mut self, batch: Batch<Service>) {
        let feed = &mut self.end.feed;
        let updates = self.to_index.take(batch, &self.unreachable, || feed.services());
        self.waiting.extend(updates);
        if !self.to_index.in_snapshot() {
            feed.apply(std::mem::take(&mut self.waiting)).await;
        }
    }

    /// Verdicts: they act in the own table, and are observations at the controller's.
    async fn tell(&self, told: HashMap<RouteId, ToldVerdict>) -> Result<(), BookClosed> {
        let observations = told.clone();
        let (name, source) = (self.own.table.clone(), self.session.source.clone());
        let by = Observer { name: self.observer.clone(), acts: true };
        let acting = self.own.book.apply(move |book, now| {
            let Some(table) = book.table_mut::<Service>(&name) else { return };
            for (id, told) in &told {
                // What couldn't be encoded was never taken, and has no verdict.
                let Ok(path) = relay::path_of(&id.route) else { continue };
                let at = Some((&id.service, &path));
                // `false`: the route went meanwhile, and its verdict with it.
                table.health(now, &by, &source, at, health(now, told));
            }
        });
        acting.await?;
        self.teller.observe(observations).await
    }
}

/// What becomes of a link's routes while the controller is away.
impl Task {
    async fn up(&mut self, controller: &str) -> Result<(), BookClosed> {
        tracing::info!(controller, "the controller tells its services");
        self.end.metrics.controller_is(true);
        let away = std::mem::replace(&mut self.away, Away::No);
        if matches!(away, Away::Stale { .. } | Away::Forgotten) {
            self.source(SourceState::Up(SourceInfo::default())).await?;
        }
        Ok(())
    }

    fn lost(&mut self, why: &rutter_link::LinkError) {
        self.end.metrics.controller_is(false);
        if self.away != Away::No {
            tracing::debug!(%why, "the controller is still away");
            return;
        }
        self.away = Away::Since(Instant::now());
        let keep = self.teller.linked().map(|linked| linked.keep).unwrap_or_default();
        tracing::warn!(%why, ?keep, "the controller is away; the gateway goes on with what it knows");
    }

    /// When the absence has its next consequence.
    fn next_step(&self) -> Option<Instant> {
        let keep = self.teller.linked()?.keep;
        match self.away {
            Away::No | Away::Forgotten => None,
            Away::Since(since) => Some(since + STALE_AFTER.min(keep)),
            Away::Stale { since } => Some(since + keep),
        }
    }

    async fn step(&mut self) -> Result<(), BookClosed> {
        match self.away {
            Away::No | Away::Forgotten => Ok(()),
            Away::Since(since) => {
                self.away = Away::Stale { since };
                let keep = self.teller.linked().map(|linked| linked.keep).unwrap_or_default();
                // The end comes from here: the table's own is later, and never first.
                self.source(SourceState::KeepStale { for_: keep + PATIENCE }).await
            }
            Away::Stale { since } => {
                let away_s = since.elapsed().as_secs();
                tracing::error!(
                    away_s,
                    "the controller was away for too long: its routes are withdrawn"
                );
                self.away = Away::Forgotten;
                self.teller.begin_anew();
                self.told(false);
                self.source(SourceState::Gone).await?;
                self.session.incarnation.0 += 1;
                Ok(())
            }
        }
    }

    async fn source(&self, state: SourceState) -> Result<(), BookClosed> {
        let (session, name) = (self.session.clone(), self.own.table.clone());
        let said = self.own.book.apply(move |book, now| {
            let table = book.table_mut::<Service>(&name)?;
            table.source(now, &session, state).err()
        });
        if let Some(why) = said.await? {
            tracing::error!(%why, "the gateway's table refuses its controller's session");
        }
        Ok(())
    }
}
