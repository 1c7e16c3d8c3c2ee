//! The fabric between clusters: who its neighbours are, which way leads to another cluster and why,
//! whose keys are known, and what another policy would do.
//!
//! What the tables make of it is under `/v1/tables/fabric`; the words of the original for the same are
//! in [`compat::mpreg`](crate::compat::mpreg).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use rutter_fabric::{FabricError, FabricStatus, PolicyDiff, Trace};
use rutter_protocol::planner::{Ask, Planned};
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::stats::Stats;
use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Query};
use super::{ApiError, Code, OfFabric, Result};

/// How many links a request may go over unless it is said: the original's default.
const HOP_BUDGET: u16 = 5;

/// The longest overlap of two keys, in seconds: a week.
const MAX_OVERLAP: u64 = 7 * 24 * 3600;

impl From<FabricError> for ApiError {
    fn from(error: FabricError) -> Self {
        let code = match &error {
            FabricError::Policy(_) | FabricError::Speaker(_) => Code::InvalidPolicy,
            FabricError::Closed(_) => Code::ShuttingDown,
            FabricError::Key { .. } | FabricError::State { .. } | FabricError::Listen { .. } => {
                tracing::error!(%error, "the fabric failed a request");
                Code::Unavailable
            }
        };
        Self::new(code, error)
    }
}

/// How the fabric stands: this cluster, its neighbours, what is carried.
#[utoipa::path(get, path = "/v1/fabric", tag = "fabric", responses(
    (status = 200, description = "How it stands.", body = Object),
    (status = 404, description = "There is no fabric here.", body = ApiError)))]
pub(crate) async fn show(State(api): State<OfFabric>) -> Result<Json<FabricStatus>> {
    Ok(Json(api.fabric.status().await?))
}

/// What was counted since the start: by neighbour, refusals by reason.
#[utoipa::path(get, path = "/v1/fabric/stats", tag = "fabric", responses(
    (status = 200, description = "The counters.", body = Object),
    (status = 404, description = "There is no fabric here.", body = ApiError)))]
pub(crate) async fn stats(State(api): State<OfFabric>) -> Result<Json<Stats>> {
    Ok(Json(api.fabric.stats().await?))
}

/// A destination, and what its path must not lead through.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TraceQuery {
    /// The cluster.
    destination: String,
    /// Clusters to avoid, with commas between.
    #[serde(default)]
    avoid: String,
}

/// Everything there is to say of a cluster: each route in rank, with what it lost by; what was refused
/// and stands in no table; and the neighbour that a request would go to now.
#[utoipa::path(get, path = "/v1/fabric/trace", tag = "fabric", params(TraceQuery), responses(
    (status = 200, description = "The trace.", body = Object),
    (status = 400, description = "A name that is none.", body = ApiError),
    (status = 404, description = "There is no fabric here.", body = ApiError)))]
pub(crate) async fn trace(
    State(api): State<OfFabric>,
    Query(query): Query<TraceQuery>,
) -> Result<Json<Trace>> {
    let destination = cluster("destination", &query.destination)?;
    let avoid = clusters("avoid", &query.avoid)?;
    Ok(Json(api.fabric.trace(destination, avoid).await?))
}

/// Where to, what to avoid, where it has been.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NextHopQuery {
    /// The cluster.
    destination: String,
    /// Clusters that the path must not lead through, with commas between.
    #[serde(default)]
    avoid: String,
    /// Clusters that have had the request, with commas between.
    #[serde(default)]
    visited: String,
    /// How many links it may still go over; absent: 5.
    #[serde(default)]
    hop_budget: Option<u16>,
}

/// Which neighbour a request for a cluster goes to, or why to none.
#[utoipa::path(get, path = "/v1/fabric/next-hop", tag = "fabric", params(NextHopQuery), responses(
    (status = 200, description = "The next hop, or the reason that there is none.", body = Object),
    (status = 400, description = "A name that is none.", body = ApiError),
    (status = 404, description = "There is no fabric here.", body = ApiError)))]
pub(crate) async fn next_hop(
    State(api): State<OfFabric>,
    Query(query): Query<NextHopQuery>,
) -> Result<Json<Planned>> {
    let ask = Ask {
        destination: cluster("destination", &query.destination)?,
        avoid: clusters("avoid", &query.avoid)?,
        visited: clusters("visited", &query.visited)?,
        hop_budget: query.hop_budget.unwrap_or(HOP_BUDGET),
    };
    Ok(Json(api.fabric.next_hop(ask).await?))
}

/// The public keys of clusters that are known, in the original's form.
#[utoipa::path(get, path = "/v1/fabric/keys", tag = "fabric", responses(
    (status = 200, description = "The keys.", body = Object),
    (status = 404, description = "There is no fabric here.", body = ApiError)))]
pub(crate) async fn keys(State(api): State<OfFabric>) -> Result<Json<Value>> {
    let text = api.fabric.keys().await?.to_string();
    let keys = serde_json::from_str(&text).map_err(|error| ApiError::new(Code::Internal, error))?;
    Ok(Json(keys))
}

/// A new key for this cluster.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// For how many seconds the key before still counts; absent: as configured for others, 60.
    #[serde(default = "overlap")]
    overlap_s: u64,
}

fn overlap() -> u64 {
    60
}

/// The key that counts from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rotated {
    /// Its id.
    #[schema(example = "route_key_9f86d081884c7d65")]
    key_id: String,
}

/// Makes a new key for this cluster and signs by it from now on. The key before counts for the overlap.
#[utoipa::path(post, path = "/v1/fabric/keys/rotate", tag = "fabric",
    request_body = Rotation, responses(
    (status = 200, description = "The new key.", body = Rotated),
    (status = 404, description = "There is no fabric here.", body = ApiError),
    (status = 422, description = "An overlap over a week.", body = ApiError),
    (status = 503, description = "The key can't be made or written.", body = ApiError)))]
pub(crate) async fn rotate(
    State(api): State<OfFabric>,
    Body(rotation): Body<Rotation>,
) -> Result<Json<Rotated>> {
    if rotation.overlap_s > MAX_OVERLAP {
        return Err(ApiError::field("overlap_s", format!("at most {MAX_OVERLAP}, a week")));
    }
    let key_id = api.fabric.rotate(Duration::from_secs(rotation.overlap_s)).await?;
    Ok(Json(Rotated { key_id }))
}

/// What another policy would change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FabricEffect {
    /// A table each.
    #[schema(value_type = Vec<Object>)]
    tables: Vec<PolicyDiff>,
}

/// Says what another policy would do to the routes that are stored, and does nothing.
#[utoipa::path(post, path = "/v1/fabric/policy/diff", tag = "fabric",
    request_body = Object, responses(
    (status = 200, description = "What would change.", body = FabricEffect),
    (status = 404, description = "There is no fabric here.", body = ApiError),
    (status = 422, description = "The policy contradicts itself.", body = ApiError)))]
pub(crate) async fn policy_diff(
    State(api): State<OfFabric>,
    Body(policy): Body<FabricPolicy>,
) -> Result<Json<FabricEffect>> {
    Ok(Json(FabricEffect { tables: api.fabric.try_policy(policy).await? }))
}

/// A cluster's name.
fn cluster(parameter: &str, text: &str) -> Result<ClusterId> {
    text.parse()
        .map_err(|error| ApiError::new(Code::InvalidParameter, format!("{parameter}: {error}")))
}

/// Clusters' names with commas between; none where there is nothing.
pub(crate) fn clusters(parameter: &str, text: &str) -> Result<Vec<ClusterId>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| cluster(parameter, name)).collect()
}
