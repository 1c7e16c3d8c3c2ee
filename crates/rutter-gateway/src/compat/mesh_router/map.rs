//! Mesh Router's words to Rutter's.

use std::net::IpAddr;

use rutter_rib::ToldRoute;
use rutter_route::{
    Attributes, Endpoint, HealthCheck, HostName, NextHop, Priority, RouteKey, Scheme, ServiceName,
    SourceId, SourceKind, Standing,
};

use super::wire::{self, Port};

/// The most routes of a name; more are dropped, the least wanted first.
pub(super) const MAX_ROUTES: usize = 16;

/// The original's priority of a route without one.
const LAST: f64 = 999.0;

/// A name at the backend, and the service that it is here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    /// As the backend knows it: 1 to 63 of `a-z0-9`, so there is nothing in it to escape.
    pub(super) label: String,
    pub(super) service: ServiceName,
}

/// The name that a host (normalised) leads to, by the index's own rule: under a domain, the last
/// label left of it, or what follows that one's last dash. `None`: the backend can't know it.
pub(super) fn name_of(host: &str, domains: &[ServiceName]) -> Option<Name> {
    let under = domains.iter().filter_map(|domain| {
        let left = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        Some((domain, left))
    });
    // The longest domain, as in the index.
    let (domain, left) = under.max_by_key(|(domain, _)| domain.as_str().len())?;
    let label = left.rsplit('.').next()?;
    let label = label.rsplit_once('-').map_or(label, |(_, name)| name);
    let fits = (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !fits {
        return None;
    }
    let service = format!("{label}.{domain}").parse().ok()?;
    Some(Name { label: label.to_owned(), service })
}

/// The routes of a name, and how many there were that can't be used.
pub(super) fn routes(name: &Name, routes: &[wire::Route]) -> (Vec<ToldRoute>, usize) {
    let mut told: Vec<ToldRoute> = Vec::new();
    for route in routes {
        // The tunnel registers one address as http and https, and both mean http.
        if let Some(route) = route_of(name, route)
            && !told.iter().any(|other| other.route == route.route)
        {
            told.push(route);
        }
    }
    let n_bad = routes.iter().filter(|route| route_of(name, route).is_none()).count();
    told.sort_by(|a, b| (a.attributes.priority, &a.route).cmp(&(b.attributes.priority, &b.route)));
    told.truncate(MAX_ROUTES);
    (told, n_bad)
}

/// The one route of a legacy answer: an agent's, by `https`, as the original takes it.
pub(super) fn legacy(answer: wire::ResolvedLegacy) -> wire::Route {
    wire::Route {
        ip: answer.host_ip,
        port: answer.target_port,
        priority: Some(1.0),
        source: Some("agent".to_owned()),
        scheme: None,
        kind: None,
        domain: None,
        health_check: None,
    }
}

fn route_of(name: &Name, route: &wire::Route) -> Option<ToldRoute> {
    let source = source_of(name, route.source.as_deref().unwrap_or("agent"))?;
    let scheme = match (source.kind(), route.scheme.as_deref()) {
        (SourceKind::Tunnel, _) | (_, Some("http")) => Scheme::Http,
        (_, None | Some("https")) => Scheme::Https,
        (_, Some(_)) => return None,
    };
    let host = match (route.kind.as_deref(), &route.domain) {
        (Some("domain"), Some(domain)) => domain.parse().ok()?,
        (Some("domain"), None) => return None,
        // The original stores anything here; a host name passes, a path behind it doesn't.
        _ => match route.ip.parse::<IpAddr>() {
            Ok(address) => HostName::Address(address),
            Err(_) => route.ip.parse().ok()?,
        },
    };
    let port = match &route.port {
        None => 443,
        Some(Port::Number(port)) => *port,
        Some(Port::Text(text)) => text.trim().parse().ok()?,
    };
    let endpoint = Endpoint { scheme, host, port, tls_name: None };
    let path = format!("{endpoint}").replacen("://", " ", 1).parse().ok()?;
    let mut attributes = Attributes::via(NextHop::Endpoint(endpoint));
    attributes.priority = Priority::from_f64(route.priority.unwrap_or(LAST)).ok()?;
    attributes.health_check = route.health_check.as_ref().and_then(check_of);
    let route = RouteKey { source, path };
    (port != 0).then_some(ToldRoute {
        route,
        attributes,
        standing: Standing::Eligible,
        equal: false,
    })
}

/// `agent` and `tunnel` are Rutter's own kinds; any other word is a provider's name.
fn source_of(name: &Name, word: &str) -> Option<SourceId> {
    let (kind, name) = match word {
        "agent" => (SourceKind::Agent, name.label.clone()),
        "tunnel" => (SourceKind::Tunnel, name.label.clone()),
        word => (SourceKind::Provider, format!("{word}:{}", name.label)),
    };
    SourceId::new(kind, &name).ok()
}

/// A check that can't be made is none, as at the backend.
fn check_of(check: &wire::HealthCheck) -> Option<HealthCheck> {
    let is_path = check.path.starts_with('/') && check.path.parse::<http::Uri>().is_ok();
    let host = check.host.clone().filter(|host| crate::index::normalise(host).is_ok());
    is_path.then(|| HealthCheck { path: check.path.clone(), host })
}
