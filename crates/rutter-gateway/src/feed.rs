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

use crate::balance::{self, Balancer};
use crate::health::prober::ProbeTarget;
use crate::health::{Health, HealthCell};
use crate::index::HostIndex;
use crate::places::Places;
use crate::proxy::short_links::ShortLinks;
use crate::routes::{Hop, Load, Route, RouteId, Routes};
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
    places: Arc<Places>,
    health: Health,
    streams: Arc<Streams>,
    short_links: Option<Arc<ShortLinks>>,
    /// What outlives a version of its routes, by service.
    kept: HashMap<Service, Kept>,
}

/// What outlives every version of a service's routes.
#[derive(Debug, Default)]
struct Kept {
    routes: Vec<KeptRoute>,
    /// Once the service was a group's.
    balancer: Option<Arc<Balancer>>,
}

#[derive(Debug)]
struct KeptRoute {
    key: RouteKey,
    load: Arc<Load>,
    /// Whether it is one of those among whom is chosen.
    equal: bool,
}

/// What a service's routes are now, best first; `None`: the service is gone.
pub(crate) type Update = (Service, Option<Vec<RouteSpec>>);

impl Feed {
    pub(crate) fn new(
        index: Arc<HostIndex>,
        places: Arc<Places>,
        health: Health,
        streams: Arc<Streams>,
    ) -> Self {
        Self { index, places, health, streams, short_links: None, kept: HashMap::new() }
    }

    /// Tells these of the services too.
    pub(crate) fn with_short_links(mut self, short_links: Option<Arc<ShortLinks>>) -> Self {
        self.short_links = short_links;
        self
    }

    /// Takes a batch; when it returns, requests see it.
    pub(crate) async fn apply(&mut self, updates: Vec<Update>) {
        let mut ready = Vec::with_capacity(updates.len());
        let mut placed = Vec::new();
        let mut left = Vec::new();
        for (service, specs) in updates {
            let routes = match &specs {
                Some(specs) => Some(self.routes(&service, specs, &mut left).await),
                None => None,
            };
            if specs.is_none_or(|specs| specs.is_empty()) {
                let gone = self.kept.remove(&service).unwrap_or_default();
                left.extend(gone.routes.into_iter().map(|route| id(&service, &route.key)));
            }
            match service.listener {
                Listener::Http if service.at() == ListenAt::default() => {
                    if let Some(links) = &self.short_links {
                        links.set(&service, routes.is_some());
                    }
                    ready.push((service, routes));
                }
                Listener::Http => placed.push((service, routes)),
                Listener::Tcp | Listener::Udp => self.streams.set(&service, routes),
            }
        }
        self.index.apply(ready);
        self.places.apply(placed);
        // Only now: as long as requests could take the route its verdicts were of use.
        for id in left {
            // Who left may have come back within the batch.
            let is_back = self.kept.get(&id.service).is_some_and(|kept| kept.has(&id.route));
            if !is_back {
                self.health.forget(&id).await;
            }
        }
    }

    /// Every service that was told and not taken back, of any listener.
    pub(crate) fn services(&self) -> HashSet<Service> {
        self.kept.keys().cloned().collect()
    }

    /// The routes as requests see them. Those that are no more are named in `left`.
    async fn routes(
        &mut self,
        service: &Service,
        specs: &[RouteSpec],
        left: &mut Vec<RouteId>,
    ) -> Arc<Routes> {
        let mut kept = self.kept.remove(service).unwrap_or_default();
        let mut now = Vec::with_capacity(specs.len());
        let mut ranked = Vec::with_capacity(specs.len());
        for spec in specs {
            let id = id(service, &spec.key);
            let health = self.cell(&id, service, spec).await;
            let load = kept.load(spec);
            now.push(KeptRoute { key: spec.key.clone(), load: load.clone(), equal: spec.equal });
            ranked.push(Arc::new(Route {
                id,
                label: spec.label.clone(),
                hop: spec.hop.clone(),
                delivery: spec.delivery.clone(),
                group: spec.group.clone(),
                weight: spec.weight,
                equal: spec.equal,
                load,
                hash: spec.group.as_ref().map_or(0, |_| balance::hash_of(&spec.key)),
                health_check: spec.health_check.clone(),
                standing: spec.standing,
                health,
            }));
        }
        // What is still in the list wasn't said again.
        left.extend(kept.routes.drain(..).map(|route| id(service, &route.key)));
        kept.routes = now;
        let is_group = specs.first().is_some_and(|best| best.group.is_some());
        let balancer = is_group.then(|| kept.balancer.get_or_insert_default().clone());
        if !kept.routes.is_empty() {
            self.kept.insert(service.clone(), kept);
        }
        Arc::new(Routes { balancer, ..Routes::new(service.clone(), ranked) })
    }

    /// What is believed of a route; that it is well of one that can't be asked by a connection:
    /// of files, of clusters (the fabric knows), of holes, of servers of datagrams.
    async fn cell(&self, id: &RouteId, service: &Service, spec: &RouteSpec) -> Arc<HealthCell> {
        let endpoint = match &spec.hop {
            Hop::Endpoint(endpoint) if endpoint.scheme != Scheme::Udp => endpoint,
            Hop::Endpoint(_) | Hop::Files(_) | Hop::Cluster(_) | Hop::Hole => {
                return Arc::new(HealthCell::new(id.clone(), false));
            }
        };
        let target = ProbeTarget {
            service: service.name.clone(),
            endpoint: endpoint.clone(),
            health_check: spec.health_check.clone(),
            delivery: spec.delivery.clone(),
        };
        self.health.track(id, target).await
    }
}

impl Kept {
    fn has(&self, key: &RouteKey) -> bool {
        self.routes.iter().any(|route| route.key == *key)
    }

    /// Takes the load of a route out of the list, or makes one; a member that is chosen among again
    /// begins as one that returns.
    fn load(&mut self, spec: &RouteSpec) -> Arc<Load> {
        let Some(at) = self.routes.iter().position(|route| route.key == spec.key) else {
            return Arc::default();
        };
        // In most updates they come in the order in which they stand, so it is the first.
        let route = self.routes.remove(at);
        if spec.equal && !route.equal {
            route.load.recovery.is_out();
        }
        route.load
    }
}

fn id(service: &Service, key: &RouteKey) -> RouteId {
    RouteId { service: service.clone(), route: key.clone() }
}

#[cfg(test)]
mod tests;
