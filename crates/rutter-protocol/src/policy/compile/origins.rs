//! Who may originate what, as rules of import: so a reload reaches what is stored, and `explain`
//! names the rule. Keeping it as decisions on each route was rejected: a reload would have to find
//! and take back every one of them.

use rutter_rib::{Match, Rule};
use rutter_route::ClusterId;

use super::filters::{not_under, prefixes_outside};
use super::{ORIGIN, deny};
use crate::policy::{FabricPolicy, OriginPolicy};

/// Appends the rules.
pub(super) fn add(policy: &FabricPolicy, fabric: bool, rules: &mut Vec<Rule>) {
    let mut deny_it = |matches| rules.push(deny(ORIGIN, matches));
    for (origin, may) in &policy.origins {
        match fabric {
            true => deny_it(other_clusters(origin, may)),
            false => kinds(origin, may).into_iter().for_each(&mut deny_it),
        }
    }
    let listed: Vec<ClusterId> = policy.origins.keys().cloned().collect();
    let unless = match listed.is_empty() {
        true => Vec::new(),
        false => vec![Match { origin: listed, ..Match::default() }],
    };
    if fabric {
        // Whoever doesn't stand there originates itself and nobody else.
        deny_it(Match { foreign: Some(true), unless, ..Match::default() });
    } else if policy.strict_origins {
        deny_it(Match { unless, ..Match::default() });
    }
}

fn other_clusters(origin: &ClusterId, may: &OriginPolicy) -> Match {
    let cluster = may.clusters.iter().chain([origin]).cloned().collect();
    Match {
        origin: vec![origin.clone()],
        unless: vec![Match { cluster, ..Match::default() }],
        ..Match::default()
    }
}

fn kinds(origin: &ClusterId, may: &OriginPolicy) -> Vec<Match> {
    let from = || vec![origin.clone()];
    let services = may.services.as_ref().map(|suffixes| Match {
        origin: from(),
        unless: not_under(suffixes),
        ..Match::default()
    });
    let prefixes = may.prefixes.as_ref();
    let prefixes = prefixes.map(|within| Match { origin: from(), ..prefixes_outside(within) });
    services.into_iter().chain(prefixes).collect()
}
