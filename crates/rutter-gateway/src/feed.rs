//! How routes enter the host index, and those of streams what serves these.
//!
//! One writer, the table's task, says what a service's ranked routes are now; this gives each
//! route its health cell (the same one for as long as the way to ask it stays the same), and puts
//! the list in the index.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rutter_route::{
    Delivery, Group, HealthCheck, ListenAt, Listener, RouteKey, Scheme, Service, Standing,
};
use smol_str::SmolStr;

use crate::health::prober::ProbeTarget;
use crate::health::{Health, HealthCell};
use crate::index::HostIndex;
use crate::routes::{Hop, Route, RouteId, Routes};
use crate::streams::Streams;

/// One route as the table tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteSpec {
    /// The first source's key.
    pub(crate) key: RouteKey,
    /// The word for the source.
    pub(crate) label: SmolStr,
    /// Who answers.
    pub(crate) hop: Hop,
    /// How it is passed on what is asked.
    pub(crate) delivery: Arc<Delivery>,
    /// The group in which it is one of several.
    pub(crate) group: Option<Group>,
    /// Its share there.
    pub(crate) weight: u16,
    /// Whether it is the best or as good.
    pub(crate) equal: bool,
    /// How to ask it.
    pub(crate) health_check: Option<HealthCheck>,
    /// How it stands.
    pub(crate) standing: Standing,
}

/// The writing end of the host index.
#[derive(Debug)]
pub(crate) struct Feed {
    index: Arc<HostIndex>,
    health: Health,
    streams: Arc<Streams>,
    /// The routes whose health is tracked, by service.
    tracked: HashMap<Service, Vec<RouteKey>>,
}

/// What a service's routes are now, best first; `None`: the service is gone.
pub(crate) type Update = (Service, Option<Vec<RouteSpec>>);

impl Feed {
    pub(crate) fn new(index: Arc<HostIndex>, health: Health, streams: Arc<Streams>) -> Self {
        Self { index, health, streams, tracked: HashMap::new() }
    }

    /// Takes a batch; when it returns, requests see it.
    pub(crate) async fn apply(&mut self, updates: Vec<Update>) {
        let mut ready = Vec::with_capacity(updates.len());
        let mut left = Vec::new();
        for (service, specs) in updates {
            let specs_now = specs.as_deref().unwrap_or_default();
            self.note_tracked(&service, specs_now, &mut left);
            let routes = match &specs {
                Some(specs) => Some(self.routes(&service, specs).await),
                None => None,
            };
            match service.listener {
                Listener::Http if service.at() == ListenAt::default() => {
                    ready.push((service, routes));
                }
                Listener::Http => tracing::warn!(%service, "nobody listens there"),
                Listener::Tcp | Listener::Udp => self.streams.set(&service, routes),
            }
        }
        self.index.apply(ready);
        // Only now: as long as requests could take the route its verdicts were of use.
        for id in left {
            self.health.forget(&id).await;
        }
    }

    /// Every service that was told and not taken back, of any listener.
    pub(crate) fn services(&self) -> HashSet<Service> {
        self.tracked.keys().cloned().collect()
    }

    async fn routes(&self, service: &Service, specs: &[RouteSpec]) -> Arc<Routes> {
        let mut ranked = Vec::with_capacity(specs.len());
        for spec in specs {
            let id = RouteId { service: service.clone(), route: spec.key.clone() };
            let health = self.cell(&id, service, spec).await;
            ranked.push(Arc::new(Route {
                id,
                label: spec.label.clone(),
                hop: spec.hop.clone(),
                delivery: spec.delivery.clone(),
                group: spec.group.clone(),
                weight: spec.weight,
                equal: spec.equal,
                load: Arc::default(),
                health_check: spec.health_check.clone(),
                standing: spec.standing,
                health,
            }));
        }
        Arc::new(Routes::new(service.clone(), ranked))
    }

    /// What is believed of a route; that it is well of one that can't be asked by a connection:
    /// of files, of holes, of servers of datagrams.
    async fn cell(&self, id: &RouteId, service: &Service, spec: &RouteSpec) -> Arc<HealthCell> {
        let endpoint = match &spec.hop {
            Hop::Endpoint(endpoint) if endpoint.scheme != Scheme::Udp => endpoint,
            Hop::Endpoint(_) | Hop::Files(_) | Hop::Hole => {
                return Arc::new(HealthCell::new(id.clone(), false));
            }
        };
        let target = ProbeTarget {
            service: service.name.clone(),
            endpoint: endpoint.clone(),
            health_check: spec.health_check.clone(),
        };
        self.health.track(id, target).await
    }

    /// Keeps the list of what is tracked, and names what no longer is.
    fn note_tracked(&mut self, service: &Service, now: &[RouteSpec], left: &mut Vec<RouteId>) {
        let keys: Vec<RouteKey> = now.iter().map(|s| s.key.clone()).collect();
        let before = self.tracked.remove(service).unwrap_or_default();
        let gone = before.into_iter().filter(|k| !keys.contains(k));
        left.extend(gone.map(|route| RouteId { service: service.clone(), route }));
        if !keys.is_empty() {
            self.tracked.insert(service.clone(), keys);
        }
    }
}
