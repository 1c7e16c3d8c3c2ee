//! Tables, their routes, and why.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use rutter_rib::{Counts, Kind, Table, ViewId};
use rutter_route::{Attributes, DestinationKind, PathId, SourceId, Standing};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Query, limit};
use super::{Api, ApiError, Code, Result};
use crate::tables::{TableAt, by_kind};

/// Destinations whose routes are copied while the table's owner waits.
const SLICE: usize = 64;

/// The tables.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TablesAnswer {
    /// In the order in which they resolve.
    tables: Vec<TableAnswer>,
}

/// A table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableAnswer {
    /// Its name. In a path `/` is written `%2F`.
    #[schema(value_type = String, example = "services")]
    name: rutter_route::TableName,
    /// What its destinations are: `prefix`, `service` or `cluster`.
    #[schema(value_type = String, example = "service")]
    kind: DestinationKind,
    /// How full it is.
    #[schema(value_type = Object)]
    counts: Counts,
}

/// Lists the tables.
#[utoipa::path(get, path = "/v1/tables", tag = "routes", responses(
    (status = 200, description = "All tables of this process.", body = TablesAnswer)))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<TablesAnswer>> {
    let mut tables = Vec::new();
    for table in api.tables.iter() {
        let counts = table.counts().await?;
        tables.push(TableAnswer { name: table.shown.clone(), kind: table.kind, counts });
    }
    Ok(Json(TablesAnswer { tables }))
}

/// Which routes.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RoutesQuery {
    /// Only of this destination.
    #[serde(default)]
    destination: Option<String>,
    /// Only of this source, such as `agent/alice`.
    #[serde(default)]
    source: Option<String>,
    /// The most destinations, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last destination of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Routes by destination.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoutesPage {
    /// Destinations in order; of each, the ranked routes in order and the barred ones behind.
    routes: Vec<RouteRow>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteRow {
    /// The destination.
    #[schema(example = "web.alice.localhost")]
    destination: String,
    /// Whose claim it is.
    #[schema(value_type = String, example = "agent/alice")]
    source: SourceId,
    /// Which of the source's routes.
    #[schema(value_type = String, example = "http 127.0.0.1:3000")]
    path: PathId,
    /// How it stands.
    #[schema(value_type = String, example = "eligible")]
    standing: Standing,
    /// Its place among those that may be used, from 1; absent for one that is barred.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    /// Whether it is the best, or as good.
    best: bool,
    /// What counts, after policy and decisions.
    #[schema(value_type = Object)]
    attributes: Attributes,
}

/// Lists a table's routes.
#[utoipa::path(get, path = "/v1/tables/{table}/routes", tag = "routes",
    params(("table" = String, Path, description = "The table."), RoutesQuery), responses(
    (status = 200, description = "A page of routes.", body = RoutesPage),
    (status = 404, description = "There is no such table.", body = ApiError)))]
pub(crate) async fn routes(
    State(api): State<Api>,
    Path(table): Path<String>,
    Query(query): Query<RoutesQuery>,
) -> Result<Json<RoutesPage>> {
    let table = api.table(&table)?;
    by_kind!(table.kind, page_of(table, query)).map(Json)
}

async fn page_of<D: Kind + Send + Sync>(table: &TableAt, query: RoutesQuery) -> Result<RoutesPage> {
    let after: Option<D> = parameter("after", query.after.as_deref())?;
    let only: Option<D> = parameter("destination", query.destination.as_deref())?;
    let source: Option<SourceId> = parameter("source", query.source.as_deref())?;
    let limit = limit(query.limit);
    let wanted = source.clone();
    let wanted = move |table: &Table<D>, destination: &D| {
        let of =
            |source: &SourceId| table.candidates(destination).iter().any(|c| c.source == source);
        wanted.as_ref().is_none_or(of)
    };
    let destinations = match only {
        Some(destination) => vec![destination],
        None => {
            let page = table.book.page(table.name.clone(), after, limit, wanted);
            page.await?.unwrap_or_default()
        }
    };
    let full = destinations.len() == limit;
    let next = destinations.last().filter(|_| full).map(ToString::to_string);
    let mut routes = Vec::new();
    for slice in destinations.chunks(SLICE) {
        let (slice, name, source) = (slice.to_vec(), table.name.clone(), source.clone());
        let copied = table.book.read(move |book, _| {
            let table = book.table::<D>(&name);
            let of = |table: &Table<D>| {
                slice.iter().flat_map(|d| copy(table, d, source.as_ref())).collect::<Vec<_>>()
            };
            table.map(of).unwrap_or_default()
        });
        routes.extend(copied.await?);
    }
    Ok(RoutesPage { routes, next })
}

/// A destination's routes: ranked ones in order, barred ones behind.
fn copy<D: Kind>(table: &Table<D>, destination: &D, of: Option<&SourceId>) -> Vec<RouteRow> {
    let selected = table.selected(destination, ViewId::DEFAULT);
    let mut routes: Vec<_> = table
        .candidates(destination)
        .into_iter()
        .map(|candidate| {
            let is = |r: &rutter_rib::SelectedRoute<'_>| {
                r.source == candidate.source && r.path == candidate.path
            };
            let place = selected.routes().iter().position(is);
            let best = place.and_then(|at| selected.routes().get(at)).is_some_and(|r| r.equal);
            RouteRow {
                destination: destination.to_string(),
                source: candidate.source.clone(),
                path: candidate.path.clone(),
                standing: candidate.standing,
                rank: place.map(|place| place + 1),
                best,
                attributes: candidate.attributes.clone(),
            }
        })
        .collect();
    routes.sort_by_key(|route| route.rank.unwrap_or(usize::MAX));
    routes.retain(|route| of.is_none_or(|source| *source == route.source));
    routes
}

/// Which destination.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// The destination.
    destination: String,
}

/// Says all there is to say about a destination: every candidate, its facts, why it isn't the
/// best, and what happened.
#[utoipa::path(get, path = "/v1/tables/{table}/routes/explain", tag = "routes",
    params(("table" = String, Path, description = "The table."), ExplainQuery), responses(
    (status = 200, description = "The explanation.", body = Object),
    (status = 404, description = "There is no such table, or nothing is known.", body = ApiError)))]
pub(crate) async fn explain(
    State(api): State<Api>,
    Path(table): Path<String>,
    Query(query): Query<ExplainQuery>,
) -> Result<Response> {
    let table = api.table(&table)?;
    by_kind!(table.kind, explain_of(table, &query.destination))
}

async fn explain_of<D: Kind + Send + Sync + Serialize>(
    table: &TableAt,
    destination: &str,
) -> Result<Response> {
    let parsed: Option<D> = parameter("destination", Some(destination))?;
    let unknown = || {
        let table = &table.shown;
        let error = format!("`{table}` has no `{destination}`, and remembers nothing of it");
        ApiError::new(Code::NotFound, error)
    };
    let parsed = parsed.ok_or_else(unknown)?;
    let told = table.book.explain(table.name.clone(), parsed).await?;
    let mut told = told.ok_or_else(unknown)?;
    if told.candidates.is_empty() && told.events.is_empty() {
        return Err(unknown());
    }
    told.table = table.shown.clone();
    Ok(Json(told).into_response())
}

impl Api {
    /// The table that is shown under a name.
    pub(crate) fn table(&self, shown: &str) -> Result<&TableAt> {
        self.tables.get(shown).ok_or_else(|| {
            let all: Vec<_> = self.tables.iter().map(|table| table.shown.as_str()).collect();
            let all = all.join(", ");
            ApiError::new(Code::NotFound, format!("there is no table `{shown}`, only {all}"))
        })
    }
}

fn parameter<T: std::str::FromStr<Err = rutter_route::ParseError>>(
    name: &str,
    text: Option<&str>,
) -> Result<Option<T>> {
    let wrong = |why| ApiError::new(Code::InvalidParameter, format!("{name}: {why}"));
    text.map(str::parse).transpose().map_err(wrong)
}
