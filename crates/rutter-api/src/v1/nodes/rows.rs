//! Rows of routes: the fields that Headscale's proposal named, and who said what.

use axum::Json;
use axum::extract::State;
use rutter_nodes::{RouteRow as FleetRow, WasEnabled as FleetWasEnabled};
use rutter_route::{NodeId, Prefix, Standing, Word};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::v1::body::{Query, limit};
use crate::v1::{ApiError, Code, OfNodes, Result};

/// A node's route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeRoute)]
pub(crate) struct RouteRow {
    /// The row's number.
    id: u64,
    /// The node's number.
    node: u64,
    /// The node's name.
    #[schema(example = "router-1")]
    node_name: String,
    /// To where; `0.0.0.0/0` and `::/0` are an exit node's.
    #[schema(value_type = String, example = "10.1.0.0/24")]
    prefix: Prefix,
    /// The node says it has it. A lost session takes nothing back.
    advertised: bool,
    /// Advertised and approved: it may be used.
    enabled: bool,
    /// It is the one that is used for its prefix; never an exit route.
    is_primary: bool,
    /// It was used last, where the prefix has no primary now.
    was_primary: bool,
    /// How it stands, if it is advertised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "eligible")]
    standing: Option<Standing>,
    /// The word on it that counts; without `advertised` an approval waits for the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Said<bool>>,
    /// The word on its preference that counts; all else has 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    preference: Option<Said<u32>>,
    /// The word that it is to be used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    drain: Option<Said<bool>>,
    /// The approval that the last withdrawal ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    was_enabled: Option<WasEnabled>,
    /// Since when there is such a row, in milliseconds since the Unix epoch.
    created_ms: u64,
    /// When it was last advertised, withdrawn, approved, revoked, or won or lost its prefix.
    updated_ms: u64,
    /// When it went with its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_ms: Option<u64>,
}

/// A word on a route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said<T> {
    /// What was said.
    is: T,
    /// Whose word it is.
    #[schema(example = "rule `autoApprovers`")]
    by: String,
    /// Why; may be empty.
    why: String,
    /// When, in milliseconds since the Unix epoch.
    at_ms: u64,
}

impl<T> Said<T> {
    fn of<U>(word: Word<U>, is: impl FnOnce(U) -> T) -> Self {
        Self { is: is(word.is), by: word.by.to_string(), why: word.why, at_ms: word.at.0 }
    }
}

/// An approval that ended with its route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WasEnabled {
    /// Whose it was.
    by: String,
    /// Since when, in milliseconds since the Unix epoch.
    since_ms: u64,
    /// Until when.
    until_ms: u64,
    /// The same as a sentence.
    text: String,
}

impl From<FleetWasEnabled> for WasEnabled {
    fn from(was: FleetWasEnabled) -> Self {
        Self {
            text: was.to_string(),
            by: was.by.to_string(),
            since_ms: was.since.0,
            until_ms: was.until.0,
        }
    }
}

impl RouteRow {
    /// The row of a node's route.
    pub(crate) fn new(row: FleetRow, node_name: &str) -> Self {
        Self {
            id: row.id.0,
            node: row.node.0,
            node_name: node_name.to_owned(),
            prefix: row.prefix,
            advertised: row.advertised,
            enabled: row.enabled,
            is_primary: row.is_primary,
            was_primary: row.was_primary,
            standing: row.standing,
            approval: row.approval.map(|word| Said::of(word, |is| is)),
            preference: row.preference.map(|word| Said::of(word, |is| is)),
            drain: row.drain.map(|word| Said::of(word, |()| true)),
            was_enabled: row.was_enabled.map(WasEnabled::from),
            created_ms: row.created.0,
            updated_ms: row.updated.0,
            deleted_ms: row.deleted.map(|at| at.0),
        }
    }
}

/// Rows by node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeRoutes)]
pub(crate) struct RowsPage {
    /// The rows, in the order of nodes and prefixes.
    pub(super) routes: Vec<RouteRow>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<u64>,
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsQuery {
    /// Only of this prefix.
    #[serde(default)]
    prefix: Option<String>,
    /// The most nodes whose rows are told, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last node's number of the page before.
    #[serde(default)]
    after: Option<u64>,
}

/// Lists the routes of all nodes.
#[utoipa::path(get, path = "/v1/routes", tag = "nodes", params(RowsQuery), responses(
    (status = 200, description = "A page of routes.", body = RowsPage)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Query(query): Query<RowsQuery>,
) -> Result<Json<RowsPage>> {
    let only = query.prefix.map(|text| text.parse::<Prefix>()).transpose();
    let only = only.map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
    let limit = limit(query.limit);
    let views = api.fleet.nodes(query.after.map(NodeId), limit).await?;
    let next = views.last().filter(|_| views.len() == limit).map(|view| view.node.id.0);
    let rows = views.into_iter().flat_map(|view| {
        let name = view.node.name.to_string();
        view.rows.into_iter().map(move |row| RouteRow::new(row, &name))
    });
    let routes = rows.filter(|row| only.is_none_or(|prefix| row.prefix == prefix)).collect();
    Ok(Json(RowsPage { routes, next }))
}
