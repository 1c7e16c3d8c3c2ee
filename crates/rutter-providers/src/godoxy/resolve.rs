//! From what was written of a route to what will happen.

use std::net::{IpAddr, Ipv4Addr};

use rutter_route::{HostName, ParseError};
use rutter_yaml::Problem;

use crate::conflict::Place;
use crate::{
    Alias, ContainerId, Excluded, Exclusion, HttpScheme, Listen, Reading, Refused, RemarkKind,
    Route, Target,
};

use super::Settings;
use super::detect::{Known, detect};
use super::docker::{Container, Engine, exclusion, is_this_host};
use super::fields::is_alike;
use super::notes::Notes;
use super::ports::Ports;
use super::written::{Scheme, Written};

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

/// What a route came to.
#[derive(Debug)]
pub(super) enum Resolved {
    Route(Box<Route>),
    Excluded(Exclusion),
}

/// Resolves a route. What comes out counts only if nothing was noted as a problem.
pub(super) fn resolve(
    name: &str,
    written: Written,
    origin: Origin<'_>,
    settings: &Settings,
    notes: &mut Notes,
) -> Option<Resolved> {
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
        return Some(Resolved::Excluded(reason));
    }
    check_reserved(host.as_ref(), scheme, ports, settings, notes);
    let listen = listen(&written, scheme, ports);
    let Some(target) = target(&written, scheme, host, ports.target, notes) else {
        return container.map(|_| Resolved::Excluded(Exclusion::NoAddress));
    };
    Some(Resolved::Route(Box::new(Route {
        name: name.to_owned(),
        alias: alias?,
        listen,
        paths: written.paths,
        target,
        health: written.health,
        balance: written.balance,
        proxmox: written.proxmox,
        container: container.map(|container| container.id.clone()),
        homepage: written.homepage,
    })))
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

/// What doesn't go together.
fn check(written: &Written, scheme: Scheme, ports: Ports, is_container: bool, notes: &mut Notes) {
    let is_http = !matches!(scheme, Scheme::Tcp | Scheme::Udp);
    let has_upstream = matches!(scheme, Scheme::Http | Scheme::Https | Scheme::H2c);
    let idle = written.idle;
    let mut unless = |holds: bool, field: &str, message: &str| {
        if !holds {
            notes.within(field, |notes| notes.problem(message));
        }
    };
    let agent = match is_container {
        true => "specifying agent is not allowed for docker container routes",
        false => "the original's agents aren't spoken with: run Rutter's agent there",
    };
    unless(written.agent.is_none(), "agent", agent);
    let needs_health = written.balance.is_some() || idle.is_on;
    unless(
        !(written.health.is_disabled && needs_health),
        "healthcheck",
        "cannot disable healthcheck when loadbalancer or idle watcher is enabled",
    );
    unless(!idle.is_on || idle.has_target, "idlewatcher", "missing idlewatcher provider config");
    unless(
        !written.sends_proxy_header || scheme == Scheme::Tcp,
        "relay_proxy_protocol_header",
        "relay_proxy_protocol_header is only supported for tcp routes",
    );
    unless(
        !written.terminates_tls || scheme == Scheme::Tcp,
        "tls_termination",
        "tls_termination is only supported for tcp routes",
    );
    unless(
        !written.terminates_tls || scheme != Scheme::Tcp || ports.listening == 0,
        "tls_termination",
        "tls_termination is only supported for tcp routes on the shared HTTPS listener",
    );
    unless(
        written.certificate.is_some() == written.certificate_key.is_some(),
        "ssl_certificate",
        "ssl_certificate and ssl_certificate_key need each other",
    );
    unless(
        written.paths.is_none() || is_http,
        "path_prefix",
        "path_prefix is only supported for HTTP-based routes",
    );
    unless(
        scheme != Scheme::Udp || ports.listening != 0,
        "port",
        "a udp route needs a port to listen on: write `listening_port:target_port`",
    );
    let is_files_only = written.root.is_some() || written.is_spa || written.index.is_some();
    if is_files_only && scheme != Scheme::FileServer {
        let message = "`root`, `spa` and `index` do nothing without `scheme: fileserver`";
        notes.remark(RemarkKind::Ignored, message);
    }
    if !has_upstream && written.upstream != crate::Upstream::default() {
        notes.remark(RemarkKind::Ignored, "options of HTTP upstreams do nothing here");
    }
}

/// A route to the gateway's own ports would lead requests round in a circle.
fn check_reserved(
    host: Option<&HostName>,
    scheme: Scheme,
    ports: Ports,
    settings: &Settings,
    notes: &mut Notes,
) {
    let is_here = host.is_some_and(is_this_host);
    let is_reserved = settings.reserved_ports.contains(&ports.target);
    if is_here && is_reserved && !matches!(scheme, Scheme::Udp | Scheme::FileServer) {
        let message = format!("localhost:{} is reserved for Rutter", ports.target);
        notes.within("port", |notes| notes.problem(message));
    }
}

/// Streams listen at all addresses unless they say one; HTTP where the gateway does.
fn listen(written: &Written, scheme: Scheme, ports: Ports) -> Listen {
    let port = Some(ports.listening).filter(|port| *port != 0);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let is_stream = matches!(scheme, Scheme::Tcp | Scheme::Udp);
    let address = written.bind.or(Some(any).filter(|_| is_stream && port.is_some()));
    Listen { address, port }
}

/// What answers; `None` after a problem, and without a host.
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
    upstream.client_certificate = written.certificate.clone().zip(written.certificate_key.clone());
    host.map(|host| Target::Http { scheme: http, host, port, upstream: Box::new(upstream) })
}

fn files(written: &Written, notes: &mut Notes) -> Option<Target> {
    let Some(root) = written.root.clone().filter(|root| root.starts_with('/')) else {
        notes.within("root", |notes| notes.problem("root must be an absolute path"));
        return None;
    };
    let index = written.index.as_deref().unwrap_or("/index.html");
    let slash = if index.starts_with('/') { "" } else { "/" };
    Some(Target::Files { root, index: format!("{slash}{index}"), is_spa: written.is_spa })
}

impl Reading {
    /// Takes what a route came to. Whatever is a problem refuses it.
    pub(super) fn take(
        &mut self,
        name: &str,
        container: Option<&ContainerId>,
        resolved: Option<Resolved>,
        notes: Notes,
    ) {
        self.remarks.extend(notes.remarks);
        if !notes.problems.is_empty() {
            self.refused.push(refused(name, container, resolved, notes.problems));
            return;
        }
        match resolved {
            Some(Resolved::Route(route)) => self.routes.push(*route),
            Some(Resolved::Excluded(reason)) => {
                let (name, container) = (name.to_owned(), container.cloned());
                self.excluded.push(Excluded { name, container, reason });
            }
            // Nothing comes of a route only after a problem.
            None => {}
        }
    }
}

/// What says which places a route has.
const SAY_PLACES: [&str; 6] = ["alias", "scheme", "port", "bind", "path_prefix", "load_balance"];

/// A refused route with its places: those that it would have if they are known for all that is
/// wrong, else its whole alias.
fn refused(
    name: &str,
    container: Option<&ContainerId>,
    resolved: Option<Resolved>,
    problems: Vec<Problem>,
) -> Refused {
    let of_places = |step: &String| SAY_PLACES.iter().any(|field| is_alike(step, field));
    let is_open = problems.iter().any(|problem| problem.path.iter().any(of_places));
    let (places, group) = match resolved {
        // One that shares its host has its paths alone, whatever else is wrong.
        Some(Resolved::Route(route)) if !is_open || route.paths.is_some() => {
            (route.places(), route.balance.and_then(|balance| balance.group()))
        }
        Some(Resolved::Excluded(_)) => (Vec::new(), None),
        _ => (name.parse().map(Place::Whole).into_iter().collect(), None),
    };
    let (name, container) = (name.to_owned(), container.cloned());
    Refused { name, container, places, group, problems }
}
