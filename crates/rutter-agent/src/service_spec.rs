//! What is to be registered, as people write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rutter_route::{Endpoint, HealthCheck, HostName, ParseError, Priority, Scheme, ServiceName};

use crate::AgentError;

/// The most services that one agent registers.
pub const MAX_SERVICES: usize = 64;

/// One service: `[NAME=][SCHEME://]HOST:PORT[,health=/path][,priority=N][,source=tunnel]`.
///
/// `web=127.0.0.1:3000` is `web` below the agent's own name; without `NAME=` (or with nothing
/// before the `=`) it is the agent's own name. The scheme is `http` unless written. The priority
/// is 1, for a tunnel 2, unless written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// The name below the agent's own; `None`: the agent's own.
    pub name: Option<ServiceName>,
    /// Where it answers, as this host sees it (a tunnel: as the gateway sees it).
    pub endpoint: Endpoint,
    /// How the gateway asks whether it is well.
    pub health_check: Option<HealthCheck>,
    /// Its place among the routes of its name, lower first.
    pub priority: Priority,
    /// Which of the agent's sources says so.
    pub source: RouteSource,
}

/// Which of an agent's sources a route belongs to; each is replaced and expires apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RouteSource {
    /// A direct route: its host is replaced by the address this host is reached at.
    #[default]
    Agent,
    /// A way round: its address is registered as it is written.
    Tunnel,
}

impl RouteSource {
    /// Its word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tunnel => "tunnel",
        }
    }

    fn priority(self) -> Priority {
        match self {
            Self::Agent => Priority::whole(1),
            Self::Tunnel => Priority::whole(2),
        }
    }
}

impl FromStr for ServiceSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |expected: &str| ParseError::new("service", text, expected);
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let (name, place) = split_name(head);
        let name = match name {
            None | Some("") => None,
            Some(name) => Some(name.parse()?),
        };
        let endpoint = parse_endpoint(text, place)?;
        let mut health_check = None;
        let mut priority = None;
        let mut source = None;
        for part in parts {
            let twice = match part.split_once('=') {
                Some(("health", path)) => health_check.replace(parse_health(text, path)?).is_some(),
                Some(("priority", number)) => {
                    priority.replace(number.parse::<Priority>()?).is_some()
                }
                Some(("source", word)) => source.replace(parse_source(text, word)?).is_some(),
                _ => {
                    return Err(error(
                        "after the address come `health=/path`, `priority=N` or \
                         `source=tunnel`, parted by commas",
                    ));
                }
            };
            if twice {
                return Err(error("each option stands once"));
            }
        }
        let source = source.unwrap_or_default();
        let priority = priority.unwrap_or_else(|| source.priority());
        Ok(Self { name, endpoint, health_check, priority, source })
    }
}

impl fmt::Display for ServiceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.endpoint.fmt(f)?;
        if let Some(check) = &self.health_check {
            write!(f, ",health={}", check.path)?;
        }
        if self.priority != self.source.priority() {
            write!(f, ",priority={}", self.priority)?;
        }
        if self.source == RouteSource::Tunnel {
            f.write_str(",source=tunnel")?;
        }
        Ok(())
    }
}

impl ServiceSpec {
    /// The endpoint to register where this host is reached at `address`.
    pub(crate) fn endpoint_at(&self, address: Option<&HostName>) -> Endpoint {
        let mut endpoint = self.endpoint.clone();
        if let (RouteSource::Agent, Some(address)) = (self.source, address) {
            endpoint.host = address.clone();
        }
        endpoint
    }
}

/// Checks that a set of services can be registered as one.
///
/// # Errors
/// None, over [`MAX_SERVICES`], or one twice.
pub(crate) fn check_services(services: &[ServiceSpec]) -> Result<(), AgentError> {
    if services.is_empty() {
        return Err(AgentError::Services(
            "no service to register: give one, such as --service web=127.0.0.1:3000".into(),
        ));
    }
    if services.len() > MAX_SERVICES {
        let n = services.len();
        return Err(AgentError::Services(format!(
            "{n} services are too many for one agent: {MAX_SERVICES} at most"
        )));
    }
    for (i, one) in services.iter().enumerate() {
        let same = |o: &&ServiceSpec| {
            o.name == one.name && o.endpoint == one.endpoint && o.source == one.source
        };
        if services.iter().take(i).any(|o| same(&o)) {
            return Err(AgentError::Services(format!("the service `{one}` is given twice")));
        }
    }
    Ok(())
}

/// The name stands before the first `=`, unless that belongs to the endpoint's `?tls=`.
fn split_name(head: &str) -> (Option<&str>, &str) {
    match head.split_once('=') {
        Some((name, place)) if !name.contains([':', '/', '?']) => (Some(name), place),
        _ => (None, head),
    }
}

fn parse_endpoint(text: &str, place: &str) -> Result<Endpoint, ParseError> {
    let error = |expected: &str| ParseError::new("service", text, expected);
    let endpoint: Endpoint = if place.contains("://") {
        place.parse()?
    } else {
        let url = format!("http://{place}");
        url.parse().map_err(|_| {
            error("the address is HOST:PORT, such as `127.0.0.1:3000` or `[::1]:3000`")
        })?
    };
    if !matches!(endpoint.scheme, Scheme::Http | Scheme::Https) {
        return Err(error("the scheme is http or https"));
    }
    let unspecified = match &endpoint.host {
        HostName::Address(IpAddr::V4(v4)) => v4.is_unspecified(),
        HostName::Address(IpAddr::V6(v6)) => v6.is_unspecified(),
        HostName::Name(_) => false,
    };
    if unspecified {
        return Err(error(
            "nobody can connect to an unspecified address: write 127.0.0.1 or [::1]",
        ));
    }
    Ok(endpoint)
}

fn parse_health(text: &str, path: &str) -> Result<HealthCheck, ParseError> {
    let plain = |b: u8| b.is_ascii_graphic();
    if !path.starts_with('/') || path.len() > 1024 || !path.bytes().all(plain) {
        return Err(ParseError::new(
            "service",
            text,
            "the health check is a path that begins with `/`, 1024 ASCII characters at most",
        ));
    }
    Ok(HealthCheck { path: path.to_owned(), host: None })
}

fn parse_source(text: &str, word: &str) -> Result<RouteSource, ParseError> {
    match word {
        "agent" => Ok(RouteSource::Agent),
        "tunnel" => Ok(RouteSource::Tunnel),
        _ => Err(ParseError::new("service", text, "the source is `agent` or `tunnel`")),
    }
}

#[cfg(test)]
mod tests;
