//! `/v1` as JSON, as far as an agent that joined over HTTP needs it.

use rutter_route::{Endpoint, HealthCheck, HostName, Priority};
use serde::{Deserialize, Serialize};

use crate::{RouteSource, ServiceSpec};

/// `PUT /v1/agent/routes`: all routes of one source.
#[derive(Serialize)]
pub(super) struct RoutesRequest<'a> {
    pub(super) source: &'static str,
    pub(super) routes: Vec<Route<'a>>,
}

#[derive(Serialize)]
pub(super) struct Route<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    endpoint: Endpoint,
    priority: Priority,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<&'a HealthCheck>,
}

/// Its answer.
#[derive(Deserialize)]
pub(super) struct RoutesAnswer {
    pub(super) routes: Vec<RouteAnswer>,
    pub(super) lease_s: u64,
    pub(super) renew_s: u64,
}

#[derive(Deserialize)]
pub(super) struct RouteAnswer {
    pub(super) destination: String,
    pub(super) endpoint: Endpoint,
    #[serde(default)]
    pub(super) standing: Option<String>,
}

/// The answer of `DELETE /v1/agent/routes`.
#[derive(Deserialize)]
pub(super) struct Withdrawn {
    pub(super) withdrawn: u64,
}

impl<'a> RoutesRequest<'a> {
    /// The request for one source's services, with this host at `address`.
    pub(super) fn new(
        source: RouteSource,
        services: &'a [ServiceSpec],
        address: Option<&HostName>,
    ) -> Self {
        let routes = services.iter().filter(|s| s.source == source).map(|s| Route {
            service: s.name.as_ref().map(|name| name.as_str()),
            endpoint: s.endpoint_at(address),
            priority: s.priority,
            health_check: s.health_check.as_ref(),
        });
        Self { source: source.as_str(), routes: routes.collect() }
    }
}
