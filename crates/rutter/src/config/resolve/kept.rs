//! With `data: off` nothing is kept: what would have to be is a mistake.

use super::Problems;
use crate::config::Problem;
use crate::config::raw::{self, Tls};
use crate::config::resolved::Config;

pub(super) fn check(file: &raw::File, config: &Config, to: &mut Problems) {
    let mut kept = |path: &str, what: &str| {
        let problem =
            Problem::at(path, format!("{what} is kept in the data directory, which is off"));
        to.push(problem.help("write `data: DIRECTORY`"));
    };
    if file.controller.is_some() {
        kept("controller", "the registry");
    }
    if let Some(gateway) = &file.gateway {
        if gateway.join.is_some() || gateway.join_file.is_some() {
            kept("gateway", "the key by which the gateway joins");
        }
        if config.gateway.as_ref().is_some_and(|gateway| gateway.acme.is_some()) {
            kept("gateway.acme", "what ACME orders");
        }
    }
    if file.agent.as_ref().is_some_and(|agent| agent.state.is_none()) {
        kept("agent", "the agent's identity, unless `state` says where,");
    }
    for (name, listener) in config.listeners.all() {
        if listener.tls == Tls::Own {
            let problem = Problem::at(
                name,
                "the CA of its certificate is kept in the data directory, which is off",
            );
            to.push(problem.help(
                "write `data: DIRECTORY`, or `tls: off` or `tls: {chain: FILE, key: FILE}` here",
            ));
        }
    }
}
