//! Names and who has them, for operators.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rutter_controller::{DomainClaim, key_text, parse_key, service_name};
use rutter_registry::{DomainName, Identity};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::body::{Body, Query, limit};
use super::{ApiError, Code, Controlled, Result};

/// A name and who has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Domain {
    /// The name.
    #[schema(example = "alice")]
    name: String,
    /// The name under the server's domain.
    #[schema(example = "alice.localhost")]
    domain: String,
    /// Who has it.
    user_id: String,
    /// The key that checks the user's signatures, in multibase base36.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// When the user was made, in milliseconds since the Unix epoch.
    created_ms: u64,
    /// When the user was last changed.
    updated_ms: u64,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
    /// The user's signature over its id, which a Mesh Router agent carries. Told once, when the
    /// controller has made the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl Domain {
    /// `None` for a user without a name.
    fn of(api: &Controlled, identity: &Identity, signature: Option<String>) -> Option<Self> {
        let name = identity.name.as_ref()?;
        let domain = service_name(name, api.controller.server_domain()).ok()?;
        Some(Self {
            name: name.to_string(),
            domain: domain.to_string(),
            user_id: identity.user.to_string(),
            public_key: identity.key.as_ref().map(key_text),
            created_ms: identity.created.0,
            updated_ms: identity.updated.0,
            last_seen_ms: identity.last_seen.map(|at| at.0),
            signature,
        })
    }
}

/// Names in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Domains {
    /// The names.
    domains: Vec<Domain>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which part of the names.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DomainsQuery {
    /// The most names, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last name of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Lists names.
#[utoipa::path(get, path = "/v1/domains", tag = "domains", params(DomainsQuery), responses(
    (status = 200, description = "A page of names.", body = Domains)))]
pub(crate) async fn list(
    State(api): State<Controlled>,
    Query(query): Query<DomainsQuery>,
) -> Result<Json<Domains>> {
    let after: Option<DomainName> = query
        .after
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|why: rutter_route::ParseError| ApiError::new(Code::InvalidParameter, why))?;
    let limit = limit(query.limit);
    let identities = api.controller.domains(after.as_ref(), limit);
    let full = identities.len() == limit;
    let domains: Vec<_> = identities.iter().filter_map(|i| Domain::of(&api, i, None)).collect();
    let next = domains.last().filter(|_| full).map(|domain| domain.name.clone());
    Ok(Json(Domains { domains, next }))
}

/// A name to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainBody {
    /// The name.
    #[schema(example = "alice")]
    name: String,
    /// Who is to have it; absent: a new user, with a key that the controller makes.
    #[serde(default)]
    user_id: Option<String>,
    /// The user's key, in multibase base36; only with `user_id`.
    #[serde(default)]
    public_key: Option<String>,
}

/// Gives a name to a user, whose name before, if there is one, is free then.
#[utoipa::path(post, path = "/v1/domains", tag = "domains", request_body = DomainBody, responses(
    (status = 201, description = "The user has the name.", body = Domain),
    (status = 409, description = "Another has it.", body = ApiError),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn create(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<DomainBody>,
) -> Result<(StatusCode, Json<Domain>)> {
    let now = api.clock.now();
    let (identity, signature) = match &body.user_id {
        None if body.public_key.is_some() => {
            let why = "a key belongs to a user: `user_id` is needed with it";
            return Err(ApiError::field("public_key", why));
        }
        None => {
            let (identity, signature) =
                api.controller.make_user(now, &body.name, &caller.name).await?;
            (identity, Some(signature))
        }
        Some(user) => {
            let user = user.parse().map_err(|why| ApiError::field("user_id", why))?;
            let key = body.public_key.as_deref().map(parse_key).transpose();
            let key = key.map_err(|why| ApiError::field("public_key", why))?;
            let claim = DomainClaim { user, name: Some(body.name), key, by: caller.name };
            (api.controller.claim_domain(now, claim).await?, None)
        }
    };
    let domain = Domain::of(&api, &identity, signature);
    let domain = domain.ok_or_else(|| ApiError::new(Code::Internal, "the user has no name"))?;
    Ok((StatusCode::CREATED, Json(domain)))
}

/// What went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    /// The name that is free now.
    name: String,
    /// Who had it.
    user_id: String,
}

/// Removes a name with its user, the user's tokens and its routes.
#[utoipa::path(delete, path = "/v1/domains/{name}", tag = "domains",
    params(("name" = String, Path, description = "The name.")), responses(
    (status = 200, description = "It is free.", body = Removed),
    (status = 404, description = "Nobody has it.", body = ApiError)))]
pub(crate) async fn remove(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Removed>> {
    let unknown = || ApiError::new(Code::NotFound, format!("nobody has the name `{name}`"));
    let parsed: DomainName = name.parse().map_err(|_| unknown())?;
    let user = api.controller.holder(&parsed).ok_or_else(unknown)?;
    if !api.controller.delete_domain(api.clock.now(), user.clone(), caller.name).await? {
        return Err(unknown());
    }
    Ok(Json(Removed { name, user_id: user.to_string() }))
}
