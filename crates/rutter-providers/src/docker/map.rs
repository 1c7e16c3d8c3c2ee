//! From an engine's words to ours.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerSummaryHealthStatusEnum,
    ContainerSummaryStateEnum as State, EndpointSettings, EventMessage, EventMessageTypeEnum,
    PortSummary, PortSummaryTypeEnum,
};

use crate::ContainerId;
use crate::godoxy::{Container, Port, Protocol};
use crate::monitor::{HealthStatus, Seen};

use super::engine::is_listened_to;

/// How much of what a health check printed is kept, in characters.
const MAX_DETAIL: usize = 256;

/// A container that has changed, as an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) id: ContainerId,
    /// What happened to it, in GoDoxy's word, and its name; of what isn't shown, nothing.
    pub(super) shown: Option<(&'static str, String)>,
}

/// What happened to a container, in an engine's word and GoDoxy's.
const ACTIONS: [(&str, &str); 6] = [
    ("start", "started"),
    ("die", "died"),
    ("destroy", "destroyed"),
    ("pause", "paused"),
    ("unpause", "unpaused"),
    ("rename", "renamed"),
];

/// The container that an event is about, if it is one after which its container would be listed
/// otherwise.
pub(super) fn changed(event: EventMessage) -> Option<Changed> {
    let actor = event.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    let (of, id) = match event.typ? {
        EventMessageTypeEnum::CONTAINER => ("container", actor.id),
        // The actor is the network.
        EventMessageTypeEnum::NETWORK => ("network", attributes.remove("container")),
        _ => return None,
    };
    let action = event.action?;
    let id = id.filter(|id| is_listened_to(of, &action) && !id.is_empty())?;
    let shown = ACTIONS.iter().find(|(its, _)| *its == action).map(|(_, word)| *word);
    let shown = shown.map(|word| (word, attributes.remove("name").unwrap_or_default()));
    Some(Changed { id: ContainerId::new(id), shown })
}

/// Whether a container has its host's network, so that a listing doesn't say its ports.
pub(super) fn is_on_host_network(listed: &ContainerSummary) -> bool {
    let mode = listed.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    mode == Some("host")
}

/// The ports that a container's image exposes: on its host's network each is its own public one.
pub(super) fn exposed(inspected: &ContainerInspectResponse) -> Vec<Port> {
    let exposed = inspected.config.as_ref().and_then(|config| config.exposed_ports.as_ref());
    let port = |text: &String| {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        let private = number.parse().ok().filter(|port| *port != 0)?;
        Some(Port { private, public: Some(private), protocol })
    };
    in_order(exposed.into_iter().flatten().filter_map(port))
}

/// A container as it is listed, with what its image exposes where it is on its host's network;
/// `None` if it has no id or name, which no engine does.
pub(super) fn container(listed: ContainerSummary, exposed: Option<Vec<Port>>) -> Option<Container> {
    let is_on_host_network = is_on_host_network(&listed);
    let id = listed.id.filter(|id| !id.is_empty())?;
    // Other containers' links to it come as `/other/name`.
    let names = listed.names.unwrap_or_default();
    let is_own = |name: &&String| !name.trim_start_matches('/').contains('/');
    let name = names.iter().find(is_own).or_else(|| names.first())?.clone();
    let networks = listed.network_settings.and_then(|settings| settings.networks);
    let networks = networks.unwrap_or_default().into_iter();
    let address = |(name, network)| Some((name, address(&network)?));
    let mounts = listed.mounts.unwrap_or_default().into_iter();
    Some(Container {
        id: ContainerId::new(id),
        name,
        image: listed.image.unwrap_or_default(),
        labels: listed.labels.unwrap_or_default().into_iter().collect(),
        ports: exposed
            .unwrap_or_else(|| in_order(listed.ports.unwrap_or_default().iter().filter_map(port))),
        networks: networks.filter_map(address).collect::<BTreeMap<_, _>>(),
        is_on_host_network,
        mounts: mounts.filter_map(|mount| mount.destination).collect(),
    })
}

/// What an engine knows of a container's health: that it doesn't run, or what its own health check
/// found. `None`: nothing, so its routes are probed.
pub(super) fn health(listed: &ContainerSummary) -> Option<Seen> {
    let seen =
        |status, detail: &str| Some(Seen { status, detail: detail.to_owned(), ..Seen::default() });
    let stopped = |is: &str| seen(HealthStatus::Unhealthy, &format!("container is {is}"));
    match listed.state? {
        State::CREATED => return stopped("created"),
        State::PAUSED => return stopped("paused"),
        State::RESTARTING => return stopped("restarting"),
        State::EXITED => return stopped("exited"),
        State::REMOVING => return stopped("removing"),
        State::DEAD => return stopped("dead"),
        State::STOPPING => return stopped("stopping"),
        State::RUNNING | State::EMPTY => {}
    }
    match check(listed)? {
        Check::Healthy => seen(HealthStatus::Healthy, ""),
        Check::Starting => seen(HealthStatus::Starting, "its health check has not passed yet"),
        Check::Unhealthy => seen(HealthStatus::Unhealthy, "its health check fails"),
    }
}

/// Whether a container runs and its own health check says that it isn't well.
pub(super) fn is_found_unwell(listed: &ContainerSummary) -> bool {
    matches!(listed.state, Some(State::RUNNING | State::EMPTY))
        && matches!(check(listed), Some(Check::Unhealthy))
}

/// What the last health check of a container printed, its first line.
pub(super) fn detail(inspected: &ContainerInspectResponse) -> Option<String> {
    let last = inspected.state.as_ref()?.health.as_ref()?.log.as_ref()?.last()?;
    let line = last.output.as_deref()?.trim().lines().next()?.trim();
    let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect();
    Some(line).filter(|line| !line.is_empty())
}

enum Check {
    Healthy,
    Starting,
    Unhealthy,
}

/// The result of a container's own health check: newer engines say it by itself, all of them in
/// the text that people read.
fn check(listed: &ContainerSummary) -> Option<Check> {
    match listed.health.as_ref().and_then(|health| health.status) {
        Some(ContainerSummaryHealthStatusEnum::HEALTHY) => return Some(Check::Healthy),
        Some(ContainerSummaryHealthStatusEnum::STARTING) => return Some(Check::Starting),
        Some(ContainerSummaryHealthStatusEnum::UNHEALTHY) => return Some(Check::Unhealthy),
        Some(ContainerSummaryHealthStatusEnum::NONE) => return None,
        Some(ContainerSummaryHealthStatusEnum::EMPTY) | None => {}
    }
    let text = listed.status.as_deref()?;
    let ends = [
        ("(healthy)", Check::Healthy),
        ("(health: starting)", Check::Starting),
        ("(unhealthy)", Check::Unhealthy),
    ];
    ends.into_iter().find(|(end, _)| text.ends_with(end)).map(|(_, check)| check)
}

/// Its IPv4 address or else its IPv6 one; an engine says an empty text for none.
fn address(network: &EndpointSettings) -> Option<IpAddr> {
    let said = [&network.ip_address, &network.global_ipv6_address];
    said.into_iter().flatten().find_map(|text| text.parse().ok())
}

fn port(listed: &PortSummary) -> Option<Port> {
    let protocol = match listed.typ {
        Some(PortSummaryTypeEnum::TCP) => Protocol::Tcp,
        Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
        _ => return None,
    };
    let public = listed.public_port.filter(|port| *port != 0);
    Some(Port { private: listed.private_port, public, protocol })
}

/// Each port once, in order: one is listed for each address that it is published on.
fn in_order(ports: impl Iterator<Item = Port>) -> Vec<Port> {
    let mut ports: Vec<Port> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
