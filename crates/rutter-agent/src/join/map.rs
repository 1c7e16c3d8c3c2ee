//! The operator's services as routes of the link, and the controller's answers as what is shown.

use std::collections::BTreeSet;

use rutter_link::{Outcome, SourceUpdate};
use rutter_route::{
    Attributes, Destination, Endpoint, HostName, NextHop, ParseError, PathId, Service, SourceId,
    SourceKind, TableName,
};

use crate::{AgentError, RegisteredRoute, RouteSource, ServiceSpec};

/// The controller's table of services.
const TABLE: &str = "services";

/// One route as it is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    destination: Service,
    path: PathId,
    endpoint: Endpoint,
    attributes: Attributes,
}

/// All that one source says, with this host at `address` and its name at `domain`.
pub(super) fn said(
    source: RouteSource,
    services: &[ServiceSpec],
    address: Option<&HostName>,
    domain: &str,
) -> Result<Vec<Said>, AgentError> {
    let mut seen = BTreeSet::new();
    let mut said = Vec::new();
    for spec in services.iter().filter(|spec| spec.source == source) {
        let route = one(spec, address, domain)?;
        if !seen.insert((route.destination.clone(), route.path.clone())) {
            return Err(AgentError::Services(format!(
                "`{}` would lead to {} twice: where this host is reached, two services have one \
                 address",
                route.destination, route.endpoint
            )));
        }
        said.push(route);
    }
    Ok(said)
}

fn one(spec: &ServiceSpec, address: Option<&HostName>, domain: &str) -> Result<Said, ParseError> {
    let destination = match &spec.name {
        Some(name) => format!("{name}.{domain}").parse()?,
        None => domain.parse()?,
    };
    let endpoint = spec.endpoint_at(address);
    // As the API makes it, so a route is the same one by whichever way it was said.
    let path = format!("{} {}:{}", endpoint.scheme.as_str(), endpoint.host, endpoint.port);
    let attributes = Attributes {
        priority: spec.priority,
        health_check: spec.health_check.clone(),
        ..Attributes::via(NextHop::Endpoint(endpoint.clone()))
    };
    Ok(Said { destination, path: path.parse()?, endpoint, attributes })
}

/// What a source says, for the link; nothing is a withdrawal.
pub(super) fn update(source: RouteSource, said: &[Said]) -> Result<SourceUpdate, AgentError> {
    let table: TableName = TABLE.parse()?;
    let by = SourceId::new(SourceKind::Agent, source.as_str())?;
    let routes = said.iter();
    let routes = routes.map(|s| (s.destination.clone(), s.path.clone(), s.attributes.clone()));
    Ok(SourceUpdate::services(table, source.as_str().to_owned(), &by, routes))
}

/// Whether a report is about this and nothing else.
pub(super) fn is_about(outcomes: &[Outcome], said: &[Said]) -> bool {
    let known = |outcome: &Outcome| match &outcome.destination {
        Some(of) => said.iter().any(|s| s.destination.to_any() == *of && s.path == outcome.path),
        None => true,
    };
    !outcomes.is_empty() && outcomes.iter().all(known)
}

/// What came of it, in the order in which it was said; `shown` makes the controller's words fit to
/// be shown.
pub(super) fn registered(
    said: &[Said],
    outcomes: &[Outcome],
    shown: impl Fn(&str) -> String,
) -> Vec<RegisteredRoute> {
    let of = |route: &Said| {
        let destination = route.destination.to_any();
        let is_it =
            |o: &&Outcome| o.destination.as_ref() == Some(&destination) && o.path == route.path;
        let standing = outcomes.iter().find(is_it).map(|outcome| match &outcome.is {
            Ok(standing) => standing.as_str().to_owned(),
            Err(why) => format!("refused: {}", shown(why)),
        });
        RegisteredRoute {
            destination: route.destination.to_string(),
            endpoint: route.endpoint.clone(),
            standing,
        }
    };
    said.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
