//! A service as it is shown.

use rutter_providers::monitor::{HealthStatus, History, Period, Seen};
use rutter_providers::registry::{Entry, Verdict, What};
use rutter_providers::{HttpScheme, Route, Target};
use serde::Serialize;
use utoipa::ToSchema;

/// A service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceRow {
    /// What tells it from all others: its provider, its name there, and its container.
    #[schema(example = "apps.yml:blog")]
    key: String,
    /// What its provider calls it.
    #[schema(example = "blog")]
    name: String,
    /// What it is asked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "blog")]
    alias: Option<String>,
    /// The provider's full name.
    #[schema(example = "apps.yml")]
    provider: String,
    /// Its container, in short.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    /// The pool that it is in: `http`, `stream` or `excluded`.
    #[schema(example = "http")]
    pool: &'static str,
    /// Its destination in the table `services`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "blog")]
    destination: Option<String>,
    /// Who answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://127.0.0.1:8080")]
    target: Option<String>,
    /// The link that it is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The keys of a link's members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
    /// What became of it: `served`, `unresolved`, `denied` (another has its place), `not_taken` (the
    /// table has no room), `excluded` or `refused`.
    #[schema(example = "served")]
    state: &'static str,
    /// Why it isn't served, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
    /// How it is.
    health: ServiceHealth,
}

/// How a service is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceHealth {
    /// `healthy`, `unhealthy`, `starting`, `napping`, `error` or `unknown`.
    #[schema(value_type = String, example = "healthy")]
    status: HealthStatus,
    /// For how long it has been well.
    uptime_ms: u64,
    /// How long the last probe took.
    latency_us: u64,
    /// What was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// When it was last well, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
}

/// How a service was over a period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Uptime {
    /// `5m`, `15m`, `1h`, `1d` or `1mo`.
    #[schema(example = "1h")]
    period: &'static str,
    /// What part of the time it was well.
    uptime: f64,
    /// What part of the time it wasn't, or couldn't be asked.
    downtime: f64,
    /// How long probes took in the mean.
    average_latency_us: u64,
    /// Its status at equal distances, the oldest first, 100 at most.
    #[schema(value_type = Vec<String>)]
    statuses: Vec<HealthStatus>,
}

/// The words of [`state`].
pub(super) const STATES: [&str; 6] =
    ["served", "unresolved", "denied", "not_taken", "excluded", "refused"];

/// One word for what became of a service.
pub(super) fn state(entry: &Entry) -> &'static str {
    match (&entry.what, &entry.verdict) {
        (What::Excluded(_), _) => "excluded",
        (What::Refused(_), _) => "refused",
        (_, Verdict::Denied { .. }) => "denied",
        (_, Verdict::NotTaken { .. }) => "not_taken",
        (What::Route(route), _) if route.unresolved.is_some() => "unresolved",
        (What::Route(_) | What::Link(_), Verdict::Granted) => "served",
    }
}

impl ServiceRow {
    pub(super) fn new(entry: &Entry) -> Self {
        let route = entry.route();
        let members = match &entry.what {
            What::Link(members) => members.iter().map(|m| m.key.to_string()).collect(),
            _ => Vec::new(),
        };
        Self {
            key: entry.key.to_string(),
            name: entry.key.name.to_string(),
            alias: entry.alias.as_ref().map(ToString::to_string),
            provider: entry.key.provider.to_string(),
            container: entry.key.container.as_ref().map(|id| id.short().to_owned()),
            pool: match entry.pool {
                rutter_providers::registry::PoolKind::Http => "http",
                rutter_providers::registry::PoolKind::Stream => "stream",
                rutter_providers::registry::PoolKind::Excluded => "excluded",
            },
            destination: entry.service.as_ref().map(ToString::to_string),
            target: route.map(|route| target(route)),
            link: route.and_then(|r| r.balance.as_ref()).map(|b| b.link.to_string()),
            members,
            state: state(entry),
            why: why(entry),
            health: ServiceHealth::new(&entry.seen()),
        }
    }
}

/// Why it isn't served, a line each.
fn why(entry: &Entry) -> Vec<String> {
    match (&entry.what, &entry.verdict) {
        (What::Excluded(excluded), _) => vec![excluded.reason.to_string()],
        (What::Refused(refused), _) => {
            refused.problems.iter().map(|problem| problem.to_string()).collect()
        }
        (_, Verdict::Denied { why, .. } | Verdict::NotTaken { why }) => vec![why.to_string()],
        (What::Route(route), Verdict::Granted) => route.unresolved.iter().cloned().collect(),
        (What::Link(_), Verdict::Granted) => Vec::new(),
    }
}

/// Who answers, as a URL.
pub(crate) fn target(route: &Route) -> String {
    match &route.target {
        Target::Http { scheme, host, port, .. } => {
            let scheme = match scheme {
                HttpScheme::Http => "http",
                HttpScheme::Https => "https",
                HttpScheme::H2c => "h2c",
            };
            format!("{scheme}://{host}:{port}")
        }
        Target::Files { root, .. } => format!("file://{root}"),
        Target::Tcp { host, port, .. } => format!("tcp://{host}:{port}"),
        Target::Udp { host, port } => format!("udp://{host}:{port}"),
    }
}

impl ServiceHealth {
    fn new(seen: &Seen) -> Self {
        Self {
            status: seen.status,
            uptime_ms: whole(seen.uptime.as_millis()),
            latency_us: whole(seen.latency.as_micros()),
            detail: seen.detail.clone(),
            last_seen_ms: (seen.last_seen != 0).then(|| seen.last_seen.saturating_mul(1000)),
        }
    }
}

impl Uptime {
    pub(super) fn new(period: Period, history: &History) -> Self {
        Self {
            period: period.as_str(),
            uptime: history.uptime,
            downtime: history.downtime,
            average_latency_us: whole(history.average_latency.as_micros()),
            statuses: history.samples.iter().map(|sample| sample.status).collect(),
        }
    }
}

/// What fits in 64 bits: half a million years of microseconds.
fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
