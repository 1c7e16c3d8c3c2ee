//! Moves of primaries: from whom to whom, why, and how fast.

use axum::Json;
use axum::extract::State;
use rutter_nodes::fleet::Moved;
use rutter_route::Prefix;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::v1::body::{Query, limit};
use crate::v1::{ApiError, Code, OfNodes, Result};

/// A move of a primary.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Move {
    /// Of which prefix.
    #[schema(value_type = String, example = "10.1.0.0/24")]
    prefix: Prefix,
    /// The node that was it; absent: none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    /// The node that is it; absent: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    /// When, in milliseconds since the Unix epoch.
    at_ms: u64,
    /// Why.
    #[schema(example = "node 3 is offline: the session was lost")]
    why: String,
    /// How long after its cause the table moved, in milliseconds; absent: the cause has no time of
    /// its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    /// How long after the move the last connected node was told, in milliseconds; absent: not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    told_in_ms: Option<u64>,
}

impl From<Moved> for Move {
    fn from(moved: Moved) -> Self {
        let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            prefix: moved.prefix,
            from: moved.from.map(|node| node.0),
            to: moved.to.map(|node| node.0),
            at_ms: moved.at.0,
            why: moved.why,
            after_ms: moved.after.map(ms),
            told_in_ms: moved.told_in.map(ms),
        }
    }
}

/// Moves, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moves {
    /// The moves. The last 10,000 since the start are remembered.
    moves: Vec<Move>,
}

/// Which moves.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MovesQuery {
    /// Only of this prefix.
    #[serde(default)]
    prefix: Option<String>,
    /// The most moves, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
}

/// Lists the moves of primaries.
#[utoipa::path(get, path = "/v1/nodes/moves", tag = "nodes", params(MovesQuery), responses(
    (status = 200, description = "The latest moves.", body = Moves)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Query(query): Query<MovesQuery>,
) -> Result<Json<Moves>> {
    let prefix = query.prefix.map(|text| text.parse::<Prefix>()).transpose();
    let prefix = prefix.map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
    let moves = api.fleet.moves(prefix.as_ref(), limit(query.limit));
    Ok(Json(Moves { moves: moves.into_iter().map(Move::from).collect() }))
}
