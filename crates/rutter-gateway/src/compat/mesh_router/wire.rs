//! A Mesh Router backend's JSON, as far as a gateway reads it. Fields that it doesn't know are let
//! pass, as by the original.

use serde::Deserialize;

/// `GET /resolve/v2/<name>`.
#[derive(Debug, Deserialize)]
pub(super) struct Resolved {
    pub(super) routes: Vec<Route>,
}

/// `GET /resolve/<name>`, of backends before 2026.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResolvedLegacy {
    pub(super) host_ip: String,
    #[serde(default)]
    pub(super) target_port: Option<Port>,
}

/// A route. A backend stores nearly anything in these fields, so each is judged on its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    pub(super) ip: String,
    #[serde(default)]
    pub(super) port: Option<Port>,
    #[serde(default)]
    pub(super) priority: Option<f64>,
    #[serde(default)]
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) scheme: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) domain: Option<String>,
    #[serde(default)]
    pub(super) health_check: Option<HealthCheck>,
}

/// A number, or a text of digits, which the original stores as it came.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Port {
    Number(u16),
    Text(String),
}

/// How to ask whether a route is well.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HealthCheck {
    pub(super) path: String,
    #[serde(default)]
    pub(super) host: Option<String>,
}

/// An error, by which an unknown name is told from an unknown path.
#[derive(Debug, Deserialize)]
pub(super) struct Error {
    #[allow(dead_code, reason = "that it is there is what counts")]
    pub(super) error: String,
}
