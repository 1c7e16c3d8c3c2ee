//! The agent's section.

use std::path::Path;

use rutter_agent::{JoinUrl, MAX_SERVICES, ServiceSpec};

use super::Problems;
use crate::config::resolved::Agent;
use crate::config::{Problem, raw};

pub(super) fn resolve(raw: &raw::Agent, data: &Path, to: &mut Problems) -> Option<Agent> {
    if raw.name.is_none() {
        to.push(Problem::at("agent", "the agent has no name").help("write `name: alice` in it"));
    }
    let services = services(raw, to);
    Some(Agent {
        join: join(raw, to)?,
        name: raw.name.clone()?,
        services,
        address: raw.address.clone(),
        state: raw.state.clone().unwrap_or_else(|| data.join("agent")),
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

fn join(raw: &raw::Agent, to: &mut Problems) -> Option<JoinUrl> {
    let (path, line) = match (&raw.join, &raw.join_file) {
        (Some(line), None) => ("agent.join", line.clone()),
        (None, Some(file)) => match std::fs::read_to_string(file) {
            Ok(line) => ("agent.join_file", line),
            Err(error) => {
                to.at("agent.join_file", format!("{}: {error}", file.display()));
                return None;
            }
        },
        (Some(_), Some(_)) => {
            to.at("agent.join_file", "`join` stands there too: write one of the two");
            return None;
        }
        (None, None) => {
            to.push(
                Problem::at("agent", "the agent doesn't know where to join")
                    .help("write `join: URL#TOKEN`, the line that `rutter up` prints"),
            );
            return None;
        }
    };
    // The error repeats no part of the line, which holds a token.
    line.parse().map_err(|error: rutter_agent::AgentError| to.at(path, error.to_string())).ok()
}
