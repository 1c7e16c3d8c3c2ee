//! The task between the two tables, the detector and the index.

use std::collections::HashMap;
use std::time::Duration;

use rutter_book::{BookClosed, Subscription};
use rutter_rib::{Batch, OutletSpec};
use rutter_route::{
    Health, Incarnation, Now, Observer, Service, Session, SourceId, SourceInfo, SourceKind,
    SourceState,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::relay::{self, NotTaken, ToIndex, Unreachable};
use super::{Sources, TableRef, key};
use crate::error::GatewayError;
use crate::feed::Update;
use crate::health::Verdict;
use crate::health::verdicts::Told;
use crate::routes::RouteId;
use crate::server::TableEnd;

/// How long the start waits for the controller's first snapshot before it goes on without.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let session = begin_session(&sources.own, "main").await?;
    let spec = OutletSpec { unreachable: true, ..OutletSpec::all(observer.as_str()) };
    let mut from_controller = subscribe(&sources.controller, spec).await?;
    let mut task = Task {
        observer,
        session,
        sources,
        end,
        unreachable: Unreachable::default(),
        to_index: ToIndex::default(),
        waiting: Vec::new(),
    };
    let first = tokio::time::timeout(PATIENCE, task.first_snapshot(&mut from_controller)).await;
    match first {
        Ok(heard) => heard.map_err(closed)?,
        Err(_) => tracing::warn!("the controller has not told its services yet; starting without"),
    }
    let mut from_own = subscribe(&task.sources.own, OutletSpec::all("index")).await?;
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
            ended = task.run(from_controller, from_own) => if ended.is_err() {
                tracing::debug!("the book is closed; the gateway serves what it knows");
            },
        }
    }))
}

async fn subscribe(to: &TableRef, spec: OutletSpec) -> Result<Subscription<Service>, GatewayError> {
    let subscribed = to.book.subscribe::<Service>(to.table.clone(), spec).await.map_err(closed)?;
    subscribed.ok_or_else(|| {
        GatewayError::Table(format!("there is no table of services named `{}`", to.table))
    })
}

/// The controller's session in the own table: a new life of the one source.
async fn begin_session(own: &TableRef, controller: &str) -> Result<Session, GatewayError> {
    let refused = |e: &dyn std::fmt::Display| GatewayError::Table(e.to_string());
    let source = SourceId::new(SourceKind::Controller, controller).map_err(|e| refused(&e))?;
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

struct Task {
    observer: String,
    session: Session,
    sources: Sources,
    end: TableEnd,
    unreachable: Unreachable,
    to_index: ToIndex,
    /// What a snapshot has told so far.
    waiting: Vec<Update>,
}

impl Task {
    async fn first_snapshot(&mut self, from: &mut Subscription<Service>) -> Result<(), BookClosed> {
        loop {
            let batch = from.next().await.ok_or(BookClosed)?;
            let complete = batch.end_of_snapshot;
            self.take(batch).await?;
            if complete {
                return Ok(());
            }
        }
    }

    async fn run(
        mut self,
        mut from_controller: Subscription<Service>,
        mut from_own: Subscription<Service>,
    ) -> Result<(), BookClosed> {
        loop {
            tokio::select! {
                batch = from_controller.next() => self.take(batch.ok_or(BookClosed)?).await?,
                batch = from_own.next() => self.index(batch.ok_or(BookClosed)?).await,
                told = self.end.verdicts.take() => self.tell(told).await?,
            }
        }
    }

    /// A batch of the controller's.
    async fn take(&mut self, batch: Batch<Service>) -> Result<(), BookClosed> {
        let updates = self.unreachable.take(&batch);
        if !updates.is_empty() {
            self.end.feed.apply(updates).await;
        }
        let (session, name) = (self.session.clone(), self.sources.own.table.clone());
        let taken = self.sources.own.book.apply(move |book, now| {
            let table = book.table_mut::<Service>(&name);
            table.map(|t| relay::take(now, t, &session, &batch)).unwrap_or_default()
        });
        for NotTaken { service, route, why } in taken.await? {
            self.end.metrics.routes_refused.add(1);
            tracing::warn!(%service, %route, why, "a route can't be used by this gateway");
        }
        Ok(())
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
    async fn tell(&self, told: HashMap<RouteId, Told>) -> Result<(), BookClosed> {
        let told: Vec<(RouteId, Told)> = told.into_iter().collect();
        let observations = told.clone();
        let (name, source) = (self.sources.own.table.clone(), self.session.source.clone());
        let by = Observer { name: self.observer.clone(), acts: true };
        let acting = self.sources.own.book.apply(move |book, now| {
            let Some(table) = book.table_mut::<Service>(&name) else { return };
            for (id, told) in &told {
                // What couldn't be encoded was never taken, and has no verdict.
                let Ok(path) = key::encode(&id.route) else { continue };
                let service = Service::http(id.service.clone());
                let at = Some((&service, &path));
                // `false`: the route went meanwhile, and its verdict with it.
                table.health(now, &by, &source, at, health(now, told));
            }
        });
        acting.await?;
        let name = self.sources.controller.table.clone();
        let by = Observer { name: self.observer.clone(), acts: false };
        let shown = self.sources.controller.book.apply(move |book, now| {
            let Some(table) = book.table_mut::<Service>(&name) else { return };
            for (id, told) in &observations {
                let service = Service::http(id.service.clone());
                let at = Some((&service, &id.route.path));
                table.health(now, &by, &id.route.source, at, health(now, told));
            }
        });
        shown.await
    }
}

/// A verdict as tables hold it, its end by their clock.
fn health(now: Now, told: &Told) -> Health {
    match &told.is {
        Verdict::Unknown => Health::Unknown,
        Verdict::Healthy { .. } => Health::Healthy,
        Verdict::Unhealthy { why, .. } => {
            Health::Unhealthy { why: why.clone(), until: told.left.map(|left| now.deadline(left)) }
        }
    }
}
