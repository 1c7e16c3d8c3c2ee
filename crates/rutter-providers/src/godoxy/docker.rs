//! Containers and their labels, as GoDoxy reads them, from a plain description: what an engine
//! says is turned into one by whoever asks it.
//!
//! Each container that has a port is a route under its name unless something excludes it; labels
//! say the rest. What is said of one alias alone refuses that alias alone; what can't be given to
//! any of a container's aliases refuses them all, since it may be what was to protect them.

mod container;
mod exclude;
mod labels;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use rutter_route::HostName;
use rutter_yaml::unknown_word;

use crate::{Excluded, Exclusion, Reading};

use super::Settings;
use super::notes::Notes;
use super::resolve::{Origin, resolve};
use super::written::Written;

use labels::Labelled;

pub use container::{Container, Image, Port, Protocol};
pub(super) use exclude::exclusion;

/// The engine that containers are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Whether it takes labelled containers only (a provider's name that ends in `!`).
    pub is_explicit_only: bool,
    /// Its host, where containers are reached by the ports that it publishes; `None`: it is this
    /// one's, and they are reached by their own addresses.
    pub host: Option<HostName>,
}

impl Engine {
    /// The engine of a provider as it is named: an `!` at the end of the name asks for labelled
    /// containers only.
    pub fn named(name: &str, host: Option<HostName>) -> Self {
        Self { is_explicit_only: name.ends_with('!'), host }
    }

    /// Whether a host is the engine's own, where containers are reached by published ports.
    pub(super) fn is_at(&self, host: &HostName) -> bool {
        self.host.as_ref().map_or_else(|| is_this_host(host), |its| its == host)
    }
}

/// Reads a container.
pub fn read_container(container: &Container, engine: &Engine, settings: &Settings) -> Reading {
    let mut reading = Reading::default();
    let mut labelled = labels::read(container);
    if engine.is_explicit_only && !labelled.is_explicit {
        reading.excluded.push(excluded(
            container,
            &container.name().to_lowercase(),
            Exclusion::NotLabelled,
        ));
        return reading;
    }
    let host = host(container, engine, &mut labelled);
    reading.remarks.append(&mut labelled.notes.remarks);
    for alias in labelled.aliases {
        let mut notes = Notes::at(&["proxy", &alias.name]);
        notes.problems.extend(labelled.notes.problems.iter().cloned());
        notes.problems.extend(alias.problems);
        let mut written = Written::read(&alias.fields, &settings.health, &mut notes);
        written.idle.is_on |= labelled.idle.is_on;
        written.idle.has_target = true;
        let is_excluded = labelled.is_excluded;
        let host = host.as_ref();
        let origin = Origin::Container { container, engine, is_excluded, host };
        let outcome = resolve(&alias.name, written, origin, settings, &mut notes);
        reading.take(&alias.name, Some(&container.id), outcome, notes);
    }
    reading
}

/// Where a container is reached: by its own address on an engine of this host, in the network that
/// a label names or else the first by name; by the engine's host otherwise.
fn host(container: &Container, engine: &Engine, labelled: &mut Labelled) -> Option<HostName> {
    if let Some(host) = &engine.host {
        return Some(host.clone());
    }
    if container.is_on_host_network {
        return Some(HostName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    let address = match labelled.network.take() {
        None => container.networks.values().next(),
        Some(network) => {
            let found = container.address_in(&network);
            if found.is_none() && !container.networks.is_empty() {
                let known: Vec<&str> = container.networks.keys().map(String::as_str).collect();
                let (message, help) = unknown_word("network", &network, &known);
                labelled.notes.within("proxy.network", |notes| notes.problem_with(message, help));
            }
            found
        }
    };
    address.copied().map(HostName::Address)
}

/// Whether a host is this one.
pub(crate) fn is_this_host(host: &HostName) -> bool {
    match host {
        HostName::Address(address) => address.is_loopback(),
        HostName::Name(name) => name.as_str() == "localhost",
    }
}

fn excluded(container: &Container, name: &str, reason: Exclusion) -> Excluded {
    Excluded { name: name.to_owned(), container: Some(container.id.clone()), reason }
}
