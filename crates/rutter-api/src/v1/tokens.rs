//! Tokens, for operators.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use rutter_controller::{NewApiToken, NewJoinToken};
use rutter_registry::{Page, Role, Scope, Scopes, Token, TokenId, TokenKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Caller;
use super::body::{Body, Query, limit};
use super::{ApiError, Code, Controlled, Result};

/// Tokens in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// The tokens, without their secrets.
    #[schema(value_type = Vec<Object>)]
    tokens: Vec<Token>,
    /// What to ask for next with `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which tokens.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokensQuery {
    /// `api`, `agent` or `join`; absent: `api`.
    #[serde(default)]
    kind: Option<String>,
    /// The most tokens, 1 to 1000; absent: 100.
    #[serde(default)]
    limit: Option<usize>,
    /// The last id of the page before.
    #[serde(default)]
    after: Option<String>,
}

/// Lists tokens of a kind, those that ended among them.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", params(TokensQuery), responses(
    (status = 200, description = "A page of tokens.", body = Tokens)))]
pub(crate) async fn list(
    State(api): State<Controlled>,
    Query(query): Query<TokensQuery>,
) -> Result<Json<Tokens>> {
    let kind = query.kind.as_deref().unwrap_or("api");
    let kind = TokenKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(|| {
        ApiError::new(Code::InvalidParameter, "kind: `api`, `agent` or `join` is expected")
    })?;
    let limit = limit(query.limit);
    let page = match query.after {
        None => Page::first(limit),
        Some(after) => Page::after(token_id(&after)?, limit),
    };
    let tokens = api.controller.tokens(kind, page).await?;
    let next = tokens.last().filter(|_| tokens.len() == limit).map(|token| token.id.to_string());
    Ok(Json(Tokens { tokens, next }))
}

fn token_id(text: &str) -> Result<TokenId> {
    text.parse().map_err(|why| ApiError::new(Code::InvalidParameter, why))
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// What people call it.
    #[schema(example = "ci")]
    name: String,
    /// What it may do: `admin`, `read`, `domains`, `gateway`; at least one.
    #[schema(value_type = Vec<String>, example = json!(["read"]))]
    scopes: Vec<Scope>,
    /// Seconds that it lives; absent: until it is revoked.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeToken {
    /// The token.
    #[schema(value_type = Object)]
    token: Token,
    /// What its holder presents. It is told once.
    secret: String,
}

/// Makes a token for the API.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = TokenBody, responses(
    (status = 201, description = "It is made.", body = MadeToken),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn create(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<TokenBody>,
) -> Result<(StatusCode, Json<MadeToken>)> {
    if body.scopes.is_empty() {
        return Err(ApiError::field("scopes", "at least one is needed"));
    }
    let ttl = lifetime(body.ttl_s)?;
    let new = NewApiToken { name: body.name, scopes: Scopes::of(&body.scopes), ttl };
    let made = api.controller.create_token(api.clock.now(), new, &caller.name).await?;
    let secret = made.secret.reveal().to_owned();
    Ok((StatusCode::CREATED, Json(MadeToken { token: made.token, secret })))
}

/// A thousand years: so long that nobody means it, so short that no clock overflows.
const MAX_TTL_S: u64 = 1000 * 366 * 86_400;

fn lifetime(seconds: Option<u64>) -> Result<Option<Duration>> {
    match seconds {
        Some(0) => Err(ApiError::field("ttl_s", "a token lives at least a second")),
        Some(s) if s > MAX_TTL_S => {
            Err(ApiError::field("ttl_s", "leave it out for a token without an end"))
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// Takes a token back; taking it back again changes nothing.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")), responses(
    (status = 200, description = "It opens nothing any more.", body = Object),
    (status = 404, description = "There is no such token.", body = ApiError)))]
pub(crate) async fn revoke(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Token>> {
    let id = token_id(&id)?;
    Ok(Json(api.controller.revoke_token(api.clock.now(), &id, &caller.name).await?))
}

/// A join token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinTokenBody {
    /// What joins with it: `agent` or `gateway`; absent: `agent`.
    #[serde(default = "an_agent")]
    #[schema(value_type = String, example = "agent")]
    role: Role,
    /// Whether more than one may join with it.
    #[serde(default)]
    reusable: bool,
    /// Seconds that it lives.
    #[serde(default = "an_hour")]
    ttl_s: u64,
}

fn an_agent() -> Role {
    Role::Agent
}

fn an_hour() -> u64 {
    3600
}

/// A join token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeJoinToken {
    /// Its id.
    id: String,
    /// What one who joins is told, an agent with `--join`: where the controller is, the token, and
    /// what to trust.
    #[schema(example = "https://192.0.2.1:7070#rtj_x.0011")]
    join: String,
    /// The token alone.
    secret: String,
    /// What joins with it.
    #[schema(value_type = String, example = "agent")]
    role: Role,
    /// Whether more than one may join with it.
    reusable: bool,
    /// When it ends, in milliseconds since the Unix epoch.
    expires_ms: u64,
}

/// Makes a join token.
#[utoipa::path(post, path = "/v1/join-tokens", tag = "tokens", request_body = JoinTokenBody,
    responses((status = 201, description = "It is made.", body = MadeJoinToken),
    (status = 422, description = "A field is wrong.", body = ApiError)))]
pub(crate) async fn create_join(
    State(api): State<Controlled>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<JoinTokenBody>,
) -> Result<(StatusCode, Json<MadeJoinToken>)> {
    if body.role == Role::Node {
        let why = "`agent` or `gateway` is expected; what lets a node in is a pre-auth key";
        return Err(ApiError::field("role", why));
    }
    let most = rutter_controller::MAX_JOIN_TTL.as_secs();
    if !(1..=most).contains(&body.ttl_s) {
        return Err(ApiError::field("ttl_s", format!("1 to {most} seconds are expected")));
    }
    let ttl = Duration::from_secs(body.ttl_s);
    let now = api.clock.now();
    let new = NewJoinToken { role: body.role, reusable: body.reusable, ttl };
    let made = api.controller.create_join_token(now, new, &caller.name).await?;
    let secret = made.secret.reveal().to_owned();
    let answer = MadeJoinToken {
        id: made.token.id.to_string(),
        join: api.options.join_line(&secret),
        secret,
        role: body.role,
        reusable: body.reusable,
        expires_ms: made.token.expires.map_or(0, |at| at.0),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
