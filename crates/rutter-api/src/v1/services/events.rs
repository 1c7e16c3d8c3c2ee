//! What happened to services: the last hundred events, or all from now on as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream;
use rutter_providers::registry::{Happened, RegistryEvent};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, Interval, interval_at};
use utoipa::ToSchema;

use crate::v1::auth::Caller;
use crate::v1::watch::KEEP_ALIVE;
use crate::v1::{ApiError, Code, OfServices, Result};

/// Events, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// The last of them, 100 at most.
    events: Vec<EventRow>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventRow {
    /// Its number, rising by one from the start of the program.
    number: u64,
    /// When, in milliseconds since the Unix epoch.
    at_ms: u64,
    /// `added`, `reloaded`, `removed`, `service_up`, `service_down`, or a provider's word.
    #[schema(example = "service_down")]
    what: String,
    /// The service's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The provider.
    provider: String,
    /// What was seen, or who did it.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl From<&RegistryEvent> for EventRow {
    fn from(event: &RegistryEvent) -> Self {
        let (entry, detail) = match &event.what {
            Happened::Added(entry) | Happened::Reloaded(entry) | Happened::Removed(entry) => {
                (Some(entry), String::new())
            }
            Happened::Up(entry, seen) | Happened::Down(entry, seen) => {
                (Some(entry), seen.detail.clone())
            }
            Happened::Provider { actor, .. } => (None, actor.to_string()),
        };
        let provider = match (&event.what, entry) {
            (Happened::Provider { provider, .. }, _) => provider.to_string(),
            (_, Some(entry)) => entry.key.provider.to_string(),
            (_, None) => String::new(),
        };
        Self {
            number: event.number,
            at_ms: event.at.0,
            what: event.what.action().to_owned(),
            key: entry.map(|entry| entry.key.to_string()),
            provider,
            detail,
        }
    }
}

/// What happened last.
#[utoipa::path(get, path = "/v1/events", tag = "services", responses(
    (status = 200, description = "The last events, the oldest first.", body = EventsAnswer),
    (status = 404, description = "There are no providers here.", body = ApiError)))]
pub(crate) async fn list(State(api): State<OfServices>) -> Json<EventsAnswer> {
    let recent = api.services.registry.recent_events();
    Json(EventsAnswer { events: recent.iter().map(|event| EventRow::from(&**event)).collect() })
}

/// What happened behind the event of `Last-Event-ID` as far as it is kept (without that header:
/// all that is kept), and what happens from then on, as server-sent events. An event `missed` says
/// how many this reader was too slow for.
#[utoipa::path(get, path = "/v1/events/watch", tag = "services",
    params(("Last-Event-ID" = Option<u64>, Header, description = "Where to go on.")),
    responses(
    (status = 200, content_type = "text/event-stream", body = String,
        description = "Events named as `what`; the data of each is as in the list."),
    (status = 404, description = "There are no providers here.", body = ApiError),
    (status = 429, description = "There are as many watchers as there may be.", body = ApiError)))]
pub(crate) async fn watch(
    State(api): State<OfServices>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response> {
    let permit = api.watchers.enter().ok_or_else(|| {
        ApiError::new(Code::TooMany, "there are as many watchers as there may be; try again later")
    })?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let (kept, live) = api.services.registry.follow_events();
    let kept = kept.into_iter().filter(|event| last.is_none_or(|last: u64| event.number > last));
    let recheck = api.recheck;
    let watch = Watch {
        kept: kept.collect(),
        live,
        recheck: interval_at(Instant::now() + recheck, recheck),
        caller,
        api: api.clone(),
        _permit: permit,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A watch under way.
struct Watch {
    kept: VecDeque<Arc<RegistryEvent>>,
    live: Receiver<Arc<RegistryEvent>>,
    recheck: Interval,
    caller: Caller,
    api: OfServices,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// The next event; `None` when the watch has ended.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.kept.pop_front() {
            return Some(told(&event));
        }
        loop {
            tokio::select! {
                () = self.api.stop.cancelled() => return None,
                event = self.live.recv() => match event {
                    Ok(event) => return Some(told(&event)),
                    Err(RecvError::Lagged(n)) => {
                        return Some(Event::default().event("missed").data(n.to_string()));
                    }
                    Err(RecvError::Closed) => return None,
                },
                _ = self.recheck.tick() => self.api.still_allowed(&self.caller).await?,
            }
        }
    }
}

fn told(event: &RegistryEvent) -> Event {
    let row = EventRow::from(event);
    let (name, id) = (row.what.clone(), row.number.to_string());
    let event = Event::default().event(name).id(id);
    event.json_data(row).unwrap_or_else(|error| {
        tracing::error!(%error, "an event can't be written as JSON");
        Event::default().event("missed").data("1")
    })
}
