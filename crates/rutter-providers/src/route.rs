//! A service's route as a provider says it, whole and checked.

use rutter_route::{HostName, ListenAt, PathPrefix, UpstreamOptions};

use crate::{Alias, Balance, HealthSettings};

/// One route of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What the provider calls it: its key in a file, an alias of a container.
    pub name: String,
    /// What it is asked for by.
    pub alias: Alias,
    /// Where it is asked for.
    pub listen: ListenAt,
    /// Which of the host's paths are its own; `None`: all that no other route has.
    pub paths: Option<Paths>,
    /// What answers.
    pub target: Target,
    /// How its endpoint is probed.
    pub health: HealthSettings,
    /// The profile of client certificates, one of which a client must show.
    pub inbound_mtls_profile: Option<String>,
    /// Its place in a link.
    pub balance: Option<Balance>,
    /// The Proxmox node or guest that it belongs to, as far as it was written.
    pub proxmox: Option<ProxmoxLink>,
    /// Why it can't be told where it leads now, such as a guest that is stopped; it keeps its
    /// places, and nobody is asked meanwhile.
    pub unresolved: Option<String>,
    /// The container that it was made for.
    pub container: Option<ContainerId>,
    /// How a dashboard shows it.
    pub homepage: Homepage,
}

/// The paths of a route that shares its host with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// How they begin; among several routes the longest that fits is asked.
    pub prefix: PathPrefix,
    /// Whether the upstream is asked without the prefix.
    pub is_stripped: bool,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server of HTTP.
    Http {
        /// How it is spoken to.
        scheme: HttpScheme,
        /// Its host.
        host: HostName,
        /// Its port, 1 or more.
        port: u16,
        /// How connections to it are made.
        upstream: Box<UpstreamOptions>,
    },
    /// Files below a folder.
    Files {
        /// The folder, an absolute path.
        root: String,
        /// The file for a folder, beginning with `/`.
        index: String,
        /// Whether the index stands for whatever is missing.
        is_spa: bool,
    },
    /// A server of a TCP stream. Without a port of its own in [`Route::listen`] it is found by
    /// name on the HTTPS port.
    Tcp {
        /// Its host.
        host: HostName,
        /// Its port, 1 or more.
        port: u16,
        /// Whether it is told the client's address in a PROXY header.
        sends_proxy_header: bool,
        /// Whether TLS ends in the gateway.
        terminates_tls: bool,
    },
    /// A server of UDP datagrams.
    Udp {
        /// Its host.
        host: HostName,
        /// Its port, 1 or more.
        port: u16,
    },
}

/// How a server of HTTP is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpScheme {
    /// Without TLS.
    Http,
    /// Over TLS.
    Https,
    /// HTTP/2 without TLS.
    H2c,
}

/// The Proxmox node or guest that a route belongs to, as it was written; what was left out is
/// looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxmoxLink {
    /// The node's name.
    pub node: Option<String>,
    /// The guest's number; 0 is the node itself.
    pub vmid: Option<u32>,
    /// The guest's name.
    pub vm_name: Option<String>,
}

/// What identifies a container on its engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// An engine's own id, of any length.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first 8 characters, as routes of containers are told apart; all of a shorter one.
    pub fn short(&self) -> &str {
        let end = self.0.char_indices().nth(8).map_or(self.0.len(), |(end, _)| end);
        self.0.get(..end).unwrap_or(&self.0)
    }
}

/// How a dashboard shows a route. Nothing here changes what is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homepage {
    /// Whether it is shown.
    pub is_shown: bool,
    /// Its name there.
    pub name: Option<String>,
    /// Its icon, as it was written.
    pub icon: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// A line about it.
    pub description: Option<String>,
    /// Where it leads, instead of to the route.
    pub url: Option<String>,
    /// Whether it is a favourite.
    pub is_favorite: bool,
}

impl Default for Homepage {
    fn default() -> Self {
        Self {
            is_shown: true,
            name: None,
            icon: None,
            category: None,
            description: None,
            url: None,
            is_favorite: false,
        }
    }
}
