//! Mesh Router's JSON, the agent's part of it.

use rutter_route::{HealthCheck, HostName, Priority};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer of `GET version`. Any JSON, since a number is told from a text here.
#[derive(Deserialize)]
pub(super) struct VersionAnswer {
    #[serde(default)]
    pub(super) version: Value,
}

/// `POST routes/:userid/:sig`.
#[derive(Serialize)]
pub(super) struct RoutesRequest<'a> {
    pub(super) routes: [Route<'a>; 1],
}

/// A route, without scheme and type as the original agent sends it: https, by address.
#[derive(Serialize)]
pub(super) struct Route<'a> {
    pub(super) ip: String,
    pub(super) port: u16,
    pub(super) priority: Priority,
    pub(super) source: &'static str,
    #[serde(rename = "healthCheck", skip_serializing_if = "Option::is_none")]
    pub(super) health_check: Option<&'a HealthCheck>,
}

/// Its answer, as far as it is looked at.
#[derive(Deserialize)]
pub(super) struct RoutesAnswer {
    #[serde(default)]
    pub(super) domain: Option<String>,
    /// Anything but null, false, 0 or an empty text is a failure whatever the status, as in the
    /// original agent.
    #[serde(default)]
    pub(super) error: Value,
    /// The routes that couldn't be reached from the backend.
    #[serde(default)]
    pub(super) rejected: Vec<Rejected>,
}

/// A route that the backend couldn't reach.
#[derive(Deserialize)]
pub(super) struct Rejected {
    #[serde(default)]
    pub(super) error: String,
}

/// The answer of `GET routes/:userid`.
#[derive(Deserialize)]
pub(super) struct Listing {
    pub(super) routes: Vec<Listed>,
}

/// One registered route.
#[derive(Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) source: Option<String>,
}

/// A host as the original writes it: IPv6 without brackets.
pub(super) fn bare(host: &HostName) -> String {
    match host {
        HostName::Address(address) => address.to_string(),
        HostName::Name(name) => name.to_string(),
    }
}

/// What JavaScript calls true.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}
