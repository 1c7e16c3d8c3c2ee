//! Users of nodes.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rutter_nodes::UserName;
use rutter_nodes::fleet::{NewUser, User as FleetUser};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::field;
use crate::v1::auth::Caller;
use crate::v1::body::{Body, Query, limit};
use crate::v1::{ApiError, Code, OfNodes, Result};

/// A user of nodes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    /// Its name, always with an `@`.
    #[schema(example = "alice@")]
    name: String,
    /// What people call it; may be empty.
    display_name: String,
    /// Where it is written to; may be empty.
    email: String,
    /// When it was made, in milliseconds since the Unix epoch.
    created_ms: u64,
}

impl From<FleetUser> for User {
    fn from(user: FleetUser) -> Self {
        Self {
            name: user.name.to_string(),
            display_name: user.display_name.to_string(),
            email: user.email.to_string(),
            created_ms: user.created.0,
        }
    }
}

/// Users in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Users {
    /// The users.
    users: Vec<User>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of the users.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsersQuery {
    /// The most users, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last name of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Lists users.
#[utoipa::path(get, path = "/v1/users", tag = "nodes", params(UsersQuery), responses(
    (status = 200, description = "A page of users.", body = Users)))]
pub(crate) async fn list(
    State(api): State<OfNodes>,
    Query(query): Query<UsersQuery>,
) -> Result<Json<Users>> {
    let after = query.after.map(|text| text.parse::<UserName>()).transpose();
    let after = after.map_err(|why| ApiError::new(Code::InvalidParameter, why))?;
    let limit = limit(query.limit);
    let behind = |user: &FleetUser| after.as_ref().is_none_or(|after| user.name > *after);
    let users = api.fleet.users().await?.into_iter().filter(behind).take(limit);
    let users: Vec<_> = users.map(User::from).collect();
    let next = users.last().filter(|_| users.len() == limit).map(|user| user.name.clone());
    Ok(Json(Users { users, next }))
}

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    /// Its name, always with an `@`.
    #[schema(example = "alice@")]
    name: String,
    /// What people call it.
    #[serde(default)]
    display_name: String,
    /// Where it is written to.
    #[serde(default)]
    email: String,
}

/// Makes a user.
#[utoipa::path(post, path = "/v1/users", tag = "nodes", request_body = UserBody, responses(
    (status = 201, description = "It is made.", body = User),
    (status = 409, description = "There is one of that name.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn create(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<UserBody>,
) -> Result<(StatusCode, Json<User>)> {
    let name = body.name.parse().map_err(field("name"))?;
    let new = NewUser { name, display_name: body.display_name, email: body.email };
    let user = api.fleet.create_user(&caller.name, new).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// What is to change of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Its new name.
    #[schema(example = "ann@")]
    name: String,
}

/// Renames a user. Its nodes and keys go along; a policy that names it doesn't.
#[utoipa::path(patch, path = "/v1/users/{user}", tag = "nodes", request_body = UserChange,
    params(("user" = String, Path, description = "The user's name.")), responses(
    (status = 200, description = "The user as it is now.", body = User),
    (status = 404, description = "There is no such user.", body = ApiError),
    (status = 409, description = "There is one of the new name.", body = ApiError)))]
pub(crate) async fn rename(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    Body(body): Body<UserChange>,
) -> Result<Json<User>> {
    let to = body.name.parse().map_err(field("name"))?;
    Ok(Json(api.fleet.rename_user(&caller.name, &named(&user)?, to).await?.into()))
}

/// Removes a user that has no nodes, with its pre-auth keys.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "nodes",
    params(("user" = String, Path, description = "The user's name.")), responses(
    (status = 200, description = "It is removed; what it was.", body = User),
    (status = 404, description = "There is no such user.", body = ApiError),
    (status = 409, description = "It has nodes.", body = ApiError)))]
pub(crate) async fn remove(
    State(api): State<OfNodes>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Json<User>> {
    Ok(Json(api.fleet.remove_user(&caller.name, &named(&user)?).await?.into()))
}

fn named(text: &str) -> Result<UserName> {
    let unknown = |_| ApiError::new(Code::NotFound, format!("there is no user `{text}`"));
    text.parse().map_err(unknown)
}
