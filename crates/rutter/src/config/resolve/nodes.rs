//! Nodes: elections, approvals and liveness, and the policy file.

use std::path::Path;
use std::time::Duration;

use rutter_nodes::election::Settings;
use rutter_nodes::policy::PolicyFile;
use rutter_rib::{Damping, OnWithdraw};
use rutter_route::Prefix;

use super::Problems;
use super::tables::NODES;
use crate::config::resolved::{Ha, Nodes, PolicySource};
use crate::config::{Period, Problem, raw};

/// The shortest that nodes and the controller may be asked to say something.
const KEEPALIVE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(60);

/// The section stands in a controller's file, and says the policy of its table.
pub(super) fn check_file(file: &raw::File, to: &mut Problems) {
    if file.nodes.is_none() {
        return;
    }
    if file.controller.is_none() {
        let problem = Problem::at("nodes", "nodes speak with the controller of their file");
        to.push(problem.help("write `controller:` beside it"));
    }
    let written = file.tables.iter().flatten().find(|(name, _)| name.as_str() == NODES);
    if written.is_some_and(|(_, table)| table.policy.is_some()) {
        let path = ["tables", NODES, "policy"].map(str::to_owned).to_vec();
        let problem = Problem::at_path(path, "the section `nodes` says the policy of this table");
        to.push(problem.help("leave it out: what may be approved stands in `nodes.policy`"));
    }
}

pub(super) fn resolve(raw: &raw::Nodes, to: &mut Problems) -> Nodes {
    let nodes = Nodes {
        policy: raw.policy.as_deref().and_then(|file| policy(file, to)),
        prefixes: raw.prefixes.clone().unwrap_or_else(prefixes),
        preempt: raw.preempt.unwrap_or(true),
        sticky: raw.sticky.unwrap_or(true),
        restart_grace: raw.restart_grace.unwrap_or(Period::seconds(15)),
        strict: raw.strict.unwrap_or(false),
        on_withdraw: raw.on_withdraw.unwrap_or(OnWithdraw::Clear),
        damping: damping(&raw.damping.clone().unwrap_or_default(), to),
        ephemeral_timeout: raw.ephemeral_timeout.unwrap_or(Period::seconds(120)),
        key_lifetime: raw.key_lifetime.unwrap_or(Period::seconds(0)),
        keepalive: raw.keepalive.unwrap_or(Period::seconds(1)),
        dead: raw.dead.unwrap_or(Period::seconds(3)),
        ha: ha(&raw.ha.clone().unwrap_or_default(), to),
    };
    addresses(&nodes.prefixes, to);
    let grace = nodes.restart_grace.0 <= Duration::from_secs(600);
    to.unless(grace, "nodes.restart_grace", "expected at most 10m");
    pulse(raw, &nodes, to);
    nodes
}

/// One pool of addresses a family, with room for more than a handful.
fn addresses(prefixes: &[Prefix], to: &mut Problems) {
    let n_v4 = prefixes.iter().filter(|prefix| prefix.is_v4()).count();
    let one_each = !prefixes.is_empty() && n_v4 <= 1 && prefixes.len() - n_v4 <= 1;
    to.unless(one_each, "nodes.prefixes", "expected one IPv4 network, one IPv6 network, or both");
    for (n, prefix) in prefixes.iter().enumerate() {
        let width: u8 = if prefix.is_v4() { 32 } else { 128 };
        if !(8..=width - 8).contains(&prefix.length()) {
            let message = format!("expected a network of /8 to /{}", width - 8);
            to.at(&format!("nodes.prefixes.{n}"), message);
        }
    }
}

fn pulse(raw: &raw::Nodes, nodes: &Nodes, to: &mut Problems) {
    let (keepalive, dead) = (nodes.keepalive, nodes.dead);
    to.unless(KEEPALIVE.contains(&keepalive.0), "nodes.keepalive", "expected 50ms to 1m");
    let least = Period(keepalive.0.saturating_mul(2));
    if dead < least {
        // Where only `keepalive` was written, that is where the mistake stands.
        let path = if raw.dead.is_some() { "nodes.dead" } else { "nodes.keepalive" };
        let message = format!(
            "a node that says something each {keepalive} would count as gone after {dead}: one lost packet would move its subnets"
        );
        to.push(Problem::at(path, message).help(format!("write a `dead` of at least {least}")));
    }
    if nodes.ephemeral_timeout < dead {
        let message = format!("expected at least `nodes.dead`, {dead}");
        to.at("nodes.ephemeral_timeout", message);
    }
}

fn damping(raw: &raw::NodesDamping, to: &mut Problems) -> Option<Damping> {
    let damping = Damping {
        half_life: raw.half_life.map_or(Duration::from_secs(120), Into::into),
        suppress: raw.suppress.unwrap_or(2500),
        reuse: raw.reuse.unwrap_or(1000),
        max_hold: raw.max_hold.map_or(Duration::from_secs(600), Into::into),
        withdrawal: raw.withdrawal.unwrap_or(1000),
        // A router that changes what it says of a route is none that comes and goes.
        change: 0,
    };
    let settings = Settings { damping: Some(damping.clone()), ..Settings::default() };
    if let Err(error) = settings.policy(&Default::default()).check() {
        let key = error.field.rsplit('.').next().unwrap_or_default();
        to.at(&format!("nodes.damping.{key}"), format!("expected {}", error.why));
    }
    raw.enabled.unwrap_or(true).then_some(damping)
}

fn ha(raw: &raw::NodesHa, to: &mut Problems) -> Ha {
    let ha = Ha {
        probe_interval: raw.probe_interval.unwrap_or(Period::seconds(10)),
        probe_timeout: raw.probe_timeout.unwrap_or(Period::seconds(5)),
    };
    if ha.probe_interval.0.is_zero() {
        return ha;
    }
    let often = ha.probe_interval >= Period::seconds(2);
    to.unless(often, "nodes.ha.probe_interval", "expected at least 2s, or `0s` for no pings");
    let long = ha.probe_timeout >= Period::seconds(1);
    to.unless(long, "nodes.ha.probe_timeout", "expected at least 1s");
    if ha.probe_timeout >= ha.probe_interval {
        let path = match raw.probe_timeout {
            Some(_) => "nodes.ha.probe_timeout",
            None => "nodes.ha.probe_interval",
        };
        let (timeout, interval) = (ha.probe_timeout, ha.probe_interval);
        let message = format!(
            "a ping waited for {timeout} isn't over when the next begins, after {interval}"
        );
        to.push(Problem::at(path, message).help("write a `probe_timeout` below `probe_interval`"));
    }
    ha
}

/// Reads the policy, so that a mistake in it is told before anything starts.
fn policy(file: &Path, to: &mut Problems) -> Option<PolicySource> {
    let checked = rutter_yaml::read(file).and_then(|text| {
        PolicyFile::parse(&file.display().to_string(), &text)?;
        Ok(text)
    });
    match checked {
        Ok(text) => Some(PolicySource { file: file.to_owned(), text: text.into() }),
        Err(error) => {
            to.at("nodes.policy", error.to_string());
            None
        }
    }
}

fn prefixes() -> Vec<Prefix> {
    // Literals that parse; the test of the defaults sees them.
    ["100.64.0.0/10", "fd7a:115c:a1e0::/48"].into_iter().filter_map(|p| p.parse().ok()).collect()
}
