//! How the neighbours of a liar treat it, in the words of their policies: its routes are their last
//! resort, and they tell nobody of them.
//!
//! What a liar says of others' destinations follows from what it is told of them: a path that it makes
//! shorter draws traffic that it sends back, then it has no path left to shorten, its neighbours turn
//! away from it, tell it their own paths, and it begins again. No protocol can end that: it is a
//! dispute, with a liar for one of its ends. And what it says of itself comes and goes as it likes.
//!
//! A lower preference alone doesn't help. A liar's neighbour that has no other path passes the liar's
//! on; who hears that can't tell, and takes it for a short one; and neighbours of liars that prefer each
//! other's way to the liar's are the classic dispute wheel. So an honest cluster keeps what it says free
//! of what a liar says to it. What honest clusters tell each other is then the same as if there were no
//! liar, which is what makes it fair to demand that it comes to rest.
//!
//! For that no filter may leave a liar's path as the only one: services are used, and told, where the
//! cluster that has them can be reached, be it over a last resort. In a network with a liar nothing else
//! is filtered.

use rutter_protocol::policy::{FabricPolicy, RoutePolicy};
use rutter_route::{ClusterId, Tag};

use crate::scenario::Scenario;

/// What a liar's routes are preferred by; others have the default of 100.
const LAST: u32 = 50;

/// What a liar's routes are marked by where they are taken, and known by where they would be told.
const DOUBTFUL: &str = "doubtful";

/// Writes into the policy of a cluster how it treats those of its neighbours that lie. Without liars the
/// policy stays as it is.
pub(super) fn distrust(scenario: &Scenario, cluster: &ClusterId, policy: &mut FabricPolicy) {
    let (names, links) = scenario.topology.build(scenario.seed);
    let place = |of: &ClusterId| names.iter().position(|name| name == of);
    let are_linked = |one: &ClusterId, other: &ClusterId| {
        let ends = place(one).zip(place(other));
        ends.is_some_and(|(a, b)| links.contains(&(a.min(b), a.max(b))))
    };
    let lies = scenario.clusters.iter().filter(|(_, spec)| !spec.lies.is_empty());
    let liars: Vec<&ClusterId> = lies.map(|(liar, _)| liar).collect();
    if liars.is_empty() {
        return;
    }
    (policy.import, policy.export) = Default::default();
    for liar in liars.into_iter().filter(|liar| are_linked(cluster, liar)) {
        take_last(policy, liar);
    }
}

fn take_last(policy: &mut FabricPolicy, liar: &ClusterId) {
    let import = last(&policy.import);
    policy.neighbours.entry(liar.clone()).or_default().import = Some(import);
    keep_back(&mut policy.export);
    for scope in policy.carry.values_mut() {
        let import = scope.import.as_ref().map(last);
        scope.neighbours.entry(liar.clone()).or_default().import = import;
        scope.export.iter_mut().for_each(keep_back);
    }
}

/// A liar's import, made from the one that all have: it stands in its place.
fn last(import: &RoutePolicy) -> RoutePolicy {
    let mut import = RoutePolicy { preference: Some(LAST), ..import.clone() };
    import.add_tags.extend(DOUBTFUL.parse::<Tag>());
    import
}

fn keep_back(export: &mut RoutePolicy) {
    export.deny_tags.extend(DOUBTFUL.parse::<Tag>());
}
