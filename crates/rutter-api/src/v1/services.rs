//! Services of providers, for operators: what files and containers ask for, what became of it, and
//! how it is.
//!
//! A service is shown whatever became of it: one that another has the place of, one that is excluded
//! and one that was refused say why. What the table makes of it is under `/v1/tables/services`.

pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod providers;
mod row;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use rutter_providers::monitor::Period;
use rutter_providers::registry::{Entry, PoolKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::row::{STATES, ServiceRow, Uptime, state};
use super::body::{Query, limit};
use super::{ApiError, Code, OfServices, Result};

/// Which services.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ServicesQuery {
    /// Only of this pool: `http`, `stream` or `excluded`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pool: Option<PoolKind>,
    /// Only of this provider, by its full or its short name.
    #[serde(default)]
    provider: Option<String>,
    /// Only in this state: `served`, `unresolved`, `denied`, `not_taken`, `excluded` or `refused`.
    #[serde(default)]
    state: Option<String>,
    /// The most services, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// Where to go on: what the page before had as `next`.
    #[serde(default)]
    after: Option<String>,
}

/// Services, by pool and key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServicesPage {
    /// Those that are served by HTTP, then streams, then what isn't served.
    services: Vec<ServiceRow>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists services.
#[utoipa::path(get, path = "/v1/services", tag = "services", params(ServicesQuery), responses(
    (status = 200, description = "A page of services.", body = ServicesPage),
    (status = 404, description = "There are no providers here.", body = ApiError)))]
pub(crate) async fn list(
    State(api): State<OfServices>,
    Query(query): Query<ServicesQuery>,
) -> Result<Json<ServicesPage>> {
    if let Some(state) = query.state.as_deref().filter(|state| !STATES.contains(state)) {
        let error = format!("state: expected one of {}, found `{state}`", STATES.join(", "));
        return Err(ApiError::new(Code::InvalidParameter, error));
    }
    let after = query.after.as_deref().map(cursor).transpose()?;
    let wanted = |entry: &Entry| {
        let id = &entry.key.provider;
        query.pool.is_none_or(|pool| pool == entry.pool)
            && query.state.as_deref().is_none_or(|is| is == state(entry))
            && query.provider.as_deref().is_none_or(|p| p == id.short_name() || p == id.to_string())
    };
    let limit = limit(query.limit);
    let mut page = api.services.registry.page(after, limit + 1, wanted);
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|last| cursor_of(last));
    Ok(Json(ServicesPage {
        services: page.iter().map(|entry| ServiceRow::new(entry)).collect(),
        next,
    }))
}

/// Where a page ends: the pool and the key there.
fn cursor_of(last: &Entry) -> String {
    format!("{}:{}", last.pool, last.pool_key)
}

fn cursor(text: &str) -> Result<(PoolKind, &str)> {
    let found = text.split_once(':').and_then(|(pool, key)| {
        let pool = PoolKind::ALL.into_iter().find(|kind| kind.as_str() == pool)?;
        Some((pool, key))
    });
    found.ok_or_else(|| {
        ApiError::new(Code::InvalidParameter, "after: expected what a page had as `next`")
    })
}

/// The services of one name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServicesOfName {
    /// What is served by that name first.
    services: Vec<ShownService>,
}

/// One service, and how it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownService {
    #[serde(flatten)]
    row: ServiceRow,
    /// How it was over periods of 5m, 15m, 1h, 1d and 1mo; empty where nobody watches it.
    uptime: Vec<Uptime>,
}

/// Shows what is known by a name: what is asked for, an alias, or a key as a listing has it.
#[utoipa::path(get, path = "/v1/services/{name}", tag = "services",
    params(("name" = String, Path, description = "What is asked for, an alias, or a key.")),
    responses(
    (status = 200, description = "What is known by it.", body = ServicesOfName),
    (status = 404, description = "Nothing is.", body = ApiError)))]
pub(crate) async fn show(
    State(api): State<OfServices>,
    Path(name): Path<String>,
) -> Result<Json<ServicesOfName>> {
    let registry = &api.services.registry;
    let is_called = |entry: &Entry| {
        entry.pool_key == name
            || entry.key.name == name
            || entry.alias.as_ref().is_some_and(|alias| alias.to_string() == name)
            || entry.key.to_string() == name
    };
    let found = registry.page(None, usize::MAX, is_called);
    if found.is_empty() {
        return Err(ApiError::new(Code::NotFound, format!("there is no service `{name}`")));
    }
    let shown = |entry: &Arc<Entry>| {
        let history = |period: Period| {
            let history = api.services.monitors.history(&entry.key, period)?;
            Some(Uptime::new(period, &history))
        };
        let uptime = Period::ALL.into_iter().filter_map(history).collect();
        ShownService { row: ServiceRow::new(entry), uptime }
    };
    Ok(Json(ServicesOfName { services: found.iter().map(shown).collect() }))
}

/// How many routes each pool has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pools {
    /// Served by HTTP.
    http: usize,
    /// Served as streams.
    stream: usize,
    /// Known and not served.
    excluded: usize,
}

/// Counts the pools.
#[utoipa::path(get, path = "/v1/pools", tag = "services", responses(
    (status = 200, description = "How many each has.", body = Pools),
    (status = 404, description = "There are no providers here.", body = ApiError)))]
pub(crate) async fn pools(State(api): State<OfServices>) -> Json<Pools> {
    let registry = &api.services.registry;
    let size = |kind| registry.pool(kind).size();
    Json(Pools {
        http: size(PoolKind::Http),
        stream: size(PoolKind::Stream),
        excluded: size(PoolKind::Excluded),
    })
}
