//! Nodes, for operators: who they are, what they advertise, and what people say of it.
//!
//! Reading needs the scope `read`, every word of a person `admin`: what is approved here forwards
//! packets elsewhere.

mod error;
pub(crate) mod moves;
pub(crate) mod pending;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod preauth;
pub(crate) mod routes;
pub(crate) mod rows;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use rutter_nodes::fleet::{NodeRef, NodeView};
use rutter_nodes::{Node as FleetNode, Owner, parse_tag};
use rutter_route::{NodeId, ParseError, Tag, Wall};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::rows::RouteRow;
use super::auth::Caller;
use super::body::{Body, Query, limit};
use super::{ApiError, Code, OfNodes, Result};

/// A node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeAnswer {
    /// Its number: the lowest is the oldest.
    id: u64,
    /// Its name, its own alone.
    #[schema(example = "router-1")]
    name: String,
    /// The Ed25519 key that it shows, 64 hex digits.
    key: String,
    /// Whose it is; absent for a tagged one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice@")]
    user: Option<String>,
    /// What it is instead of a user's.
    #[schema(example = json!(["tag:router"]))]
    tags: Vec<String>,
    /// Its addresses in the mesh.
    addresses: Vec<String>,
    /// `online`, `offline`, `draining` (online, and to be used last) or `expired`.
    #[schema(example = "online")]
    state: &'static str,
    /// When its session began or ended, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    /// Where its packets are sent to on the underlay.
    endpoints: Vec<String>,
    /// It is deleted when it has been away for a while.
    ephemeral: bool,
    /// When it came.
    created_ms: u64,
    /// From when on its key isn't taken any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_ms: Option<u64>,
    /// The number of the map that it was told last, where it has a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    map_told: Option<u64>,
    /// The number of the map that it says it uses: the same when it is up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    map_applied: Option<u64>,
    /// Its routes.
    routes: Vec<RouteRow>,
}

impl From<NodeView> for NodeAnswer {
    fn from(view: NodeView) -> Self {
        let state = state(&view);
        let name = view.node.name.to_string();
        let routes = view.rows.into_iter().map(|row| RouteRow::new(row, &name)).collect();
        Self {
            since_ms: view.since.map(|at| at.0),
            endpoints: view.endpoints.iter().map(ToString::to_string).collect(),
            map_told: view.map.map(|(told, _)| told),
            map_applied: view.map.map(|(_, applied)| applied),
            routes,
            state,
            ..Self::of_node(view.node)
        }
    }
}

impl NodeAnswer {
    /// Who it is, without what changes with its session.
    fn of_node(node: FleetNode) -> Self {
        let (user, tags) = match &node.owner {
            Owner::User(user) => (Some(user.to_string()), Vec::new()),
            Owner::Tags(tags) => (None, tags.iter().map(ToString::to_string).collect()),
        };
        Self {
            id: node.id.0,
            name: node.name.to_string(),
            key: node.key.to_string(),
            user,
            tags,
            addresses: node.addresses.iter().map(ToString::to_string).collect(),
            state: "offline",
            since_ms: None,
            endpoints: Vec::new(),
            ephemeral: node.ephemeral,
            created_ms: node.created.0,
            expiry_ms: node.expiry.map(|at| at.0),
            map_told: None,
            map_applied: None,
            routes: Vec::new(),
        }
    }
}

/// The words of [`state`].
pub(crate) const STATES: [&str; 4] = ["online", "offline", "draining", "expired"];

/// One word for how a node is. An expired one has no session, one that drains has one.
pub(crate) fn state(view: &NodeView) -> &'static str {
    match (view.expired, view.online, view.draining) {
        (true, ..) => "expired",
        (_, false, _) => "offline",
        (_, _, true) => "draining",
        (_, true, false) => "online",
    }
}

/// Nodes in the order of their numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodesPage {
    /// The nodes.
    nodes: Vec<NodeAnswer>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Which part of the nodes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NodesQuery {
    /// The most nodes, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last number of the page before.
    #[serde(default)]
    after: Option<u64>,
}

/// Lists nodes with their routes.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", params(NodesQuery), responses(
    (status = 200, description = "A page of nodes.", body = NodesPage)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Query(query): Query<NodesQuery>,
) -> Result<Json<NodesPage>> {
    let limit = limit(query.limit);
    let views = api.fleet.nodes(query.after.map(NodeId), limit).await?;
    let next = views.last().filter(|_| views.len() == limit).map(|view| view.node.id.0);
    Ok(Json(NodesPage { nodes: views.into_iter().map(NodeAnswer::from).collect(), next }))
}

/// Shows a node with its routes.
#[utoipa::path(get, path = "/v1/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The node.", body = NodeAnswer),
    (status = 404, description = "There is no such node.", body = ApiError)))]
pub(crate) async fn show(
    State(api): State<OfNodes>,
    Path(node): Path<String>,
) -> Result<Json<NodeAnswer>> {
    Ok(Json(api.node(&node).await?.into()))
}

/// What is to change of a node. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeChange {
    /// Its name.
    #[serde(default)]
    #[schema(example = "router-1")]
    name: Option<String>,
    /// Its tags, at least one. A tagged node is nobody's, and stays tagged.
    #[serde(default)]
    #[schema(example = json!(["tag:router"]))]
    tags: Option<Vec<String>>,
    /// From when on its key isn't taken any more, in milliseconds since the Unix epoch; 0: from now
    /// on; `null`: never.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    expiry_ms: Option<Option<u64>>,
}

/// Tells `null` from what is absent.
fn said<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// Renames a node, gives it other tags, or says when its key ends: one after the other, in this
/// order, so what comes after a mistake isn't done.
#[utoipa::path(patch, path = "/v1/nodes/{node}", tag = "nodes", request_body = NodeChange,
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "The node as it is now.", body = NodeAnswer),
    (status = 404, description = "There is no such node.", body = ApiError),
    (status = 409, description = "Another node has the name.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn change(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
    Body(body): Body<NodeChange>,
) -> Result<Json<NodeAnswer>> {
    let mut view = api.node(&node).await?;
    let (id, who) = (view.node.id, caller.name.as_str());
    let name = body.name.map(|name| name.parse()).transpose().map_err(field("name"))?;
    let tags = body.tags.map(|tags| parse_tags(&tags)).transpose()?;
    if let Some(name) = name {
        view = api.fleet.rename(who, id, name).await?;
    }
    if let Some(tags) = tags {
        view = api.fleet.set_tags(who, id, tags).await?;
    }
    if let Some(expiry) = body.expiry_ms {
        let at = expiry.map(|ms| if ms == 0 { api.controlled.clock.now().wall } else { Wall(ms) });
        view = api.fleet.expire(who, id, at).await?;
    }
    Ok(Json(view.into()))
}

/// A node that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedNode {
    /// Its number, which nobody gets again.
    id: u64,
    /// Its name, which is free.
    name: String,
    /// Its routes as they were.
    routes: Vec<RouteRow>,
}

/// Deletes a node with all its routes, in one step. Its key opens nothing any more.
#[utoipa::path(delete, path = "/v1/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "The node's number or name.")), responses(
    (status = 200, description = "It is deleted; what it was.", body = DeletedNode),
    (status = 404, description = "There is no such node.", body = ApiError)))]
pub(crate) async fn remove(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<String>,
) -> Result<Json<DeletedNode>> {
    let node = api.node(&node).await?.node;
    let rows = api.fleet.delete(&caller.name, node.id).await?;
    let name = node.name.to_string();
    let routes = rows.into_iter().map(|row| RouteRow::new(row, &name)).collect();
    Ok(Json(DeletedNode { id: node.id.0, name, routes }))
}

impl OfNodes {
    /// The node that a path names.
    pub(crate) async fn node(&self, text: &str) -> Result<NodeView> {
        let unknown = || ApiError::new(Code::NotFound, format!("there is no node `{text}`"));
        let of: NodeRef = text.parse().map_err(|_| unknown())?;
        Ok(self.fleet.node(&of).await?)
    }
}

/// Names the field that can't be read.
pub(crate) fn field(name: &'static str) -> impl Fn(ParseError) -> ApiError {
    move |why| ApiError::field(name, why)
}

/// Reads tags of a body.
pub(crate) fn parse_tags(tags: &[String]) -> Result<Vec<Tag>> {
    tags.iter()
        .map(|tag| parse_tag(tag))
        .collect::<std::result::Result<_, _>>()
        .map_err(field("tags"))
}
