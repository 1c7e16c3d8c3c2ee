//! What is known of a container.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ContainerId;

/// A container as an engine describes it, as far as its routes depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, with or without the `/` that engines put before it.
    pub name: String,
    /// Its image, as it was asked for: `ghcr.io/author/name:tag`.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its ports; on the host's network those that its image exposes, each as its own public one.
    pub ports: Vec<Port>,
    /// Its addresses by network; one that is stopped has none.
    pub networks: BTreeMap<String, IpAddr>,
    /// Whether it has no network of its own but its host's.
    pub is_on_host_network: bool,
    /// Where volumes are mounted in it.
    pub mounts: Vec<String>,
}

/// A port of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The container's own.
    pub private: u16,
    /// The one that is published on its host.
    pub public: Option<u16>,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The parts of an image's name that tables know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'i> {
    /// Whose it is; `library` if nobody is named.
    pub author: &'i str,
    /// Its last part without tag and digest.
    pub base: &'i str,
}

impl Container {
    /// Its name without the `/` before it.
    pub fn name(&self) -> &str {
        self.name.strip_prefix('/').unwrap_or(&self.name)
    }

    /// The parts of its image's name.
    pub fn image(&self) -> Image<'_> {
        let bare = self.image.split('@').next().unwrap_or_default();
        let (path, last) = bare.rsplit_once('/').unwrap_or(("", bare));
        let base = last.split(':').next().unwrap_or_default();
        // What has a dot or a port is a registry, and nobody's name.
        let author = path.rsplit('/').next().filter(|part| !part.contains(['.', ':']));
        Image { author: author.filter(|part| !part.is_empty()).unwrap_or("library"), base }
    }

    /// Its address in a network, named as the engine does or as its compose project does.
    pub(super) fn address_in(&self, network: &str) -> Option<&IpAddr> {
        self.networks.get(network).or_else(|| {
            let project = self.labels.get("com.docker.compose.project")?;
            self.networks.get(&format!("{project}_{network}"))
        })
    }

    /// Whether anything is said of it by a label of ours.
    pub(super) fn is_labelled(&self) -> bool {
        self.labels.keys().any(|label| label.starts_with("proxy."))
    }
}
