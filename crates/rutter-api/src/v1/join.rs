//! Joining.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use rutter_controller::JoinRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::bearer;
use super::body::Body;
use super::{ApiError, Controlled, Result};
use crate::peer::Peer;

/// Who wants to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinBody {
    /// The name to have: letters a-z and digits, 63 at most.
    #[schema(example = "alice")]
    name: String,
}

/// What an agent gets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinAnswer {
    /// Its user.
    user_id: String,
    /// Its name.
    name: String,
    /// Its name under the server's domain.
    #[schema(example = "alice.localhost")]
    domain: String,
    /// The server's domain.
    #[schema(example = "localhost")]
    server_domain: String,
    /// What it presents from now on. It is told once.
    agent_token: String,
    /// Seconds that its routes stand unless it says them again.
    lease_s: u64,
    /// Seconds after which it should say them again.
    renew_s: u64,
    /// Its address as the controller saw it; absent where a proxy stands between.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Whether it came over loopback, so that it runs on the controller's machine.
    loopback: bool,
}

/// Joins: a join token becomes a user, a name and a token that stays.
#[utoipa::path(post, path = "/v1/join", tag = "agent", request_body = JoinBody, responses(
    (status = 200, description = "It has joined.", body = JoinAnswer),
    (status = 401, description = "The token opens nothing.", body = ApiError),
    (status = 409, description = "Another has the name.", body = ApiError),
    (status = 422, description = "The name breaks a rule.", body = ApiError)))]
pub(crate) async fn join(
    State(api): State<Controlled>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(body): Body<JoinBody>,
) -> Result<Json<JoinAnswer>> {
    let request = JoinRequest { token: bearer(&headers)?.to_owned(), name: body.name };
    let joined = api.controller.join(api.clock.now(), request).await?;
    let config = api.controller.config();
    let address = peer.address(&headers);
    Ok(Json(JoinAnswer {
        user_id: joined.user.to_string(),
        name: joined.name.to_string(),
        domain: joined.domain.to_string(),
        server_domain: config.server_domain.to_string(),
        agent_token: joined.agent_token.reveal().to_owned(),
        lease_s: config.lease.as_secs(),
        renew_s: config.renew.as_secs(),
        address: address.map(|address| address.to_string()),
        loopback: address.is_some_and(|address| address.is_loopback()),
    }))
}
