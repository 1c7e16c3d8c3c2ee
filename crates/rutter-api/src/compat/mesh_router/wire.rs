//! Mesh Router's JSON as it is on the wire: field names, their order, and what may be missing.
//!
//! The order of the fields here is the order in the answers: old clients were tested against
//! those very bytes.

use rutter_route::Priority;
use serde::{Deserialize, Serialize};

/// A route as it was said, and as it is echoed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    /// The address, as it was written.
    pub(super) ip: String,
    /// The port, as it was written.
    pub(super) port: Port,
    /// Lower is tried first; any number.
    pub(super) priority: Priority,
    /// Who says so.
    pub(super) source: String,
    /// Absent means https to all readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scheme: Option<Scheme>,
    /// Absent means ip.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<Kind>,
    /// The name to connect to when the type is `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) domain: Option<String>,
    /// How to ask whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) health_check: Option<HealthCheck>,
}

/// A port: a number, or a text of digits, which the original takes and gives back as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Port {
    /// `443`
    Number(u16),
    /// `"443"`
    Text(String),
}

impl Port {
    /// The port's number; 0 for a text that is none, which is never stored.
    pub(super) fn number(&self) -> u16 {
        match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().unwrap_or(0),
        }
    }
}

/// How a route is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// What a route's host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The `ip`.
    Ip,
    /// The `domain`.
    Domain,
}

/// How to ask whether a route is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HealthCheck {
    /// The path of a `HEAD`.
    pub(super) path: String,
    /// The `Host` to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
}

/// `POST /domain`. Its `serverDomain` is not read: answers always carry this server's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DomainBody {
    /// The name to claim.
    #[serde(default)]
    pub(super) domain_name: Option<String>,
    /// The key to sign with.
    #[serde(default)]
    pub(super) public_key: Option<String>,
}

/// `GET /version`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version<'a> {
    pub(super) version: u32,
    pub(super) min_client_version: u32,
    pub(super) server_domain: &'a str,
}

/// `GET /available/:domain`.
#[derive(Debug, Serialize)]
pub(super) struct Available {
    pub(super) available: bool,
    pub(super) message: &'static str,
}

/// `GET /verify/:userid/:sig`, when the signature is good.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verified<'a> {
    pub(super) server_domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain_name: Option<&'a str>,
}

/// `GET /domain/:userid`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Domain<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain_name: Option<&'a str>,
    pub(super) server_domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_key: Option<String>,
}

/// Any answer that is a sentence.
#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) message: &'static str,
    /// The seed's addition; the original's clients ignore what they don't know.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) success: bool,
}

/// `POST /heartbeat/:userid/:sig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    pub(super) message: &'static str,
    pub(super) last_seen_online: String,
}

/// `GET /status/:userid`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) online: bool,
    pub(super) last_seen_online: Option<String>,
}

/// `POST /routes/:userid/:sig`.
#[derive(Debug, Serialize)]
pub(super) struct Registered {
    pub(super) message: &'static str,
    pub(super) routes: Vec<Route>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rejected: Vec<super::reply::Rejected>,
    pub(super) domain: String,
    pub(super) success: bool,
}

/// `GET /routes/:userid`.
#[derive(Debug, Serialize)]
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
}

/// `GET /resolve/v2/:domain`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resolved<'a> {
    pub(super) user_id: &'a str,
    pub(super) domain_name: &'a str,
    pub(super) server_domain: &'a str,
    pub(super) routes: Vec<Route>,
    /// Seconds; -2 without routes, as Redis says of a key that isn't there.
    pub(super) routes_ttl: i64,
    pub(super) last_seen_online: Option<String>,
}

/// `GET /resolve/:domain`: the legacy's two fields of the first route, then all of v2.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResolvedLegacy<'a> {
    pub(super) host_ip: String,
    pub(super) target_port: Port,
    #[serde(flatten)]
    pub(super) resolved: Resolved<'a>,
}
