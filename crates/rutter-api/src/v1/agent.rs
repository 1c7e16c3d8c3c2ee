//! What an agent says of its services.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use rutter_controller::{Registration, RouteClaim, health_check};
use rutter_registry::SourceName;
use rutter_route::{Endpoint, Priority, Scheme, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::AgentUser;
use super::body::{Body, Query};
use super::{ApiError, Code, Controlled, Result};
use crate::peer::Peer;

/// All routes of one of an agent's sources.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoutesBody {
    /// Which of its sources: `agent` for direct ways, `tunnel` for ways through a tunnel.
    #[serde(default = "agent")]
    #[schema(example = "agent")]
    source: String,
    /// All its routes; none is the same as withdrawing them.
    routes: Vec<RouteBody>,
}

/// One route.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteBody {
    /// The service below the agent's name; absent or empty: the name itself.
    #[serde(default)]
    #[schema(example = "web")]
    service: Option<String>,
    /// Where it answers.
    #[schema(example = "http://127.0.0.1:3000")]
    endpoint: String,
    /// Lower is tried first.
    #[serde(default)]
    #[schema(value_type = f64, example = 1)]
    priority: Priority,
    /// How the gateway asks whether it is well.
    #[serde(default)]
    health_check: Option<HealthCheckBody>,
}

/// How the gateway asks whether a route is well: `HEAD` of a path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthCheckBody {
    /// The path.
    #[schema(example = "/healthz")]
    path: String,
    /// The host to ask for; absent: the service's own name.
    #[serde(default)]
    host: Option<String>,
}

fn agent() -> String {
    "agent".into()
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoutesAnswer {
    /// Each route, in the order in which it came.
    routes: Vec<RouteAnswer>,
    /// Seconds that they stand unless they are said again.
    lease_s: u64,
    /// Seconds after which they should be said again.
    renew_s: u64,
}

/// What came of one route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteAnswer {
    /// What people ask for.
    #[schema(example = "web.alice.localhost")]
    destination: String,
    /// Where it answers.
    endpoint: String,
    /// How it stands, or `refused`.
    #[schema(example = "eligible")]
    standing: &'static str,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// Replaces all that one of the agent's sources says, and begins its lease anew.
#[utoipa::path(put, path = "/v1/agent/routes", tag = "agent", request_body = RoutesBody, responses(
    (status = 200, description = "They are stored and in the table.", body = RoutesAnswer),
    (status = 422, description = "A field is wrong; nothing was changed.", body = ApiError)))]
pub(crate) async fn replace(
    State(api): State<Controlled>,
    Extension(peer): Extension<Peer>,
    Extension(AgentUser(user)): Extension<AgentUser>,
    headers: HeaderMap,
    Body(body): Body<RoutesBody>,
) -> Result<Json<RoutesAnswer>> {
    let source = source_of(&body.source)?;
    let claims = claims_of(&body.routes)?;
    let registrant = peer.registrant(&headers);
    let what = Registration { user, source, claims, registrant };
    let registered = api.controller.register(api.clock.now(), what).await?;
    let routes = registered.routes.into_iter().map(|route| {
        let (standing, refused) = match route.verdict {
            Verdict::Stands(standing) => (standing.as_str(), None),
            Verdict::Refused(why) => ("refused", Some(why.to_string())),
        };
        let endpoint = route.claim.endpoint.to_string();
        RouteAnswer { destination: route.destination.to_string(), endpoint, standing, refused }
    });
    Ok(Json(RoutesAnswer {
        routes: routes.collect(),
        lease_s: registered.lease.as_secs(),
        renew_s: api.controller.config().renew.as_secs(),
    }))
}

fn source_of(text: &str) -> Result<SourceName> {
    text.parse().map_err(|why| ApiError::field("source", why))
}

fn claims_of(routes: &[RouteBody]) -> Result<Vec<RouteClaim>> {
    let mut seen = HashSet::new();
    let mut claims = Vec::with_capacity(routes.len());
    for (i, route) in routes.iter().enumerate() {
        let claim = claim_of(i, route)?;
        if !seen.insert((claim.service.clone(), claim.path.clone())) {
            let why = "the same service and endpoint stand in an earlier route";
            return Err(ApiError::field(format!("routes[{i}]"), why));
        }
        claims.push(claim);
    }
    Ok(claims)
}

fn claim_of(i: usize, route: &RouteBody) -> Result<RouteClaim> {
    let wrong =
        |field: &'static str| move |why| ApiError::field(format!("routes[{i}].{field}"), why);
    let service = route.service.as_deref().filter(|text| !text.is_empty());
    let service = service.map(str::parse).transpose().map_err(wrong("service"))?;
    let endpoint: Endpoint = route.endpoint.parse().map_err(wrong("endpoint"))?;
    if !matches!(endpoint.scheme, Scheme::Http | Scheme::Https) {
        let why = "the scheme of a web service is http or https";
        return Err(ApiError::field(format!("routes[{i}].endpoint"), why));
    }
    let check = route.health_check.as_ref();
    let check = check.map(|check| health_check(&check.path, check.host.as_deref())).transpose();
    let (scheme, host, port) = (endpoint.scheme.as_str(), &endpoint.host, endpoint.port);
    Ok(RouteClaim {
        service,
        path: format!("{scheme} {host}:{port}").parse().map_err(wrong("endpoint"))?,
        endpoint,
        priority: route.priority,
        health_check: check.map_err(wrong("health_check"))?,
        said: None,
    })
}

/// Which source.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WithdrawQuery {
    /// One source; absent: all of the agent's.
    #[serde(default)]
    source: Option<String>,
}

/// How many went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Withdrawn {
    /// Routes that were withdrawn.
    withdrawn: usize,
}

/// Withdraws what one of the agent's sources said, or all of them.
#[utoipa::path(delete, path = "/v1/agent/routes", tag = "agent", params(WithdrawQuery), responses(
    (status = 200, description = "They are gone.", body = Withdrawn)))]
pub(crate) async fn withdraw(
    State(api): State<Controlled>,
    Extension(AgentUser(user)): Extension<AgentUser>,
    Query(query): Query<WithdrawQuery>,
) -> Result<Json<Withdrawn>> {
    let source = query.source.as_deref().map(str::parse).transpose();
    let source = source.map_err(|e| ApiError::new(Code::InvalidParameter, e))?;
    Ok(Json(Withdrawn { withdrawn: api.controller.withdraw(user, source).await? }))
}
