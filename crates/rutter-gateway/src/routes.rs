//! What the request path reads: the ranked routes of one service.
//!
//! These are made by the `table` room from the gateway's own services table and never changed
//! afterwards: an update makes a new [`Routes`] and stores it in the host index. A request takes
//! one `Arc` of it and sees one ranking from its beginning to its end.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use http::HeaderValue;
use rutter_route::{
    ClusterId, Delivery, Endpoint, Folder, Group, HealthCheck, RouteKey, Service, SourceId,
    SourceKind, Standing,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::balance::{self, Balancer, Recovery};
use crate::health::HealthCell;
use crate::index::Narrower;
use crate::mtls::{self, Asked};

/// What tells one route from all others, in every table of this gateway: the service, and the
/// first source's key for the route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteId {
    /// The service.
    pub service: Service,
    /// Whose route, and which of its routes.
    pub route: RouteKey,
}

impl std::fmt::Display for RouteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}", self.service, self.route)
    }
}

/// What answers for a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// A server.
    Endpoint(Endpoint),
    /// Files below a folder of this machine.
    Files(Folder),
    /// Another cluster, at the gateway of whichever neighbour leads there.
    Cluster(ClusterId),
    /// Nobody: the place is kept for a route that is refused, so that none with less protection is
    /// asked instead.
    Hole,
}

/// How much a route has to do now, counted by every worker and shared by every version of it.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests and streams under way.
    pub in_flight: AtomicU32,
    /// Since when it is there.
    pub(crate) recovery: Recovery,
}

/// One way to a service.
#[derive(Debug)]
pub struct Route {
    /// Which route.
    pub id: RouteId,
    /// The word for its source in `X-Mesh-Route`, such as `agent` or `tunnel`.
    pub label: SmolStr,
    /// Who answers.
    pub hop: Hop,
    /// How it is passed on what is asked.
    pub delivery: Arc<Delivery>,
    /// The group in which it is one of several that are asked in turn.
    pub group: Option<Group>,
    /// Its share among the equals of its group, 1 or more.
    pub weight: u16,
    /// Whether it is the best or as good.
    pub equal: bool,
    /// How to ask whether it is well; `None`: it counts as well while its lease lasts.
    pub health_check: Option<HealthCheck>,
    /// How it stands in the gateway's table: eligible or impaired.
    pub standing: Standing,
    /// What the detector believes of it, shared by every version of this route.
    pub health: Arc<HealthCell>,
    /// What it has to do, if it is in a group.
    pub load: Arc<Load>,
    /// What tells it from the others of its group, for who must find the same one again; 0 outside.
    pub(crate) hash: u64,
}

impl Route {
    /// The server that answers, if one does.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match &self.hop {
            Hop::Endpoint(endpoint) => Some(endpoint),
            Hop::Files(_) | Hop::Cluster(_) | Hop::Hole => None,
        }
    }
}

/// The routes of one service, in the order of the table's ranking.
#[derive(Debug, Clone)]
pub struct Routes {
    /// The service, to whose name certificates of the controller's CA are bound.
    pub service: Service,
    /// Best first. Empty: the name is known, but nothing leads there now.
    pub ranked: Vec<Arc<Route>>,
    /// Who chooses among the equals, if they are of a group.
    pub(crate) balancer: Option<Arc<Balancer>>,
    /// The services that have paths of this name to themselves; the host index keeps them here.
    pub(crate) narrower: Narrower,
    /// Whether the paths that none of those has are the service's. If not, it is no service, and
    /// stands here for the sake of those.
    pub(crate) is_whole: bool,
    /// What they ask of clients.
    pub(crate) asked: Asked,
}

impl Routes {
    /// The routes of a service, best first.
    pub fn new(service: Service, ranked: Vec<Arc<Route>>) -> Self {
        let asked = mtls::asked(&ranked);
        let narrower = Narrower::default();
        Self { service, ranked, balancer: None, narrower, is_whole: true, asked }
    }

    /// Whether any of them is asked without the service's path prefix.
    pub(crate) fn strip_prefix(&self) -> bool {
        self.ranked.iter().any(|route| route.delivery.strips_prefix)
    }

    /// The cookie that tells a client to stay with the route that served it, if it should and
    /// wasn't told before; `told` is whom its cookie names.
    pub(crate) fn told_to_stay(
        &self,
        served: &Route,
        told: Option<u64>,
        tls: bool,
    ) -> Option<HeaderValue> {
        let options = &served.delivery.balance;
        let stays = self.balancer.is_some() && options.is_sticky && served.group.is_some();
        if !stays || told == Some(served.hash) {
            return None;
        }
        // A cookie's path can't have what ends it.
        let prefix = self.service.paths().map(|prefix| prefix.as_str());
        let path = prefix.filter(|prefix| !prefix.contains(';')).unwrap_or("/");
        balance::cookie(served.hash, path, options, tls)
    }

    /// The one way of a gateway's default backend. It belongs to no service, so no certificate of a
    /// controller's CA is good there, and the detector doesn't know it.
    pub(crate) fn default_of(endpoint: &Endpoint) -> Option<Arc<Self>> {
        // Literals, which are names; the test of the default backend goes through them.
        let service: Service = "default.invalid".parse().ok()?;
        let source = SourceId::new(SourceKind::Operator, "default").ok()?;
        let route = RouteKey { source, path: "default".parse().ok()? };
        let id = RouteId { service: service.clone(), route };
        let route = Route {
            health: Arc::new(HealthCell::new(id.clone(), false)),
            id,
            label: "default".into(),
            hop: Hop::Endpoint(endpoint.clone()),
            delivery: Arc::default(),
            group: None,
            weight: 1,
            equal: true,
            load: Arc::default(),
            hash: 0,
            health_check: None,
            standing: Standing::Eligible,
        };
        Some(Arc::new(Self::new(service, vec![Arc::new(route)])))
    }
}
