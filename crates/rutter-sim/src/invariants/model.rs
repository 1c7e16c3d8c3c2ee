//! Policies, slowly and plainly: what a route policy lets pass, straight from the words of its fields.

use std::collections::BTreeSet;

use rutter_protocol::policy::{FabricPolicy, RoutePolicy};
use rutter_protocol::wire::Scope;
use rutter_route::{AnyDestination, ClusterId, Tag};

/// What a policy sees of a route.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) destination: &'a AnyDestination,
    /// Who says it; `None`: the cluster itself.
    pub(super) from: Option<&'a ClusterId>,
    pub(super) origin: &'a ClusterId,
    pub(super) tags: BTreeSet<Tag>,
    /// The link to this cluster included.
    pub(super) hops: u16,
}

/// Whether a policy lets a route in that a neighbour says, in a scope.
pub(super) fn imports(policy: &FabricPolicy, scope: &Scope, facts: &Facts<'_>) -> bool {
    let Some(from) = facts.from else { return true };
    let base = if scope.as_str() == rutter_protocol::speaker::FABRIC {
        let own = policy.neighbours.get(from).and_then(|n| n.import.as_ref());
        Some(own.unwrap_or(&policy.import))
    } else {
        policy.carry.get(scope).and_then(|carry| {
            let own = carry.neighbours.get(from).and_then(|n| n.import.as_ref());
            own.or(carry.import.as_ref())
        })
    };
    let overlay = policy.clusters.get(facts.origin);
    base.is_some_and(|base| permits(base, facts))
        && overlay.is_none_or(|overlay| permits(overlay, facts))
        && may_originate(policy, facts)
}

/// Whether a policy lets a route out to a neighbour, in a scope.
pub(super) fn exports(
    policy: &FabricPolicy,
    scope: &Scope,
    to: &ClusterId,
    facts: &Facts<'_>,
) -> bool {
    let (global, own) = if scope.as_str() == rutter_protocol::speaker::FABRIC {
        (Some(&policy.export), policy.neighbours.get(to).and_then(|n| n.export.as_ref()))
    } else {
        let Some(carry) = policy.carry.get(scope) else { return false };
        (carry.export.as_ref(), carry.neighbours.get(to).and_then(|n| n.export.as_ref()))
    };
    match (global, own) {
        (None, None) => false,
        (global, own) => {
            global.is_none_or(|global| permits(global, facts))
                && own.is_none_or(|own| permits(own, facts))
        }
    }
}

fn permits(policy: &RoutePolicy, facts: &Facts<'_>) -> bool {
    let said_by = |set: &BTreeSet<ClusterId>| facts.from.is_none_or(|from| set.contains(from));
    let denied_by = |set: &BTreeSet<ClusterId>| facts.from.is_some_and(|from| set.contains(from));
    policy.allowed_advertisers.as_ref().is_none_or(said_by)
        && !denied_by(&policy.deny_advertisers)
        && policy.allowed_destinations.as_ref().is_none_or(|set| set.contains(facts.origin))
        && !policy.deny_destinations.contains(facts.origin)
        && policy.allowed_tags.as_ref().is_none_or(|set| !set.is_disjoint(&facts.tags))
        && policy.deny_tags.is_disjoint(&facts.tags)
        && policy.max_hops.is_none_or(|most| facts.hops <= most)
        && lies_in(policy, facts.destination)
}

fn lies_in(policy: &RoutePolicy, destination: &AnyDestination) -> bool {
    match destination {
        AnyDestination::Service(service) => policy
            .services
            .as_ref()
            .is_none_or(|list| list.iter().any(|s| service.name.is_under(s.as_str()))),
        AnyDestination::Prefix(prefix) => policy
            .prefixes
            .as_ref()
            .is_none_or(|list| list.iter().any(|within| within.contains(prefix))),
        AnyDestination::Cluster(_) => true,
    }
}

fn may_originate(policy: &FabricPolicy, facts: &Facts<'_>) -> bool {
    let origins = policy.origins.get(facts.origin);
    match facts.destination {
        AnyDestination::Cluster(cluster) => {
            cluster == facts.origin || origins.is_some_and(|o| o.clusters.contains(cluster))
        }
        AnyDestination::Service(service) => match origins {
            None => !policy.strict_origins,
            Some(o) => o
                .services
                .as_ref()
                .is_none_or(|list| list.iter().any(|s| service.name.is_under(s.as_str()))),
        },
        AnyDestination::Prefix(prefix) => match origins {
            None => !policy.strict_origins,
            Some(o) => {
                o.prefixes.as_ref().is_none_or(|list| list.iter().any(|p| p.contains(prefix)))
            }
        },
    }
}
