//! Nodes, a part of the controller: what the file says of them in the words of the fleet and the
//! link.

use rutter_link::Pulse;
use rutter_nodes::election::Settings;
use rutter_nodes::fleet::{FleetConfig, PolicyText, Probing};
use rutter_route::ParseError;

use crate::config::resolved::Nodes;
use crate::config::tables;

/// What the fleet runs by.
pub(super) fn fleet_config(nodes: &Nodes) -> Result<FleetConfig, ParseError> {
    let policy = nodes.policy.as_ref().map(|policy| PolicyText {
        name: policy.file.display().to_string(),
        text: policy.text.clone(),
    });
    Ok(FleetConfig {
        table: tables::NODES.parse()?,
        election: Settings {
            preempt: nodes.preempt,
            sticky: nodes.sticky,
            restart_grace: nodes.restart_grace.into(),
            strict: nodes.strict,
            on_withdraw: nodes.on_withdraw,
            damping: nodes.damping.clone(),
        },
        policy,
        prefixes: nodes.prefixes.clone(),
        ephemeral_timeout: nodes.ephemeral_timeout.into(),
        key_lifetime: (!nodes.key_lifetime.0.is_zero()).then_some(nodes.key_lifetime.0),
        probing: (!nodes.ha.probe_interval.0.is_zero()).then(|| Probing {
            interval: nodes.ha.probe_interval.into(),
            timeout: nodes.ha.probe_timeout.into(),
        }),
    })
}

/// How a node and the controller show each other that they are there.
pub(super) fn pulse(nodes: &Nodes) -> Pulse {
    Pulse { keepalive: nodes.keepalive.into(), dead: Some(nodes.dead.into()) }
}
