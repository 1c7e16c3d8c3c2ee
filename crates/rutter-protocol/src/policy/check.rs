//! What a policy may not say: what would contradict itself.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::{FabricPolicy, FabricPolicyError, NeighbourPolicy, RoutePolicy};
use crate::wire::Scope;

/// Looks at each list; the first field that contradicts another is named.
pub(super) fn check(policy: &FabricPolicy, fabric: &Scope) -> Result<(), FabricPolicyError> {
    route("import", &policy.import)?;
    route("export", &policy.export)?;
    for (cluster, of) in &policy.neighbours {
        neighbour(&format!("neighbours.{cluster}"), of)?;
    }
    for (cluster, overlay) in &policy.clusters {
        route(&format!("clusters.{cluster}"), overlay)?;
    }
    for (scope, carried) in &policy.carry {
        if scope == fabric {
            let why =
                "the fabric's own scope is always carried; its policy is `import` and `export`";
            return Err(error(&format!("carry.{scope}"), why));
        }
        for (name, list) in [("import", &carried.import), ("export", &carried.export)] {
            list.iter().try_for_each(|l| route(&format!("carry.{scope}.{name}"), l))?;
        }
        for (cluster, of) in &carried.neighbours {
            neighbour(&format!("carry.{scope}.neighbours.{cluster}"), of)?;
        }
    }
    Ok(())
}

fn neighbour(at: &str, of: &NeighbourPolicy) -> Result<(), FabricPolicyError> {
    of.import.iter().try_for_each(|list| route(&format!("{at}.import"), list))?;
    of.export.iter().try_for_each(|list| route(&format!("{at}.export"), list))
}

fn route(at: &str, list: &RoutePolicy) -> Result<(), FabricPolicyError> {
    let field = |name: &str| format!("{at}.{name}");
    both(&field("deny_advertisers"), list.allowed_advertisers.as_ref(), &list.deny_advertisers)?;
    both(&field("deny_destinations"), list.allowed_destinations.as_ref(), &list.deny_destinations)?;
    both(&field("deny_tags"), list.allowed_tags.as_ref(), &list.deny_tags)?;
    match list.max_hops {
        Some(0) => Err(error(&field("max_hops"), "the link itself is a hop: at least 1")),
        _ => Ok(()),
    }
}

fn both<T: Ord + Display>(
    field: &str,
    allowed: Option<&BTreeSet<T>>,
    denied: &BTreeSet<T>,
) -> Result<(), FabricPolicyError> {
    match allowed.and_then(|allowed| allowed.intersection(denied).next()) {
        Some(twice) => Err(error(field, &format!("`{twice}` is allowed beside it"))),
        None => Ok(()),
    }
}

fn error(field: &str, why: &str) -> FabricPolicyError {
    FabricPolicyError { field: field.into(), why: why.into() }
}
