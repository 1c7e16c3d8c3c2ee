//! The agent's section.

use std::path::Path;

use rutter_agent::{JoinUrl, MAX_SERVICES, Node, ProbeSpec, ServiceSpec};

use super::Problems;
use crate::config::resolved::{Agent, AgentRoutes};
use crate::config::{Problem, raw};

pub(super) fn resolve(raw: &raw::Agent, data: Option<&Path>, to: &mut Problems) -> Option<Agent> {
    if raw.name.is_none() {
        to.push(Problem::at("agent", "the agent has no name").help("write `name: alice` in it"));
    }
    let services = services(raw, to);
    let join = super::join::required(raw, to)?;
    let registers = !services.is_empty();
    if registers && join.clone().with_token().is_err() {
        let path = if raw.join.is_some() { "agent.join" } else { "agent.join_file" };
        to.at(path, "services are registered by a token: expected `URL#TOKEN`");
    }
    let routes = match &raw.routes {
        Some(written) => Some(routes(written, &join, registers, to)?),
        None => None,
    };
    let agent = Agent {
        join,
        name: raw.name.clone()?,
        services,
        address: raw.address.clone(),
        // Without either, `kept` says so.
        state: raw.state.clone().or_else(|| Some(data?.join("agent")))?,
        routes,
    };
    if let Some(Err(why)) = agent.node().map(Node::new) {
        to.at("agent.routes", why.to_string());
    }
    Some(agent)
}

fn services(raw: &raw::Agent, to: &mut Problems) -> Vec<ServiceSpec> {
    let written = raw.services.clone().unwrap_or_default();
    if written.is_empty() && raw.routes.is_none() {
        to.push(
            Problem::at("agent.services", "the agent has nothing to register")
                .help("write such as `services: [web=127.0.0.1:3000]`, or `routes:` for a node"),
        );
    }
    if written.len() > MAX_SERVICES {
        to.at("agent.services", format!("expected at most {MAX_SERVICES} services"));
    }
    let mut services = Vec::new();
    for (n, text) in written.iter().enumerate() {
        match text.parse() {
            Ok(service) => services.push(service),
            Err(error) => {
                let error: rutter_route::ParseError = error;
                to.at(&format!("agent.services.{n}"), error.to_string());
            }
        }
    }
    services
}

/// `registers`: the agent's line is spent for its services.
fn routes(
    raw: &raw::AgentRoutes,
    join: &JoinUrl,
    registers: bool,
    to: &mut Problems,
) -> Option<AgentRoutes> {
    let own = super::join::written("agent.routes", raw.join.as_ref(), None, to);
    if raw.join.is_some() && own.is_none() {
        return None;
    }
    let probes = raw.probes.iter().flatten().enumerate();
    Some(AgentRoutes {
        join: own.unwrap_or_else(|| AgentRoutes::join_beside(join, registers)),
        advertise_routes: raw.advertise_routes.clone().unwrap_or_default(),
        advertise_exit_node: raw.advertise_exit_node.unwrap_or_default(),
        accept_routes: raw.accept_routes.unwrap_or_default(),
        exit_node: raw.exit_node.clone(),
        snat: raw.snat.unwrap_or(true),
        addresses: raw.addresses.clone().unwrap_or_default(),
        probes: probes.filter_map(|(n, raw)| probe(n, raw, to)).collect(),
    })
}

fn probe(n: usize, raw: &raw::AgentProbe, to: &mut Problems) -> Option<ProbeSpec> {
    let at = format!("agent.routes.probes.{n}");
    let (Some(prefix), Some(target)) = (raw.prefix, &raw.target) else {
        let problem = Problem::at(&at, "a probe needs `prefix` and `target`");
        to.push(
            problem.help("write such as `{prefix: 10.1.0.0/24, target: \"icmp://10.1.0.10\"}`"),
        );
        return None;
    };
    let target = match target.parse() {
        Ok(target) => target,
        Err(error) => {
            let error: rutter_route::ParseError = error;
            to.at(&format!("{at}.target"), error.to_string());
            return None;
        }
    };
    let otherwise = ProbeSpec::new(prefix, target);
    Some(ProbeSpec {
        interval: raw.interval.map_or(otherwise.interval, |period| period.0),
        timeout: raw.timeout.map_or(otherwise.timeout, |period| period.0),
        healthy_threshold: raw.healthy_threshold.unwrap_or(otherwise.healthy_threshold),
        unhealthy_threshold: raw.unhealthy_threshold.unwrap_or(otherwise.unhealthy_threshold),
        ..otherwise
    })
}
