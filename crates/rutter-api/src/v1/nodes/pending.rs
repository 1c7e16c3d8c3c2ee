//! Nodes that wait for a person's word.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rutter_nodes::Owner;
use rutter_nodes::fleet::Pending;
use rutter_registry::PublicKey;
use rutter_route::Tags;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{NodeAnswer, field, parse_tags};
use crate::v1::auth::Caller;
use crate::v1::body::Body;
use crate::v1::{ApiError, Code, OfNodes, Result};

/// A node that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingNode {
    /// The Ed25519 key that it shows, 64 hex digits: compare it with what its own command says.
    key: String,
    /// The name that it wants.
    #[schema(example = "router-1")]
    name: String,
    /// Where it speaks from.
    #[schema(example = "192.0.2.7:51234")]
    from: String,
    /// Since when, in milliseconds since the Unix epoch.
    since_ms: u64,
}

impl From<Pending> for PendingNode {
    fn from(pending: Pending) -> Self {
        Self {
            key: pending.key.to_string(),
            name: pending.name.to_string(),
            from: pending.from.to_string(),
            since_ms: pending.since.0,
        }
    }
}

/// Nodes that wait, the longest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PendingNodes {
    /// The nodes; at most 1,000 wait.
    pending: Vec<PendingNode>,
}

/// Lists the nodes that wait for a person's word.
#[utoipa::path(get, path = "/v1/nodes/pending", tag = "nodes", responses(
    (status = 200, description = "All that wait.", body = PendingNodes)))]
pub(crate) async fn list(State(api): State<OfNodes>) -> Json<PendingNodes> {
    let pending = api.fleet.pending().into_iter().map(PendingNode::from).collect();
    Json(PendingNodes { pending })
}

/// Whose a node is to be: a user's, or its tags alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNode {
    /// The user; without tags.
    #[serde(default)]
    #[schema(example = "alice@")]
    user: Option<String>,
    /// The tags; without a user.
    #[serde(default)]
    tags: Vec<String>,
    /// Its name; absent: the one that it wants.
    #[serde(default)]
    name: Option<String>,
}

/// Lets a node in that waits; or beforehand, if it is given a name.
#[utoipa::path(post, path = "/v1/nodes/pending/{key}/register", tag = "nodes", request_body = NewNode,
    params(("key" = String, Path, description = "The node's key.")), responses(
    (status = 201, description = "It is a node.", body = NodeAnswer),
    (status = 404, description = "No such key waits, or there is no such user.", body = ApiError),
    (status = 409, description = "Another has the name or the key.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn register(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Body(body): Body<NewNode>,
) -> Result<(StatusCode, Json<NodeAnswer>)> {
    let key = parse_key(&key)?;
    let name = body.name.map(|name| name.parse()).transpose().map_err(field("name"))?;
    let owner = owner(body.user.as_deref(), &body.tags)?;
    let node = api.fleet.register(&caller.name, key, owner, name).await?;
    Ok((StatusCode::CREATED, Json(NodeAnswer::of_node(node))))
}

/// Sends a node away that waits. It may ask again.
#[utoipa::path(delete, path = "/v1/nodes/pending/{key}", tag = "nodes",
    params(("key" = String, Path, description = "The node's key.")), responses(
    (status = 200, description = "It doesn't wait any more.", body = PendingNode),
    (status = 404, description = "No such key waits.", body = ApiError)))]
pub(crate) async fn reject(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<PendingNode>> {
    Ok(Json(api.fleet.reject(&caller.name, &parse_key(&key)?)?.into()))
}

fn parse_key(text: &str) -> Result<PublicKey> {
    text.parse().map_err(|why| ApiError::new(Code::InvalidParameter, why))
}

fn owner(user: Option<&str>, tags: &[String]) -> Result<Owner> {
    match (user, tags) {
        (Some(user), []) => Ok(Owner::User(user.parse().map_err(field("user"))?)),
        (None, tags) if !tags.is_empty() => {
            let tags = Tags::try_from(parse_tags(tags)?).map_err(field("tags"))?;
            Ok(Owner::Tags(tags))
        }
        _ => Err(ApiError::field("user", "either a user or tags are expected")),
    }
}
