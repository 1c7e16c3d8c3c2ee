//! `/v1` as JSON, the agent's part of it.

use std::net::{IpAddr, SocketAddr};

use rutter_route::{Endpoint, HealthCheck, HostName, Priority};
use serde::{Deserialize, Serialize};

use crate::{RouteSource, ServiceSpec};

/// `POST /v1/join`.
#[derive(Serialize)]
pub(super) struct JoinRequest<'a> {
    pub(super) name: &'a str,
}

/// Its answer. No `Debug`: it holds the agent token.
#[derive(Deserialize)]
pub(super) struct JoinAnswer {
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) agent_token: String,
    /// This host as the controller saw it, with a port or without.
    #[serde(default)]
    address: Option<String>,
    /// Whether the controller saw us over loopback.
    #[serde(default)]
    pub(super) loopback: bool,
}

impl JoinAnswer {
    /// This host as the controller saw it. It only helps, so one that can't be read counts as
    /// none: to fail would lose an identity whose token is spent.
    pub(super) fn seen(&self) -> Option<IpAddr> {
        let text = self.address.as_deref()?;
        let with_port = || text.parse::<SocketAddr>().map(|a| a.ip());
        match text.parse().or_else(|_| with_port()) {
            Ok(address) => Some(address),
            Err(_) => {
                tracing::debug!("the controller names no address that it saw us at");
                None
            }
        }
    }
}

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
