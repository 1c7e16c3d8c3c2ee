//! What the request path reads: the ranked routes of one service.
//!
//! These are made by the `table` room from the gateway's own services table and never changed
//! afterwards: an update makes a new [`Routes`] and stores it in the host index. A request takes
//! one `Arc` of it and sees one ranking from its beginning to its end.

use std::sync::Arc;

use rutter_route::{
    Endpoint, HealthCheck, RouteKey, Service, ServiceName, SourceId, SourceKind, Standing,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::health::HealthCell;

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

/// One way to a service.
#[derive(Debug)]
pub struct Route {
    /// Which route.
    pub id: RouteId,
    /// The word for its source in `X-Mesh-Route`, such as `agent` or `tunnel`.
    pub label: SmolStr,
    /// Where the service answers.
    pub endpoint: Endpoint,
    /// How to ask whether it is well; `None`: it counts as well while its lease lasts.
    pub health_check: Option<HealthCheck>,
    /// How it stands in the gateway's table: eligible or impaired.
    pub standing: Standing,
    /// What the detector believes of it, shared by every version of this route.
    pub health: Arc<HealthCell>,
}

/// The routes of one service, in the order of the table's ranking.
#[derive(Debug)]
pub struct Routes {
    /// The service's name, to which certificates of the controller's CA are bound.
    pub service: ServiceName,
    /// Best first. Empty: the name is known, but nothing leads there now.
    pub ranked: Vec<Arc<Route>>,
}

impl Routes {
    /// The one way of a gateway's default backend. It belongs to no service, so no certificate of a
    /// controller's CA is good there, and the detector doesn't know it.
    pub(crate) fn default_of(endpoint: &Endpoint) -> Option<Arc<Self>> {
        // Literals, which are names; the test of the default backend goes through them.
        let service: ServiceName = "default.invalid".parse().ok()?;
        let source = SourceId::new(SourceKind::Operator, "default").ok()?;
        let route = RouteKey { source, path: "default".parse().ok()? };
        let id = RouteId { service: Service::http(service.clone()), route };
        let route = Route {
            health: Arc::new(HealthCell::new(id.clone(), false)),
            id,
            label: "default".into(),
            endpoint: endpoint.clone(),
            health_check: None,
            standing: Standing::Eligible,
        };
        Some(Arc::new(Self { service, ranked: vec![Arc::new(route)] }))
    }
}
