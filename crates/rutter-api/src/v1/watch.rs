//! Watching a table by server-sent events.
//!
//! ```text
//!   begin_of_snapshot, snapshot ..., end_of_snapshot, then advertise | withdraw ...
//! ```
//!
//! Between the first and the last of these stands all there is; what a watcher held before and
//! isn't mentioned is gone. After it come changes. Each event that tells something has an id; a
//! watcher that lost its connection sends the last one it has as `Last-Event-ID` and goes on from
//! there, or gets a snapshot where that isn't possible. What was on its way when the connection was
//! lost may be told twice: to say again what is changes nothing.
//!
//! A watcher's outlet belongs to the table's owner and holds what it was told, so what a watcher
//! costs is bounded however slow it reads: later overwrites earlier. An outlet's numbers are its
//! own, so a watch can only be resumed on the same one. Hence an id names the watch and the number,
//! and when a connection is lost its outlet is parked for a while. What would be simpler, one
//! outlet for all watchers, would need a copy of the table to make snapshots from.
//!
//! A watch outlives its check: so the token is looked at again every minute or so, and the stream
//! ends when it opens nothing any more.

mod parked;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rutter_book::Subscription;
use rutter_rib::{Batch, Kind, OutletSpec, Tell, ToldRoute};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, interval_at};

pub(crate) use self::parked::Watchers;
use self::parked::{Parked, WatchId};
use super::auth::Caller;
use super::{Api, ApiError, Code, Inner, Result};
use crate::tables::{TableAt, by_kind};

/// How often something is sent, so that both ends notice a connection that is gone.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Watches a table: a snapshot, then what changes, as server-sent events.
#[utoipa::path(get, path = "/v1/tables/{table}/watch", tag = "routes",
    params(("table" = String, Path, description = "The table."),
        ("Last-Event-ID" = Option<String>, Header, description = "Where to go on.")),
    responses(
    (status = 200, content_type = "text/event-stream", body = String,
        description = "Events `begin_of_snapshot`, `snapshot`, `end_of_snapshot`, `advertise`, `withdraw`."),
    (status = 404, description = "There is no such table.", body = ApiError),
    (status = 429, description = "There are as many watchers as there may be.", body = ApiError)))]
pub(crate) async fn watch(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(table): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let table = api.table(&table)?.clone();
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.and_then(WatchId::parse);
    by_kind!(table.kind, open(api, table, caller, last))
}

async fn open<D: Kind + Send + Sync + Serialize>(
    api: Api,
    table: TableAt,
    caller: Caller,
    last: Option<(WatchId, u64)>,
) -> Result<Response> {
    let permit = api.watchers.enter().ok_or_else(|| {
        ApiError::new(Code::TooMany, "there are as many watchers as there may be; try again later")
    })?;
    let resumed = match last {
        Some((id, number)) => resume::<D>(&api, &table, id, number).await?,
        None => None,
    };
    let (id, subscription, complete_at) = match resumed {
        Some(resumed) => resumed,
        None => {
            let id = WatchId::new()?;
            let spec = OutletSpec::all(format!("watch/{id}"));
            let subscription = table.book.subscribe::<D>(table.name.clone(), spec).await?;
            let gone = || ApiError::new(Code::NotFound, "there is no such table");
            (id, subscription.ok_or_else(gone)?, None)
        }
    };
    let recheck = api.recheck;
    let watch = Watch {
        id,
        table,
        subscription: Some(subscription),
        complete_at,
        in_snapshot: false,
        ready: VecDeque::new(),
        recheck: interval_at(Instant::now() + recheck, recheck),
        caller,
        api,
        _permit: permit,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The parked watch of that id, told to go on behind `number`; `None` where that isn't possible.
async fn resume<D: Kind + Send + Sync>(
    api: &Api,
    table: &TableAt,
    id: WatchId,
    number: u64,
) -> Result<Option<(WatchId, Subscription<D>, Option<u64>)>> {
    let Some(parked) = api.watchers.take(&id, &table.shown) else { return Ok(None) };
    // Cut off in the middle of a snapshot: what it held before was never told to be dropped.
    let Some(complete_at) = parked.complete_at.filter(|at| *at <= number) else { return Ok(None) };
    let Ok(subscription) = parked.subscription.downcast::<Subscription<D>>() else {
        return Ok(None);
    };
    subscription.resume(Some(number)).await?;
    Ok(Some((id, *subscription, Some(complete_at))))
}

/// A watch under way.
struct Watch<D: Kind + Send + Sync> {
    id: WatchId,
    table: TableAt,
    /// There until the watch is dropped, when it is parked.
    subscription: Option<Subscription<D>>,
    /// The number with which the last snapshot was complete; `None` before the first.
    complete_at: Option<u64>,
    in_snapshot: bool,
    ready: VecDeque<Event>,
    recheck: Interval,
    caller: Caller,
    api: Api,
    _permit: OwnedSemaphorePermit,
}

impl Inner {
    /// `None` when a watcher's token opens nothing any more. A registry that can't be asked is no
    /// reason to end a watch.
    pub(crate) async fn still_allowed(&self, caller: &Caller) -> Option<()> {
        let now = self.clock.now();
        match self.owner.authenticate(now, &caller.secret).await {
            Err(error) if error.code == Code::Unauthenticated => None,
            _ => Some(()),
        }
    }
}

/// What an event says.
#[derive(Serialize)]
struct Told<'a, D> {
    number: u64,
    destination: &'a D,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<&'a [ToldRoute]>,
}

impl<D: Kind + Send + Sync + Serialize> Watch<D> {
    /// The next event; `None` when the watch has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let subscription = self.subscription.as_mut()?;
            tokio::select! {
                () = self.api.stop.cancelled() => return None,
                batch = subscription.next() => self.take(&batch?),
                _ = self.recheck.tick() => self.api.still_allowed(&self.caller).await?,
            }
        }
    }

    fn take(&mut self, batch: &Batch<D>) {
        if batch.begin_snapshot {
            self.in_snapshot = true;
            self.complete_at = None;
            self.ready.push_back(Event::default().event("begin_of_snapshot").data("{}"));
        }
        for tell in &batch.tells {
            let (name, routes) = match tell {
                Tell::Advertise { routes, .. } if self.in_snapshot => ("snapshot", Some(&**routes)),
                Tell::Advertise { routes, .. } => ("advertise", Some(&**routes)),
                Tell::Withdraw { .. } => ("withdraw", None),
            };
            let number = tell.number();
            let told = Told { number, destination: tell.destination(), routes };
            let id = format!("{}-{number}", self.id);
            match Event::default().event(name).id(id).json_data(told) {
                Ok(event) => self.ready.push_back(event),
                Err(error) => tracing::error!(%error, "an event can't be written as JSON"),
            }
        }
        if batch.end_of_snapshot {
            self.in_snapshot = false;
            self.complete_at = Some(batch.tells.last().map_or(0, Tell::number));
            self.ready.push_back(Event::default().event("end_of_snapshot").data("{}"));
        }
    }
}

impl<D: Kind + Send + Sync> Drop for Watch<D> {
    fn drop(&mut self) {
        if let Some(subscription) = self.subscription.take() {
            let parked = Parked {
                id: self.id.clone(),
                table: self.table.shown.clone(),
                complete_at: self.complete_at,
                subscription: Box::new(subscription),
            };
            let watchers: &Arc<Watchers> = &self.api.watchers;
            watchers.park(parked);
        }
    }
}
