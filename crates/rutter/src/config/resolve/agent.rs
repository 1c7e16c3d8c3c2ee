//! The agent's section.

use std::path::Path;

use rutter_agent::{MAX_SERVICES, ServiceSpec};

use super::Problems;
use crate::config::resolved::Agent;
use crate::config::{Problem, raw};

pub(super) fn resolve(raw: &raw::Agent, data: Option<&Path>, to: &mut Problems) -> Option<Agent> {
    if raw.name.is_none() {
        to.push(Problem::at("agent", "the agent has no name").help("write `name: alice` in it"));
    }
    let services = services(raw, to);
    Some(Agent {
        join: super::join::required(raw, to)?,
        name: raw.name.clone()?,
        services,
        address: raw.address.clone(),
        // Without either, `kept` says so.
        state: raw.state.clone().or_else(|| Some(data?.join("agent")))?,
    })
}

fn services(raw: &raw::Agent, to: &mut Problems) -> Vec<ServiceSpec> {
    let written = raw.services.clone().unwrap_or_default();
    if written.is_empty() {
        to.push(
            Problem::at("agent.services", "the agent has nothing to register")
                .help("write such as `services: [web=127.0.0.1:3000]`"),
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
