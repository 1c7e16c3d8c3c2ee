//! Mesh Router's words to Rutter's, and back.
//!
//! The checks come in the original's order and with its texts, since its clients show them to
//! people. Where the original took anything, this takes what can be meant: an `ip` is an address
//! (there, `127.0.0.1:8192/ca-cert?x=` passed and chose the path of the server's own request), a
//! `domain` is a host name.

use rutter_controller::{RouteClaim, health_check};
use rutter_route::{Endpoint, HostName, PathId, Priority, Scheme};
use serde_json::{Map, Value};

use super::wire::{self, Kind, Port, Route};

/// One entry of the body, checked.
///
/// # Errors
/// The original's text for the first field that is wrong, without its `Error: Route <i>: `.
pub(super) fn route_of(entry: &Value) -> Result<Route, String> {
    let Value::Object(fields) = entry else {
        return Err("a route is an object with ip, port and priority.".into());
    };
    let ip = ip_of(fields)?;
    let port = port_of(fields).ok_or("port must be between 1 and 65535.")?;
    let priority = priority_of(fields)?;
    let source = source_of(fields, priority)?;
    let scheme = one_of(fields, "scheme", &[wire::Scheme::Http, wire::Scheme::Https])
        .ok_or("scheme must be \"http\" or \"https\".")?;
    let kind = one_of(fields, "type", &[Kind::Ip, Kind::Domain])
        .ok_or("type must be \"ip\" or \"domain\".")?;
    let domain = domain_of(fields, kind)?;
    Ok(Route { ip, port, priority, source, scheme, kind, domain, health_check: check_of(fields)? })
}

/// What JavaScript calls truthy, of the kinds that a field can have.
fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let value = fields.get(name)?;
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        other => Some(other),
    }
}

fn ip_of(fields: &Map<String, Value>) -> Result<String, String> {
    let Some(Value::String(ip)) = given(fields, "ip") else {
        return Err("ip is required.".into());
    };
    match ip.parse() {
        Ok(HostName::Address(_)) => Ok(ip.clone()),
        _ => Err("Invalid IP address format.".into()),
    }
}

fn port_of(fields: &Map<String, Value>) -> Option<Port> {
    let port = match given(fields, "port")? {
        Value::Number(number) => {
            // 80.0 is 80 in JavaScript; 80.5 is refused, which the original stores.
            let whole =
                number.as_f64().filter(|n| n.fract() == 0.0 && *n <= 65535.0 && *n >= 1.0)?;
            Port::Number(whole as u16)
        }
        Value::String(text) if text.len() <= 16 => Port::Text(text.clone()),
        _ => return None,
    };
    (port.number() != 0).then_some(port)
}

fn priority_of(fields: &Map<String, Value>) -> Result<Priority, String> {
    let Some(number) = fields.get("priority").and_then(Value::as_f64) else {
        return Err("priority is required.".into());
    };
    Priority::from_f64(number).map_err(|_| "priority must be between -1e12 and 1e12.".into())
}

/// The source that is named, or the one that the seed's two clients are known by.
fn source_of(fields: &Map<String, Value>, priority: Priority) -> Result<String, String> {
    match fields.get("source") {
        None => Ok(if priority == Priority::whole(2) { "tunnel" } else { "agent" }.into()),
        Some(Value::String(source)) if !source.is_empty() => Ok(source.clone()),
        Some(_) => Err("source is required.".into()),
    }
}

/// The field's value if it is one of `all`; `Some(None)` if it is not given.
fn one_of<T: Copy + serde::Serialize>(
    fields: &Map<String, Value>,
    name: &str,
    all: &[T],
) -> Option<Option<T>> {
    match fields.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => {
            let is = |one: &&T| serde_json::to_value(one).is_ok_and(|text| text == *value);
            all.iter().find(is).copied().map(Some)
        }
    }
}

fn domain_of(fields: &Map<String, Value>, kind: Option<Kind>) -> Result<Option<String>, String> {
    let domain = match given(fields, "domain") {
        Some(Value::String(domain)) => Some(domain.clone()),
        Some(_) => return Err("domain must be a host name.".into()),
        None => None,
    };
    if let Some(domain) = &domain
        && !matches!(domain.parse(), Ok(HostName::Name(_)))
    {
        return Err("domain must be a host name.".into());
    }
    if kind == Some(Kind::Domain) && domain.is_none() {
        return Err("domain is required when type is \"domain\".".into());
    }
    Ok(domain)
}

/// A health check without a path is dropped without a word, as in the original.
fn check_of(fields: &Map<String, Value>) -> Result<Option<wire::HealthCheck>, String> {
    let Some(Value::Object(check)) = fields.get("healthCheck") else {
        return Ok(None);
    };
    let Some(Value::String(path)) = given(check, "path") else {
        return Ok(None);
    };
    let host = match given(check, "host") {
        Some(Value::String(host)) => Some(host.clone()),
        _ => None,
    };
    health_check(&rooted(path), host.as_deref()).map_err(|e| format!("healthCheck: {e}."))?;
    Ok(Some(wire::HealthCheck { path: path.clone(), host }))
}

/// The path with the `/` in front that some configurations forget.
fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// A checked route as a claim about the user's own name.
///
/// The path id is the scheme as it was meant and the host and port as they were written, since a
/// tunnel registers one ip:port under both schemes. What is spoken is another matter: a tunnel is
/// plain HTTP inside, whatever its entry says, as in the original's gateway.
///
/// # Errors
/// A text for people; [`route_of`] has refused everything that leads here.
pub(super) fn claim_of(route: &Route) -> Result<RouteClaim, String> {
    let host = match (route.kind, &route.domain) {
        (Some(Kind::Domain), Some(domain)) => domain.as_str(),
        _ => route.ip.as_str(),
    };
    let host: HostName = host.parse().map_err(|e| format!("{e}."))?;
    let meant = match route.scheme {
        Some(wire::Scheme::Http) => Scheme::Http,
        Some(wire::Scheme::Https) | None => Scheme::Https,
    };
    let port = route.port.number();
    let path = format!("{} {host}:{port}", meant.as_str());
    let path: PathId = path.parse().map_err(|e| format!("{e}."))?;
    let scheme = if route.source == "tunnel" { Scheme::Http } else { meant };
    let tls_name = match &host {
        HostName::Name(name) if scheme == Scheme::Https => Some(name.clone()),
        _ => None,
    };
    let check = route.health_check.as_ref();
    let check = check.map(|c| health_check(&rooted(&c.path), c.host.as_deref()));
    Ok(RouteClaim {
        service: None,
        path,
        endpoint: Endpoint { scheme, host, port, tls_name },
        priority: route.priority,
        health_check: check.transpose().map_err(|e| format!("{e}."))?,
        said: serde_json::to_string(route).ok(),
    })
}

/// A claim in Mesh Router's words: as it was said there, or, when it was made elsewhere, as it
/// would have been said. `None` for what Mesh Router has no words for.
pub(super) fn said_of(source: &str, claim: &RouteClaim) -> Option<Route> {
    if claim.service.is_some() {
        return None;
    }
    if let Some(said) = &claim.said {
        return serde_json::from_str(said).ok();
    }
    let (kind, ip, domain) = match &claim.endpoint.host {
        HostName::Address(address) => (None, address.to_string(), None),
        // The old gateway reads `ip` and ignores the type: a name stands in both.
        HostName::Name(name) => (Some(Kind::Domain), name.to_string(), Some(name.to_string())),
    };
    let scheme = match claim.endpoint.scheme {
        Scheme::Http => wire::Scheme::Http,
        Scheme::Https => wire::Scheme::Https,
        Scheme::H2c | Scheme::Tcp | Scheme::Udp => return None,
    };
    let check = claim.health_check.as_ref();
    Some(Route {
        ip,
        port: Port::Number(claim.endpoint.port),
        priority: claim.priority,
        source: source.to_owned(),
        scheme: Some(scheme),
        kind,
        domain,
        health_check: check
            .map(|c| wire::HealthCheck { path: c.path.clone(), host: c.host.clone() }),
    })
}

/// The order of an answer: priority, source, ip, port. The original's is that in which its process
/// first saw the sources; its gateway sorts for itself.
pub(super) fn sort(routes: &mut [Route]) {
    routes.sort_by(|a, b| {
        let key = |r: &Route| (r.priority, r.source.clone(), r.ip.clone(), r.port.number());
        key(a).cmp(&key(b))
    });
}
