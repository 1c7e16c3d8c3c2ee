//! The matched route, on its way with a request to any handler.
//!
//! Whoever handles a request may ask by which route it goes, and what its upstream is: the log, and
//! whatever changes requests and answers. What travels is one reference, beside the request and not
//! among its `http::Extensions`: those are a map on the heap, made at the first thing that is put
//! in, and a request that asks for nothing of the kind pays for it. Nothing is copied, counted or
//! locked; the texts are written only where somebody reads them.
//!
//! Invariants:
//! - a request has one route at a time, the best at first, and after a failover the one that has it;
//! - where there is no route every text is empty, so no handler has to ask first.

use std::fmt::{self, Display};
use std::ops::{Deref, DerefMut};

use rutter_route::{Endpoint, HostName};

use crate::routes::{Hop, Route, Routes};

/// By which route a request goes, if by any.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteContext<'r> {
    route: Option<&'r Route>,
}

/// A request, or what became of it, that carries its route.
#[derive(Debug, Clone)]
pub struct WithRoute<'r, T> {
    inner: T,
    context: RouteContext<'r>,
}

/// One text about an upstream; empty where there is none.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamText<'r> {
    part: Part,
    route: Option<&'r Route>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Name,
    Scheme,
    Host,
    Port,
    HostPort,
    Url,
}

impl<'r> RouteContext<'r> {
    /// The context of a request that was matched to these: the best of them.
    pub fn matched(routes: &'r Routes) -> Self {
        Self { route: routes.ranked.first().map(AsRef::as_ref) }
    }

    /// The context of a request that goes by this route.
    pub fn by(route: &'r Route) -> Self {
        Self { route: Some(route) }
    }

    /// The route; `None`: the request was matched to none.
    pub fn route(&self) -> Option<&'r Route> {
        self.route
    }

    /// The name of the service that the route is one of.
    pub fn upstream_name(&self) -> UpstreamText<'r> {
        self.text(Part::Name)
    }

    /// How the upstream is spoken to: `http`, or `file` for a folder.
    pub fn upstream_scheme(&self) -> UpstreamText<'r> {
        self.text(Part::Scheme)
    }

    /// The upstream's host, an IPv6 address without brackets. A folder has none.
    pub fn upstream_host(&self) -> UpstreamText<'r> {
        self.text(Part::Host)
    }

    /// The upstream's port. A folder has none.
    pub fn upstream_port(&self) -> UpstreamText<'r> {
        self.text(Part::Port)
    }

    /// Host and port, an IPv6 address in brackets. A folder has none.
    pub fn upstream_host_port(&self) -> UpstreamText<'r> {
        self.text(Part::HostPort)
    }

    /// Where connections go: host and port. The original has two words for it.
    pub fn upstream_addr(&self) -> UpstreamText<'r> {
        self.text(Part::HostPort)
    }

    /// The upstream as a URL: `http://10.0.0.1:8080`, `file:///srv/www`.
    pub fn upstream_url(&self) -> UpstreamText<'r> {
        self.text(Part::Url)
    }

    fn text(&self, part: Part) -> UpstreamText<'r> {
        UpstreamText { part, route: self.route }
    }
}

impl<'r, T> WithRoute<'r, T> {
    /// Has it carry the route of that context.
    pub fn new(inner: T, context: RouteContext<'r>) -> Self {
        match context.route {
            Some(route) => tracing::debug!(route = %route.id, "a request goes by a route"),
            None => tracing::debug!("a request goes by no route"),
        }
        Self { inner, context }
    }

    /// By which route it goes.
    pub fn context(&self) -> RouteContext<'r> {
        self.context
    }

    /// The same, carrying what was made of it.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> WithRoute<'r, U> {
        WithRoute { inner: f(self.inner), context: self.context }
    }

    /// Without its route.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> Deref for WithRoute<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for WithRoute<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl fmt::Display for UpstreamText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(route) = self.route else { return Ok(()) };
        match (self.part, &route.hop) {
            (_, Hop::Hole) => Ok(()),
            (Part::Name, _) => route.id.service.name.fmt(f),
            (part, Hop::Endpoint(endpoint)) => write_part(f, part, endpoint),
            (Part::Scheme, Hop::Files(_)) => f.write_str("file"),
            (Part::Url, Hop::Files(folder)) => write!(f, "file://{folder}"),
            (Part::Host | Part::Port | Part::HostPort, Hop::Files(_)) => Ok(()),
            (Part::Scheme, Hop::Cluster(_)) => f.write_str("cluster"),
            (Part::Url, Hop::Cluster(cluster)) => write!(f, "cluster://{cluster}"),
            (Part::Host | Part::HostPort, Hop::Cluster(cluster)) => cluster.fmt(f),
            (Part::Port, Hop::Cluster(_)) => Ok(()),
        }
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, part: Part, endpoint: &Endpoint) -> fmt::Result {
    let Endpoint { scheme, host, port, .. } = endpoint;
    match (part, host) {
        (Part::Name, _) => Ok(()),
        (Part::Scheme, _) => f.write_str(scheme.as_str()),
        (Part::Host, HostName::Address(address)) => address.fmt(f),
        (Part::Host, HostName::Name(name)) => name.fmt(f),
        (Part::Port, _) => port.fmt(f),
        (Part::HostPort, host) => write!(f, "{host}:{port}"),
        (Part::Url, host) => write!(f, "{}://{host}:{port}", scheme.as_str()),
    }
}

#[cfg(test)]
mod tests;
