//! Members, for operators: the parts of Rutter that speak `rutter.v1` and own no name.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use rutter_registry::{MemberName, Page};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::body::{Query, limit};
use super::{ApiError, Code, Controlled, Result};

/// A part of Rutter that may speak `rutter.v1`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    /// What it is called.
    #[schema(example = "edge-1")]
    name: String,
    /// What it is: `gateway`.
    #[schema(example = "gateway")]
    role: String,
    /// The Ed25519 key that it shows, 64 hex digits.
    key: String,
    /// When it enrolled, in milliseconds since the Unix epoch.
    created_ms: u64,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
}

impl From<rutter_registry::Member> for Member {
    fn from(member: rutter_registry::Member) -> Self {
        Self {
            name: member.name.to_string(),
            role: member.role.to_string(),
            key: member.key.to_string(),
            created_ms: member.created.0,
            last_seen_ms: member.last_seen.map(|at| at.0),
        }
    }
}

/// Members in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Members {
    /// The members.
    members: Vec<Member>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of the members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MembersQuery {
    /// The most members, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last name of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Lists members.
#[utoipa::path(get, path = "/v1/members", tag = "members", params(MembersQuery), responses(
    (status = 200, description = "A page of members.", body = Members)))]
pub(crate) async fn list(
    State(api): State<Controlled>,
    Query(query): Query<MembersQuery>,
) -> Result<Json<Members>> {
    let limit = limit(query.limit);
    let page = match query.after {
        None => Page::first(limit),
        Some(after) => {
            let after: MemberName =
                after.parse().map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
            Page::after(after, limit)
        }
    };
    let members: Vec<_> = api.controller.members(&page).into_iter().map(Member::from).collect();
    let next = members.last().filter(|_| members.len() == limit).map(|member| member.name.clone());
    Ok(Json(Members { members, next }))
}

/// Removes a member: its key opens nothing any more, and its name is free.
#[utoipa::path(delete, path = "/v1/members/{name}", tag = "members",
    params(("name" = String, Path, description = "The member's name.")), responses(
    (status = 200, description = "It is removed; what it was.", body = Member),
    (status = 404, description = "There is no such member.", body = ApiError)))]
pub(crate) async fn remove(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Member>> {
    let unknown = || ApiError::new(Code::NotFound, format!("there is no member `{name}`"));
    let parsed: MemberName = name.parse().map_err(|_| unknown())?;
    let gone = api.controller.remove_member(api.clock.now(), parsed, caller.name).await?;
    Ok(Json(gone.into()))
}
