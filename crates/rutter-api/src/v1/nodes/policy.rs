//! The policy: what is in force, and what another would change.

use axum::Json;
use axum::extract::State;
use rutter_nodes::fleet::PolicyDiff;
use rutter_route::{NodeId, Prefix};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::v1::body::Body;
use crate::v1::{ApiError, OfNodes, Result};

/// The policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Policy {
    /// HuJSON, as it was written; absent: there is none, so people approve each route and everybody is
    /// told everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Shows the policy that is in force.
#[utoipa::path(get, path = "/v1/policy", tag = "nodes", responses(
    (status = 200, description = "The policy.", body = Policy)))]
pub(crate) async fn show(State(api): State<OfNodes>) -> Json<Policy> {
    Json(Policy { text: api.fleet.policy().map(|text| text.to_string()) })
}

/// A policy that is looked at and not taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// What problems call it; absent: `policy`.
    #[serde(default = "policy")]
    #[schema(example = "policy.hujson")]
    name: String,
    /// HuJSON.
    text: String,
}

fn policy() -> String {
    "policy".to_owned()
}

/// What another policy would change. Each list has 1,000 entries at most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyEffect {
    /// Routes that rules would approve.
    approved: Vec<RouteOf>,
    /// Routes that rules approved and would not any more; only with `strict`.
    revoked: Vec<RouteOf>,
    /// Prefixes that another node would route.
    moved: Vec<Move>,
    /// Routes that nodes would be told and aren't now.
    gained: Vec<RouteOf>,
    /// Routes that nodes are told now and would not be any more.
    lost: Vec<RouteOf>,
    /// Whether a list was cut.
    cut: bool,
}

/// A node and a prefix.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteOf {
    /// The node's number.
    node: u64,
    /// The prefix.
    #[schema(value_type = String, example = "10.1.0.0/24")]
    prefix: Prefix,
}

/// A prefix that another node would route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyMove)]
pub(crate) struct Move {
    /// The prefix.
    #[schema(value_type = String, example = "10.1.0.0/24")]
    prefix: Prefix,
    /// Who does now; absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    /// Who would.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
}

impl From<PolicyDiff> for PolicyEffect {
    fn from(diff: PolicyDiff) -> Self {
        let routes = |list: Vec<(NodeId, Prefix)>| {
            list.into_iter().map(|(node, prefix)| RouteOf { node: node.0, prefix }).collect()
        };
        let moved = diff.moved.into_iter().map(|(prefix, from, to)| Move {
            prefix,
            from: from.map(|node| node.0),
            to: to.map(|node| node.0),
        });
        Self {
            approved: routes(diff.approved),
            revoked: routes(diff.revoked),
            moved: moved.collect(),
            gained: routes(diff.gained),
            lost: routes(diff.lost),
            cut: diff.cut,
        }
    }
}

/// Says what a policy would change, without doing it. In force is what the file says that
/// `nodes.policy` names: write it there, and reload.
#[utoipa::path(post, path = "/v1/policy/diff", tag = "nodes", request_body = PolicyBody, responses(
    (status = 200, description = "What would change.", body = PolicyEffect),
    (status = 422, description = "The policy is wrong; each problem at its place.",
        body = ApiError)))]
pub(crate) async fn diff(
    State(api): State<OfNodes>,
    Body(body): Body<PolicyBody>,
) -> Result<Json<PolicyEffect>> {
    Ok(Json(api.fleet.try_policy(&body.name, &body.text).await?.into()))
}
