//! From the gateway's table to its index: what a batch of the table's outlet changes there, and
//! what is known of services to which nothing leads. Pure: the task does the rest.

use std::collections::HashSet;

use rutter_link::relay;
use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::{NextHop, Scheme, Service, ServiceName, SourceId, SourceKind};
use smol_str::SmolStr;

use crate::feed::{RouteSpec, Update};
use crate::routes::Hop;

/// Services that the controller knows but to which nothing leads: they are told as advertisements
/// without routes, which no table holds, and answered 503 where an unknown name is 404.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    services: HashSet<ServiceName>,
    /// During a snapshot: those from before it that it hasn't mentioned.
    doubtful: HashSet<ServiceName>,
}

impl Unreachable {
    /// Learns from a batch of the controller's; names those whose hosts come or go by it alone.
    pub(super) fn take(&mut self, batch: &Batch<Service>) -> Vec<Update> {
        let mut updates = Vec::new();
        if batch.begin_snapshot {
            self.doubtful = self.services.clone();
        }
        for tell in &batch.tells {
            let service = tell.destination();
            if *service != Service::http(service.name.clone()) {
                continue;
            }
            self.doubtful.remove(&service.name);
            match tell {
                Tell::Advertise { routes, .. } if routes.is_empty() => {
                    if self.services.insert(service.name.clone()) {
                        updates.push((service.name.clone(), Some(Vec::new())));
                    }
                }
                // The own table tells of its routes.
                Tell::Advertise { .. } => {
                    self.services.remove(&service.name);
                }
                Tell::Withdraw { .. } => {
                    if self.services.remove(&service.name) {
                        updates.push((service.name.clone(), None));
                    }
                }
            }
        }
        if batch.end_of_snapshot {
            for service in std::mem::take(&mut self.doubtful) {
                self.services.remove(&service);
                updates.push((service, None));
            }
        }
        updates
    }

    /// What the index holds of a service without routes.
    pub(super) fn without_routes(&self, service: &ServiceName) -> Option<Vec<RouteSpec>> {
        self.services.contains(service).then(Vec::new)
    }
}

/// From the batches of the gateway's own table to the index.
#[derive(Debug, Default)]
pub(super) struct ToIndex {
    /// During a snapshot: what it has mentioned.
    mentioned: Option<HashSet<ServiceName>>,
}

impl ToIndex {
    /// Whether a snapshot is under way.
    pub(super) fn in_snapshot(&self) -> bool {
        self.mentioned.is_some()
    }

    /// What the batch changes. `held` are the services that the index has routes of.
    pub(super) fn take(
        &mut self,
        batch: Batch<Service>,
        unreachable: &Unreachable,
        held: impl FnOnce() -> HashSet<ServiceName>,
    ) -> Vec<Update> {
        if batch.begin_snapshot {
            self.mentioned = Some(HashSet::new());
        }
        let mut updates = Vec::with_capacity(batch.tells.len());
        for tell in batch.tells {
            let service = tell.destination();
            if *service != Service::http(service.name.clone()) {
                continue;
            }
            let name = service.name.clone();
            if let Some(mentioned) = &mut self.mentioned {
                mentioned.insert(name.clone());
            }
            let routes = match tell {
                Tell::Advertise { routes, .. } => Some(specs(&routes)),
                Tell::Withdraw { .. } => unreachable.without_routes(&name),
            };
            updates.push((name, routes));
        }
        if batch.end_of_snapshot {
            let mentioned = self.mentioned.take().unwrap_or_default();
            let gone = held().into_iter().filter(|s| !mentioned.contains(s));
            updates.extend(gone.map(|s| {
                let routes = unreachable.without_routes(&s);
                (s, routes)
            }));
        }
        updates
    }
}

/// The routes that this gateway can forward HTTP by, in rank order.
fn specs(routes: &[ToldRoute]) -> Vec<RouteSpec> {
    routes.iter().filter_map(spec).collect()
}

/// `None`: a next hop of another kind, such as a node or a cluster, which this gateway can't reach
/// by itself; or a path id that this gateway never gave.
fn spec(told: &ToldRoute) -> Option<RouteSpec> {
    let key = relay::claim_of(&told.route.path)?;
    let hop = match &told.attributes.next_hop {
        NextHop::Endpoint(endpoint) => match endpoint.scheme {
            Scheme::Http | Scheme::Https => Hop::Endpoint(endpoint.clone()),
            Scheme::H2c | Scheme::Tcp | Scheme::Udp => return None,
        },
        _ => return None,
    };
    Some(RouteSpec {
        label: label(&key.source),
        key,
        hop,
        delivery: told.attributes.delivery.clone().unwrap_or_default(),
        group: told.attributes.group.clone(),
        weight: told.attributes.weight,
        equal: told.equal,
        health_check: told.attributes.health_check.clone(),
        standing: told.standing,
    })
}

/// The word for a source in `X-Mesh-Route`: its kind, or for a provider the name that the foreign
/// system gave it, which stands before the colon.
pub(super) fn label(source: &SourceId) -> SmolStr {
    match (source.kind(), source.name().split_once(':')) {
        (SourceKind::Provider, Some((word, _))) => word.into(),
        (kind, _) => kind.as_str().into(),
    }
}
