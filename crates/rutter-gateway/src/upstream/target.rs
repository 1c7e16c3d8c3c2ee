//! Where a connection leads, and what tells it from others in a pool.
//!
//! Two requests may share a connection only if everything that went into making it is the same for
//! both: the address, how it is spoken to, the name that the other side proved itself for, and the
//! options of its route that concern TLS. Options that concern one request only (how long an answer
//! may take, whether it may be compressed) are no part of it.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;

use rutter_route::{
    ClusterId, Delivery, Endpoint, HostName, Scheme, ServiceName, TlsServerName, UpstreamOptions,
};
use smol_str::{SmolStr, ToSmolStr};

use crate::clusters::Way;

/// Where to connect to, and as whom it must prove itself: also what a pool tells connections apart
/// by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(super) host: HostName,
    pub(super) port: u16,
    pub(super) wire: Wire,
    /// How many connections there may be to it, over all workers.
    pub(super) limit: Option<NonZeroU32>,
}

/// How a target is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wire {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/2 without TLS, begun unasked.
    H2c,
    /// Over TLS; the upstream chooses the version of HTTP (ALPN).
    Tls(TlsName),
    /// Over TLS by keys of clusters.
    Neighbour {
        /// Who must be there.
        cluster: ClusterId,
        /// As [`TlsName::http1_only`].
        http1_only: bool,
    },
}

/// As whom an upstream must prove itself, and how TLS is spoken with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TlsName {
    /// The name to verify against public roots, and to ask for in SNI.
    pub(super) asked: SmolStr,
    /// The name to verify against the controller's CA.
    pub(super) service: ServiceName,
    /// Whether HTTP/1.1 alone is offered, for a request that HTTP/2 has no word for.
    pub(super) http1_only: bool,
    /// What the route says beyond that, if it says anything.
    pub(super) profile: Option<Profile>,
}

/// The options of a route that make its TLS differ from the gateway's: equal if those are, whatever
/// else the routes say. It shares the route's options, so that a request copies nothing.
#[derive(Debug, Clone)]
pub(super) struct Profile(Arc<Delivery>);

impl Profile {
    /// `None`: the route says nothing of TLS.
    fn of(delivery: &Arc<Delivery>) -> Option<Self> {
        let options = &delivery.upstream;
        let says = options.no_tls_verify
            || options.trusted_certificate.is_some()
            || options.client_certificate.is_some()
            || options.tls_versions.is_some()
            || options.server_name == TlsServerName::Off;
        says.then(|| Self(delivery.clone()))
    }

    /// The options.
    pub(super) fn options(&self) -> &UpstreamOptions {
        &self.0.upstream
    }

    /// Whether a name is asked for in the handshake.
    pub(super) fn asks_for_name(&self) -> bool {
        self.options().server_name != TlsServerName::Off
    }

    /// Whether files are read for it.
    pub(super) fn has_files(&self) -> bool {
        let options = self.options();
        options.trusted_certificate.is_some() || options.client_certificate.is_some()
    }

    fn says(&self) -> impl Eq + Hash + '_ {
        let options = self.options();
        (
            options.no_tls_verify,
            self.asks_for_name(),
            &options.trusted_certificate,
            &options.client_certificate,
            options.tls_versions,
        )
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.says() == other.says()
    }
}

impl Eq for Profile {}

impl Hash for Profile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.says().hash(state);
    }
}

impl Target {
    /// An endpoint of `service`, for a request that asked for `host` (normalised), by the gateway's
    /// own options.
    pub(crate) fn new(endpoint: &Endpoint, host: &str, service: &ServiceName) -> Self {
        let wire = match endpoint.scheme {
            Scheme::Https => Wire::Tls(TlsName {
                asked: endpoint.tls_name.as_ref().map_or(host, ServiceName::as_str).into(),
                service: service.clone(),
                http1_only: false,
                profile: None,
            }),
            Scheme::H2c => Wire::H2c,
            Scheme::Http | Scheme::Tcp | Scheme::Udp => Wire::Plain,
        };
        Self { host: endpoint.host.clone(), port: endpoint.port, wire, limit: None }
    }

    /// The gateway of a neighbour.
    pub(crate) fn neighbour(way: &Way) -> Self {
        let wire = Wire::Neighbour { cluster: way.neighbour.clone(), http1_only: false };
        Self { host: way.host.clone(), port: way.port, wire, limit: None }
    }

    /// The same, as a route wants it.
    pub(crate) fn delivered_by(mut self, delivery: &Arc<Delivery>) -> Self {
        self.limit = delivery.upstream.max_connections.and_then(NonZeroU32::new);
        if let Wire::Tls(tls) = &mut self.wire {
            match &delivery.upstream.server_name {
                TlsServerName::Endpoint => {}
                // Who isn't asked by name must still be the host that was connected to.
                TlsServerName::Host | TlsServerName::Off => tls.asked = bare(&self.host),
                TlsServerName::Named(name) => tls.asked = name.as_str().into(),
            }
            tls.profile = Profile::of(delivery);
        }
        self
    }

    /// The same for a request that asks for an upgrade, which HTTP/2 has no word for; `None`: it
    /// can't be spoken to in another way.
    pub(crate) fn for_upgrade(mut self) -> Option<Self> {
        match &mut self.wire {
            Wire::Plain => {}
            Wire::Tls(tls) => tls.http1_only = true,
            Wire::Neighbour { http1_only, .. } => *http1_only = true,
            Wire::H2c => return None,
        }
        Some(self)
    }

    /// Whether the number of connections to it is bounded.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.is_some()
    }
}

/// A host as a TLS name: an address without brackets.
fn bare(host: &HostName) -> SmolStr {
    match host {
        HostName::Address(address) => address.to_smolstr(),
        HostName::Name(name) => name.as_str().into(),
    }
}
