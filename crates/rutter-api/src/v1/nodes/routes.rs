//! What people say of a node's routes.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use rutter_nodes::fleet::Preferred;
use rutter_route::{NodeId, Prefix};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::field;
use super::rows::{RouteRow, RowsPage};
use crate::v1::auth::Caller;
use crate::v1::body::Body;
use crate::v1::{ApiError, OfNodes, Result};

/// The most prefixes that one request names.
const MAX_PREFIXES: usize = 1024;

/// Lists a node's routes.
#[utoipa::path(get, path = "/v1/nodes/{node}/routes", tag = "nodes",
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "Its routes.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Path(node): Path<String>,
) -> Result<Json<RowsPage>> {
    let view = api.node(&node).await?;
    let name = view.node.name.to_string();
    let routes = view.rows.into_iter().map(|row| RouteRow::new(row, &name)).collect();
    Ok(Json(RowsPage { routes, next: None }))
}

/// A word on several routes of a node.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnRoutes {
    /// Which; of an exit route both families are meant, whichever is named.
    #[schema(example = json!(["10.1.0.0/24"]))]
    prefixes: Vec<String>,
    /// Why, for whoever looks later.
    #[serde(default)]
    why: String,
    /// An approval of what the node doesn't advertise waits until it does, instead of being refused.
    #[serde(default)]
    in_advance: bool,
}

/// A word on one route of a node.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnRoute {
    /// Which.
    #[schema(example = "10.1.0.0/24")]
    prefix: String,
    /// Why, for whoever looks later.
    #[serde(default)]
    why: String,
}

/// A word on one route of a node, or on all of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnSome {
    /// Which; absent: all of the node's.
    #[serde(default)]
    #[schema(example = "10.1.0.0/24")]
    prefix: Option<String>,
    /// Why, for whoever looks later.
    #[serde(default)]
    why: String,
}

/// How much a node is preferred.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnPreference {
    /// For which route; absent: for all of the node's.
    #[serde(default)]
    #[schema(example = "10.1.0.0/24")]
    prefix: Option<String>,
    /// The higher goes first; absent: as all others, 100.
    #[serde(default)]
    #[schema(example = 200)]
    preference: Option<u32>,
    /// Why, for whoever looks later.
    #[serde(default)]
    why: String,
}

/// Approves routes of a node, all of them or none.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/approve", tag = "nodes", request_body = OnRoutes,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The routes as they are now.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 409, description = "One isn't advertised.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn approve(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnRoutes>,
) -> Result<Json<RowsPage>> {
    let (id, name) = api.named(&node).await?;
    let (prefixes, word) = (prefixes(&body.prefixes)?, (&*caller.name, &*body.why));
    let rows = api.fleet.approve(word, id, &prefixes, body.in_advance).await?;
    Ok(page(rows, &name))
}

/// Revokes routes of a node. No rule approves them from then on.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/revoke", tag = "nodes", request_body = OnRoutes,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The routes as they are now.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn revoke(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnRoutes>,
) -> Result<Json<RowsPage>> {
    let (id, name) = api.named(&node).await?;
    let (prefixes, word) = (prefixes(&body.prefixes)?, (&*caller.name, &*body.why));
    let rows = api.fleet.revoke(word, id, &prefixes).await?;
    Ok(page(rows, &name))
}

/// Deletes the row of a route that isn't advertised, with every word on it.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/forget", tag = "nodes", request_body = OnRoute,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The node's routes that are left.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 409, description = "It is advertised: revoke it instead.", body = ApiError)))]
pub(crate) async fn forget(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnRoute>,
) -> Result<Json<RowsPage>> {
    let (id, _) = api.named(&node).await?;
    let prefix = prefix(&body.prefix)?;
    api.fleet.forget((&caller.name, &body.why), id, &prefix).await?;
    list(State(api), Path(node)).await
}

/// Makes a node the primary of a prefix.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/primary", tag = "nodes", request_body = OnRoute,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The route as it is now.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 409, description = "It would not be; says why.", body = ApiError)))]
pub(crate) async fn primary(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnRoute>,
) -> Result<Json<RowsPage>> {
    let (id, name) = api.named(&node).await?;
    let prefix = prefix(&body.prefix)?;
    let row = api.fleet.set_primary((&caller.name, &body.why), id, &prefix).await?;
    Ok(page(vec![row], &name))
}

/// Prefers a node for a route, or for all of its routes.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/preference", tag = "nodes",
    request_body = OnPreference,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The routes as they are now.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn preference(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnPreference>,
) -> Result<Json<RowsPage>> {
    let (id, name) = api.named(&node).await?;
    let prefix = body.prefix.as_deref().map(prefix).transpose()?;
    let how = body.preference.map_or(Preferred::AsAll, Preferred::By);
    let rows = api.fleet.prefer((&caller.name, &body.why), id, prefix.as_ref(), how).await?;
    Ok(page(rows, &name))
}

/// What became of a drain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DrainAnswer {
    /// Prefixes that another node routes now.
    moved: Vec<MovedTo>,
    /// Prefixes that nobody else could take: the node still has them.
    #[schema(value_type = Vec<String>)]
    kept: Vec<Prefix>,
    /// Numbers of nodes that haven't said in time that they use the new map: while there are some,
    /// what they send may still come to the drained node.
    unconfirmed: Vec<u64>,
}

/// A prefix and who routes it now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovedTo {
    /// The prefix.
    #[schema(value_type = String, example = "10.1.0.0/24")]
    prefix: Prefix,
    /// The node's number.
    to: u64,
}

/// Has others take over from a node, while it still forwards; answers when those that are connected
/// use the new way, or after 10 s.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/drain", tag = "nodes", request_body = OnSome,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "What became of it.", body = DrainAnswer),
    (status = 404, description = "There is no such node.", body = ApiError)))]
pub(crate) async fn drain(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnSome>,
) -> Result<Json<DrainAnswer>> {
    let (id, _) = api.named(&node).await?;
    let prefix = body.prefix.as_deref().map(prefix).transpose()?;
    let drained = api.fleet.drain((&caller.name, &body.why), id, prefix.as_ref()).await?;
    let moved = drained.moved.into_iter().map(|(prefix, to)| MovedTo { prefix, to: to.0 });
    Ok(Json(DrainAnswer {
        moved: moved.collect(),
        kept: drained.kept,
        unconfirmed: drained.unconfirmed.into_iter().map(|node| node.0).collect(),
    }))
}

/// Uses a drained node as any other again.
#[utoipa::path(post, path = "/v1/nodes/{node}/routes/undrain", tag = "nodes", request_body = OnSome,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The routes as they are now.", body = RowsPage),
    (status = 404, description = "There is no such node.", body = ApiError)))]
pub(crate) async fn undrain(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<OnSome>,
) -> Result<Json<RowsPage>> {
    let (id, name) = api.named(&node).await?;
    let prefix = body.prefix.as_deref().map(prefix).transpose()?;
    let rows = api.fleet.undrain((&caller.name, &body.why), id, prefix.as_ref()).await?;
    Ok(page(rows, &name))
}

impl OfNodes {
    /// The number and name of the node that a path names.
    async fn named(&self, text: &str) -> Result<(NodeId, String)> {
        let node = self.node(text).await?.node;
        Ok((node.id, node.name.to_string()))
    }
}

fn page(rows: Vec<rutter_nodes::RouteRow>, name: &str) -> Json<RowsPage> {
    let routes = rows.into_iter().map(|row| RouteRow::new(row, name)).collect();
    Json(RowsPage { routes, next: None })
}

fn prefix(text: &str) -> Result<Prefix> {
    text.parse().map_err(field("prefix"))
}

fn prefixes(texts: &[String]) -> Result<Vec<Prefix>> {
    if !(1..=MAX_PREFIXES).contains(&texts.len()) {
        return Err(ApiError::field("prefixes", format!("1 to {MAX_PREFIXES} are expected")));
    }
    let parsed: std::result::Result<_, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map_err(field("prefixes"))
}
