//! From the gateway's table to its index: what a batch of the table's outlet changes there, and
//! what is known of services to which nothing leads. Pure: the task does the rest.

use std::collections::HashSet;

use rutter_link::relay;
use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::{Listener, NextHop, Scheme, Service, SourceId, SourceKind};
use smol_str::SmolStr;

use crate::feed::{RouteSpec, Update};
use crate::routes::Hop;

/// Services that the controller knows but to which nothing leads: they are told as advertisements
/// without routes, which no table holds, and answered 503 where an unknown name is 404.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    services: HashSet<Service>,
    /// During a snapshot: those from before it that it hasn't mentioned.
    doubtful: HashSet<Service>,
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
            self.doubtful.remove(service);
            match tell {
                Tell::Advertise { routes, .. } if routes.is_empty() => {
                    if self.services.insert(service.clone()) {
                        updates.push((service.clone(), Some(Vec::new())));
                    }
                }
                // The own table tells of its routes.
                Tell::Advertise { .. } => {
                    self.services.remove(service);
                }
                Tell::Withdraw { .. } => {
                    if self.services.remove(service) {
                        updates.push((service.clone(), None));
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
    pub(super) fn without_routes(&self, service: &Service) -> Option<Vec<RouteSpec>> {
        self.services.contains(service).then(Vec::new)
    }
}

/// From the batches of the gateway's own table to the index.
#[derive(Debug, Default)]
pub(super) struct ToIndex {
    /// During a snapshot: what it has mentioned.
    mentioned: Option<HashSet<Service>>,
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
        held: impl FnOnce() -> HashSet<Service>,
    ) -> Vec<Update> {
        if batch.begin_snapshot {
            self.mentioned = Some(HashSet::new());
        }
        let mut updates = Vec::with_capacity(batch.tells.len());
        for tell in batch.tells {
            let service = tell.destination().clone();
            if let Some(mentioned) = &mut self.mentioned {
                mentioned.insert(service.clone());
            }
            let routes = match tell {
                Tell::Advertise { routes, .. } => Some(specs(service.listener, &routes)),
                Tell::Withdraw { .. } => unreachable.without_routes(&service),
            };
            updates.push((service, routes));
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

/// The routes by which this gateway can forward what comes through such a listener, in rank order.
fn specs(listener: Listener, routes: &[ToldRoute]) -> Vec<RouteSpec> {
    routes.iter().filter_map(|told| spec(listener, told)).collect()
}

/// Whether what comes through such a listener can be passed on by that scheme.
fn speaks(listener: Listener, scheme: Scheme) -> bool {
    match listener {
        Listener::Http => matches!(scheme, Scheme::Http | Scheme::Https | Scheme::H2c),
        Listener::Tcp => scheme == Scheme::Tcp,
        Listener::Udp => scheme == Scheme::Udp,
    }
}

/// `None`: a next hop of another kind, such as a node, which this gateway can't reach by itself, or a
/// cluster for a stream, which no gateway passes on; or a path id that this gateway never gave; or somebody else's wish for files of this
/// machine.
fn spec(listener: Listener, told: &ToldRoute) -> Option<RouteSpec> {
    let key = relay::claim_of(&told.route.path)?;
    if names_files(told) && !may_name_files(&key.source) {
        tracing::warn!(source = %key.source, "a route that names files of this machine isn't taken");
        return None;
    }
    let hop = match &told.attributes.next_hop {
        NextHop::Endpoint(endpoint) if speaks(listener, endpoint.scheme) => {
            Hop::Endpoint(endpoint.clone())
        }
        NextHop::Files(folder) if listener == Listener::Http => Hop::Files(folder.clone()),
        NextHop::Cluster(cluster) if listener == Listener::Http => Hop::Cluster(cluster.clone()),
        NextHop::Discard => Hop::Hole,
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

/// Whether a route has the gateway read files of its machine: to serve them, or for TLS with its
/// upstream.
fn names_files(told: &ToldRoute) -> bool {
    let options = told.attributes.delivery.as_ref().map(|delivery| &delivery.upstream);
    matches!(told.attributes.next_hop, NextHop::Files(_))
        || options.is_some_and(|options| {
            options.trusted_certificate.is_some() || options.client_certificate.is_some()
        })
}

/// Whose routes may: what the operator wrote, by hand or in a provider's words. Agents, tunnels, peers
/// and neighbours speak for other machines than this one; that none of their sessions takes such a
/// route is no reason to serve a folder to the world should one ever come.
fn may_name_files(source: &SourceId) -> bool {
    matches!(source.kind(), SourceKind::Provider | SourceKind::Operator)
}

/// The word for a source in `X-Mesh-Route`: its kind, or for a provider the name that the foreign
/// system gave it, which stands before the colon.
pub(super) fn label(source: &SourceId) -> SmolStr {
    match (source.kind(), source.name().split_once(':')) {
        (SourceKind::Provider, Some((word, _))) => word.into(),
        (kind, _) => kind.as_str().into(),
    }
}
