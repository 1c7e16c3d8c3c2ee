//! From a provider's words to the table's: destination, path and attributes.
//!
//! Invariants:
//! - routes that want one place have one destination, so that the table shows winner and losers
//!   side by side; the one exception are streams of two names that want one port;
//! - a refused route is a hole at each of its places, and what can't be said in the table's words
//!   is a hole too: less is served then, never more;
//! - a path id is one route's within its provider, and stays as long as the route's name.
//!
//! `health_check` stays unset: the monitors of this crate ask, by each route's own settings, and
//! tell the table what they saw.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use rutter_route::{
    Attributes, BalanceOptions, Delivery, Endpoint, FileOptions, Folder, HostName, ListenAt,
    Listener, NextHop, PathId, PathPrefix, ProxyHeader, Scheme, Scope, Service, StreamOptions,
};

use crate::conflict::Place;
use crate::{Alias, ContainerId, HttpScheme, Refused, Route, Target};

impl Route {
    /// Its destination in the table. A member of a link has the link's.
    pub fn service(&self) -> Service {
        let link = self.balance.as_ref().map(|balance| Alias::Name(balance.link.clone()));
        let alias = link.as_ref().unwrap_or(&self.alias);
        let paths = self.paths.as_ref().map(|paths| paths.prefix.clone());
        service(self.target.listener(), self.listen, alias, paths)
    }

    /// Which of its provider's routes it is.
    pub fn path_id(&self) -> PathId {
        path_id(&self.name, self.container.as_ref())
    }

    /// What is said of its path.
    pub fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::via(self.target.next_hop());
        if let Some(balance) = &self.balance {
            attributes.group = balance.group();
            attributes.weight = balance.weight;
        }
        let delivery = self.delivery();
        attributes.delivery = (delivery != Delivery::default()).then(|| delivery.into());
        attributes
    }

    fn delivery(&self) -> Delivery {
        let mut delivery = Delivery {
            strips_prefix: self.paths.as_ref().is_some_and(|paths| paths.is_stripped),
            inbound_mtls_profile: self.inbound_mtls_profile.as_deref().map(Into::into),
            ..Delivery::default()
        };
        if let Some(balance) = &self.balance {
            delivery.balance = BalanceOptions {
                mode: balance.mode,
                is_sticky: balance.is_sticky,
                sticky_max_age: balance.sticky_max_age,
            };
        }
        match &self.target {
            Target::Http { upstream, .. } => delivery.upstream = (**upstream).clone(),
            Target::Files { index, is_spa, .. } => {
                delivery.files = FileOptions { index: index.as_str().into(), is_spa: *is_spa };
            }
            Target::Tcp { sends_proxy_header, terminates_tls, .. } => {
                delivery.stream = StreamOptions {
                    // The original writes version 2.
                    proxy_header: sends_proxy_header.then_some(ProxyHeader::V2),
                    terminates_tls: *terminates_tls,
                };
            }
            Target::Udp { .. } => {}
        }
        delivery
    }
}

impl Target {
    /// The kind of listener that it is asked through.
    pub fn listener(&self) -> Listener {
        match self {
            Self::Http { .. } | Self::Files { .. } => Listener::Http,
            Self::Tcp { .. } => Listener::Tcp,
            Self::Udp { .. } => Listener::Udp,
        }
    }

    /// Where it leads; nowhere, if that can't be said in the table's words.
    fn next_hop(&self) -> NextHop {
        let endpoint = |scheme, host: &HostName, port| match port {
            0 => NextHop::Discard,
            port => {
                NextHop::Endpoint(Endpoint { scheme, host: host.clone(), port, tls_name: None })
            }
        };
        match self {
            Self::Http { scheme, host, port, .. } => endpoint((*scheme).into(), host, *port),
            Self::Files { root, .. } => match root.parse::<Folder>() {
                Ok(folder) => NextHop::Files(folder),
                Err(_) => NextHop::Discard,
            },
            Self::Tcp { host, port, .. } => endpoint(Scheme::Tcp, host, *port),
            Self::Udp { host, port } => endpoint(Scheme::Udp, host, *port),
        }
    }
}

impl From<HttpScheme> for Scheme {
    fn from(scheme: HttpScheme) -> Self {
        match scheme {
            HttpScheme::Http => Self::Http,
            HttpScheme::Https => Self::Https,
            HttpScheme::H2c => Self::H2c,
        }
    }
}

impl Refused {
    /// Its destinations in the table, at each of which it is a hole.
    pub fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        for place in &self.places {
            let service = match place {
                Place::Http(at, alias, paths) => service(Listener::Http, *at, alias, paths.clone()),
                Place::Whole(alias) => service(Listener::Http, ListenAt::default(), alias, None),
                Place::Stream(alias) => stream(&self.places, alias),
                // With the alias that it stands beside.
                Place::Tcp(..) | Place::Udp(..) => continue,
            };
            if !services.contains(&service) {
                services.push(service);
            }
        }
        services
    }

    /// Which of its provider's routes it is.
    pub fn path_id(&self) -> PathId {
        path_id(&self.name, self.container.as_ref())
    }

    /// What the table is told of it.
    pub fn attributes(&self) -> Attributes {
        Attributes::via(NextHop::Discard)
    }
}

/// A refused stream: by the port that it would have had, else by its name alone.
fn stream(places: &[Place], alias: &Alias) -> Service {
    let port = places.iter().find_map(|place| match place {
        Place::Tcp(address, port) => Some((Listener::Tcp, *address, *port)),
        Place::Udp(address, port) => Some((Listener::Udp, *address, *port)),
        _ => None,
    });
    match port {
        Some((listener, address, port)) => {
            let at = ListenAt { address: Some(address), port: Some(port) };
            service(listener, at, alias, None)
        }
        None => service(Listener::Tcp, ListenAt::default(), alias, None),
    }
}

fn service(
    listener: Listener,
    mut at: ListenAt,
    alias: &Alias,
    paths: Option<PathPrefix>,
) -> Service {
    let (name, is_wildcard) = match alias {
        Alias::Name(name) => (name.clone(), false),
        Alias::Under(domain) => (domain.clone(), true),
    };
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if listener != Listener::Http {
        // All addresses are what a stream that names none listens at: one destination.
        at.address = at.address.filter(|address| *address != any);
    }
    Service::new(name, listener, Scope { is_wildcard, at, paths })
}

/// `NAME`, of a container's route `NAME#` and the first 8 characters of the container's id.
pub(crate) fn path_id(name: &str, container: Option<&ContainerId>) -> PathId {
    let text = match container {
        Some(container) => format!("{name}#{}", container.short()),
        None => name.to_owned(),
    };
    text.parse().unwrap_or_else(|_| shortened(&text))
}

/// The id of a name that can't be one: its beginning without control characters, and its hash,
/// which must be the same in every process.
fn shortened(text: &str) -> PathId {
    let beginning: String = text.chars().filter(|c| !c.is_control()).take(48).collect();
    // FNV-1a, 64 bits (draft-eastlake-fnv).
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // 48 characters of 4 bytes, and 17 behind them, are an id.
    format!("{beginning}~{hash:016x}").parse().unwrap_or_default()
}
