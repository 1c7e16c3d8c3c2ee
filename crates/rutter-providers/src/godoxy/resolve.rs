//! From what was written of a route to what will happen.

mod check;
mod outcome;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rutter_route::{Folder, HostName, ListenAt, Listener, ParseError, TlsServerName};

use crate::conflict::Place;
use crate::{Alias, Exclusion, HttpScheme, Route, Target};

use super::Settings;
use super::detect::{Known, detect};
use super::docker::{Container, Engine, exclusion};
use super::notes::Notes;
use super::ports::Ports;
use super::written::{Scheme, Written};

use check::{check, check_mtls, check_reserved};
pub(super) use outcome::{Outcome, Places};

/// How long an upstream may take to begin its answer, unless its route says otherwise: the
/// original's transport has it so.
const RESPONSE_HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Whose route it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A file's.
    File,
    /// A container's.
    Container {
        /// The container.
        container: &'a Container,
        /// Its engine.
        engine: &'a Engine,
        /// Whether a label says that it isn't served.
        is_excluded: bool,
        /// Where it is reached unless its route says otherwise.
        host: Option<&'a HostName>,
    },
}

/// Resolves a route.
pub(super) fn resolve(
    name: &str,
    written: Written,
    origin: Origin<'_>,
    settings: &Settings,
    notes: &mut Notes,
) -> Outcome {
    let alias = alias(name, &written, notes);
    let host = host(&written, origin, notes);
    let container = match origin {
        Origin::Container { container, .. } => Some(container),
        Origin::File => None,
    };
    let by_engines_host = match origin {
        Origin::Container { engine, .. } => host.as_ref().is_some_and(|host| engine.is_at(host)),
        Origin::File => false,
    };
    let (scheme, ports) = detect(Known {
        alias: name,
        scheme: written.scheme,
        ports: written.ports,
        container,
        by_engines_host,
    });
    check(&written, scheme, ports, container.is_some(), notes);
    if let Some(reason) = excluded(name, origin, scheme, ports) {
        return Outcome::Excluded(reason);
    }
    if container.is_some() || !settings.are_files_enriched {
        check_reserved(host.as_ref(), scheme, ports, settings, notes);
    }
    check_mtls(&written, scheme, settings, notes);
    let listen = listen(&written, scheme, ports);
    let is_somewhere = host.is_some() || scheme == Scheme::FileServer;
    if !is_somewhere && container.is_some() {
        return Outcome::Excluded(Exclusion::NoAddress);
    }
    let Some(alias) = alias else { return Outcome::Broken(Places::default()) };
    let Some(target) = target(&written, scheme, host, ports.target, notes) else {
        return Outcome::Broken(places(&written, scheme, listen, &alias));
    };
    Outcome::Route(Box::new(Route {
        name: name.to_owned(),
        alias,
        listen,
        paths: written.paths,
        target,
        health: written.health,
        inbound_mtls_profile: written.inbound_mtls_profile,
        balance: written.balance,
        proxmox: written.proxmox,
        unresolved: None,
        container: container.map(|container| container.id.clone()),
        homepage: written.homepage,
    }))
}

/// The places of a route that has no target.
fn places(written: &Written, scheme: Scheme, listen: ListenAt, alias: &Alias) -> Places {
    let listener = match scheme {
        Scheme::Tcp => Listener::Tcp,
        Scheme::Udp => Listener::Udp,
        Scheme::Http | Scheme::Https | Scheme::H2c | Scheme::FileServer => Listener::Http,
    };
    let (paths, balance) = (written.paths.as_ref(), written.balance.as_ref());
    Places {
        places: Place::of(listener, listen, alias, paths, balance),
        group: balance.and_then(|balance| balance.group()),
        are_paths: paths.is_some(),
    }
}

/// Why the route isn't served, if it isn't. In files an anchor's name is one in any case.
fn excluded(name: &str, origin: Origin<'_>, scheme: Scheme, ports: Ports) -> Option<Exclusion> {
    match origin {
        Origin::File => name.starts_with("x-").then_some(Exclusion::YamlAnchor),
        Origin::Container { container, is_excluded, .. } => {
            let has_port = ports.target != 0 || scheme == Scheme::FileServer;
            exclusion(container, name, is_excluded, has_port)
        }
    }
}

/// The alias is the route's name, unless several routes share one by their paths: then each says
/// it, since their names must differ.
fn alias(name: &str, written: &Written, notes: &mut Notes) -> Option<Alias> {
    let said = written.alias.as_deref().filter(|alias| !alias.eq_ignore_ascii_case(name.trim()));
    if said.is_some() && written.paths.is_none() {
        notes.within("alias", |notes| {
            notes.problem("a route is asked for by its name, unless it has a `path_prefix`");
        });
    }
    let alias = said.unwrap_or(name).parse();
    notes.take(alias.map_err(|error: ParseError| error.to_string()))
}

fn host(written: &Written, origin: Origin<'_>, notes: &mut Notes) -> Option<HostName> {
    if let Some(host) = &written.host {
        let host = host.parse().map_err(|error: ParseError| error.to_string());
        return notes.within("host", |notes| notes.take(host));
    }
    match origin {
        Origin::File => "localhost".parse().ok(),
        Origin::Container { host, .. } => host.cloned(),
    }
}

/// Streams listen at all addresses unless they say one; HTTP where the gateway does.
fn listen(written: &Written, scheme: Scheme, ports: Ports) -> ListenAt {
    let port = Some(ports.listening).filter(|port| *port != 0);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let is_stream = matches!(scheme, Scheme::Tcp | Scheme::Udp);
    let address = written.bind.or(Some(any).filter(|_| is_stream && port.is_some()));
    ListenAt { address, port }
}

/// What answers; `None` after a problem.
fn target(
    written: &Written,
    scheme: Scheme,
    host: Option<HostName>,
    port: u16,
    notes: &mut Notes,
) -> Option<Target> {
    let http = match scheme {
        Scheme::FileServer => return files(written, notes),
        Scheme::Tcp => {
            return host.map(|host| Target::Tcp {
                host,
                port,
                sends_proxy_header: written.sends_proxy_header,
                terminates_tls: written.terminates_tls,
            });
        }
        Scheme::Udp => return host.map(|host| Target::Udp { host, port }),
        Scheme::Http => HttpScheme::Http,
        Scheme::Https => HttpScheme::Https,
        Scheme::H2c => HttpScheme::H2c,
    };
    let mut upstream = written.upstream.clone();
    upstream.response_header_timeout.get_or_insert(RESPONSE_HEADER_TIMEOUT);
    if upstream.server_name == TlsServerName::Endpoint {
        // Who says nothing asks for the target's host.
        upstream.server_name = TlsServerName::Host;
    }
    let certificate = written.certificate.as_deref().zip(written.certificate_key.as_deref());
    upstream.client_certificate = certificate.map(|(chain, key)| (chain.into(), key.into()));
    host.map(|host| Target::Http { scheme: http, host, port, upstream: Box::new(upstream) })
}

fn files(written: &Written, notes: &mut Notes) -> Option<Target> {
    let Some(root) = written.root.clone().filter(|root| root.starts_with('/')) else {
        notes.within("root", |notes| notes.problem("root must be an absolute path"));
        return None;
    };
    if let Err(error) = root.parse::<Folder>() {
        notes.within("root", |notes| notes.problem(error.to_string()));
        return None;
    }
    let index = written.index.as_deref().unwrap_or("/index.html");
    let slash = if index.starts_with('/') { "" } else { "/" };
    Some(Target::Files { root, index: format!("{slash}{index}"), is_spa: written.is_spa })
}
