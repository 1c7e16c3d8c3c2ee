//! Pre-auth keys: who has one brings a node in without asking anybody.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rutter_nodes::fleet::{NewPreauthKey, PreauthKey as FleetKey};
use rutter_registry::TokenId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{field, parse_tags};
use crate::v1::auth::Caller;
use crate::v1::body::{Body, Query, limit};
use crate::v1::{ApiError, Code, OfNodes, Result};

/// A pre-auth key without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreauthKey {
    /// Its public name.
    id: String,
    /// Whose its nodes are; of tagged ones, who answers for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice@")]
    user: Option<String>,
    /// What its nodes are tagged with.
    tags: Vec<String>,
    /// It may be used more than once.
    reusable: bool,
    /// Its nodes are deleted when they have been away for a while.
    ephemeral: bool,
    /// When a node last came in by it, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_ms: Option<u64>,
    /// When it was made.
    created_ms: u64,
    /// Until when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    /// Since when it isn't, by a person's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_ms: Option<u64>,
}

impl From<FleetKey> for PreauthKey {
    fn from(key: FleetKey) -> Self {
        Self {
            id: key.id.to_string(),
            user: key.user.map(|user| user.to_string()),
            tags: key.tags.iter().map(ToString::to_string).collect(),
            reusable: key.reusable,
            ephemeral: key.ephemeral,
            last_used_ms: key.last_used.map(|at| at.0),
            created_ms: key.created.0,
            expires_ms: key.expires.map(|at| at.0),
            revoked_ms: key.revoked.map(|at| at.0),
        }
    }
}

/// Pre-auth keys in the order of their public names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreauthKeys {
    /// The keys, those that ended among them.
    keys: Vec<PreauthKey>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of the keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PreauthQuery {
    /// The most keys, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last public name of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Lists pre-auth keys.
#[utoipa::path(get, path = "/v1/preauth-keys", tag = "nodes", params(PreauthQuery), responses(
    (status = 200, description = "A page of keys.", body = PreauthKeys)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Query(query): Query<PreauthQuery>,
) -> Result<Json<PreauthKeys>> {
    let after = query.after.map(|text| text.parse::<TokenId>()).transpose();
    let after = after.map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
    let limit = limit(query.limit);
    let behind = |key: &FleetKey| after.as_ref().is_none_or(|after| key.id > *after);
    let mut keys = api.fleet.preauth_keys().await?;
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    let keys: Vec<_> = keys.into_iter().filter(behind).take(limit).map(PreauthKey::from).collect();
    let next = keys.last().filter(|_| keys.len() == limit).map(|key| key.id.clone());
    Ok(Json(PreauthKeys { keys, next }))
}

/// A pre-auth key to be made: for a user, or with tags.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreauthBody {
    /// Whose its nodes will be; with tags, who answers for them.
    #[serde(default)]
    #[schema(example = "alice@")]
    user: Option<String>,
    /// What its nodes will be tagged with.
    #[serde(default)]
    #[schema(example = json!(["tag:router"]))]
    tags: Vec<String>,
    /// It may be used more than once.
    #[serde(default)]
    reusable: bool,
    /// Its nodes are deleted when they have been away for a while.
    #[serde(default)]
    ephemeral: bool,
    /// Seconds that it is good; absent: until it is revoked.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// A pre-auth key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadePreauthKey {
    /// The key.
    key: PreauthKey,
    /// What a node is told with `--join`: where the controller is, the secret, and what to trust.
    #[schema(example = "https://192.0.2.1:7070#rtj_x.0011")]
    join: String,
    /// The secret alone. It is told once.
    secret: String,
}

/// A hundred years: so long that nobody means it, so short that no clock overflows.
const MAX_TTL_S: u64 = 100 * 366 * 86_400;

/// Makes a pre-auth key.
#[utoipa::path(post, path = "/v1/preauth-keys", tag = "nodes", request_body = PreauthBody,
    responses((status = 201, description = "It is made.", body = MadePreauthKey),
    (status = 404, description = "There is no such user.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn create(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<PreauthBody>,
) -> Result<(StatusCode, Json<MadePreauthKey>)> {
    if body.ttl_s.is_some_and(|seconds| !(1..=MAX_TTL_S).contains(&seconds)) {
        let why = "at least 1 is expected; leave it out for a key without an end";
        return Err(ApiError::field("ttl_s", why));
    }
    let new = NewPreauthKey {
        user: body.user.map(|user| user.parse()).transpose().map_err(field("user"))?,
        tags: parse_tags(&body.tags)?,
        reusable: body.reusable,
        ephemeral: body.ephemeral,
        lifetime: body.ttl_s.map(Duration::from_secs),
    };
    let (key, secret) = api.fleet.create_preauth_key(&caller.name, new).await?;
    let secret = secret.reveal().to_owned();
    let join = api.controlled.options.join_line(&secret);
    Ok((StatusCode::CREATED, Json(MadePreauthKey { key: key.into(), join, secret })))
}

/// Has a pre-auth key open nothing any more. Nodes that came in by it stay.
#[utoipa::path(delete, path = "/v1/preauth-keys/{id}", tag = "nodes",
    params(("id" = String, Path, description = "The key's public name.")), responses(
    (status = 200, description = "It opens nothing any more.", body = PreauthKey),
    (status = 404, description = "There is no such key.", body = ApiError)))]
pub(crate) async fn expire(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<PreauthKey>> {
    let id = id.parse().map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
    Ok(Json(api.fleet.expire_preauth_key(&caller.name, &id).await?.into()))
}
