//! The scheme and port of a route that doesn't say them: GoDoxy's tables and their order (its
//! detection of schemes and ports).
//!
//! 1. A container's image says both, by its base name.
//! 2. The alias does.
//! 3. The port is the likeliest of a container's, or the scheme's own.
//! 4. A published port that is UDP says the scheme.
//! 5. The port is the other side of a published one, by which address is used.
//! 6. A port that is listened on means a TCP stream, a target that ends in 443 HTTPS, anything else
//!    HTTP.

#[cfg(test)]
mod tests;

use super::docker::{Container, Protocol};
use super::ports::Ports;
use super::written::Scheme;

/// What images are known for: base name, scheme, port.
const IMAGES: [(&str, Scheme, u16); 42] = [
    ("adguardhome", Scheme::Http, 3000),
    ("bazarr", Scheme::Http, 6767),
    ("calibre-web", Scheme::Http, 8083),
    ("changedetection.io", Scheme::Http, 3000),
    ("dockge", Scheme::Http, 5001),
    ("gitea", Scheme::Http, 3000),
    ("gogs", Scheme::Http, 3000),
    ("grafana", Scheme::Http, 3000),
    ("home-assistant", Scheme::Http, 8123),
    ("homebridge", Scheme::Http, 8581),
    ("httpd", Scheme::Http, 80),
    ("immich", Scheme::Http, 3001),
    ("jellyfin", Scheme::Http, 8096),
    ("lidarr", Scheme::Http, 8686),
    ("microbin", Scheme::Http, 8080),
    ("nginx", Scheme::Http, 80),
    ("nginx-proxy-manager", Scheme::Http, 81),
    ("open-webui", Scheme::Http, 8080),
    ("plex", Scheme::Http, 32400),
    ("prometheus", Scheme::Http, 9090),
    ("prowlarr", Scheme::Http, 9696),
    ("radarr", Scheme::Http, 7878),
    ("radarr-sma", Scheme::Http, 7878),
    ("rsshub", Scheme::Http, 1200),
    ("rss-bridge", Scheme::Http, 80),
    ("sonarr", Scheme::Http, 8989),
    ("sonarr-sma", Scheme::Http, 8989),
    ("uptime-kuma", Scheme::Http, 3001),
    ("whisparr", Scheme::Http, 6969),
    ("portainer-be", Scheme::Https, 9443),
    ("portainer-ce", Scheme::Https, 9443),
    ("mssql", Scheme::Tcp, 1433),
    ("mysql", Scheme::Tcp, 3306),
    ("mariadb", Scheme::Tcp, 3306),
    ("postgres", Scheme::Tcp, 5432),
    ("pgvecto-rs", Scheme::Tcp, 5432),
    ("pgvector", Scheme::Tcp, 5432),
    ("rabbitmq", Scheme::Tcp, 5672),
    ("redis", Scheme::Tcp, 6379),
    ("memcached", Scheme::Tcp, 11211),
    ("mongo", Scheme::Tcp, 27017),
    ("minecraft-server", Scheme::Tcp, 25565),
];

/// What aliases are known for.
const ALIASES: [(&str, Scheme, u16); 2] =
    [("portainer", Scheme::Https, 9443), ("crafty", Scheme::Https, 8080)];

/// Ports that are likely a web server's, the likeliest first.
const PREFERRED: [u16; 6] = [80, 8080, 3000, 8000, 443, 8443];

/// What is known of a route before its scheme and port are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) alias: &'a str,
    pub(super) scheme: Option<Scheme>,
    pub(super) ports: Ports,
    pub(super) container: Option<&'a Container>,
    /// Whether the target's host is the engine's own and not the container's.
    pub(super) by_engines_host: bool,
}

/// The scheme and the ports of a route; a target of 0 is one that wasn't found.
pub(super) fn detect(known: Known<'_>) -> (Scheme, Ports) {
    let Known { alias, mut scheme, mut ports, container, by_engines_host } = known;
    if scheme == Some(Scheme::FileServer) {
        return (Scheme::FileServer, ports);
    }
    let mut is_known_for = |name: &str, table: &[(&str, Scheme, u16)]| {
        if let Some((_, its_scheme, port)) = table.iter().find(|(known, ..)| *known == name) {
            scheme = scheme.or(Some(*its_scheme));
            ports.target = if ports.target == 0 { *port } else { ports.target };
        }
    };
    if let Some(container) = container {
        is_known_for(container.image().base, &IMAGES);
    }
    is_known_for(alias, &ALIASES);
    if ports.target == 0 {
        ports.target = match container {
            Some(container) => of_container(container),
            None if scheme == Some(Scheme::Https) => 443,
            None => 80,
        };
    }
    if let Some(container) = container {
        let of_target = |port: u16| {
            let is_it = |p: &&super::docker::Port| p.private == port || p.public == Some(port);
            container.ports.iter().find(is_it)
        };
        let published = of_target(ports.target).filter(|port| port.public.is_some());
        if scheme.is_none() && published.is_some_and(|port| port.protocol == Protocol::Udp) {
            scheme = Some(Scheme::Udp);
        }
        ports.target = other_side(container, ports.target, by_engines_host);
    }
    let guessed = match ports {
        Ports { listening: 1.., .. } => Scheme::Tcp,
        Ports { target, .. } if target % 1000 == 443 => Scheme::Https,
        _ => Scheme::Http,
    };
    (scheme.unwrap_or(guessed), ports)
}

/// The likeliest of a container's ports, else the lowest; 0 if it has none.
fn of_container(container: &Container) -> u16 {
    let has = match container.is_on_host_network {
        true => container.ports.iter().filter_map(|port| port.public).collect::<Vec<_>>(),
        false => container.ports.iter().map(|port| port.private).collect(),
    };
    let preferred = PREFERRED.iter().find(|port| has.contains(port));
    let lowest = || container.ports.iter().map(|port| port.private).filter(|port| *port > 0).min();
    preferred.copied().or_else(lowest).unwrap_or(0)
}

/// The published port where the engine's host is used, else the container's own.
fn other_side(container: &Container, target: u16, by_engines_host: bool) -> u16 {
    let mut ports = container.ports.iter();
    let found = match by_engines_host {
        true => ports.find(|port| port.private == target).and_then(|port| port.public),
        false => ports.find(|port| port.public == Some(target)).map(|port| port.private),
    };
    found.unwrap_or(target)
}
