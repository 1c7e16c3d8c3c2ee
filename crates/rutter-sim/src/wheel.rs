//! Dispute wheels, as `explain` shows them: each cluster's explanation names its own part, and whose
//! route it prefers; put together they name the wheel.

use std::collections::BTreeMap;

use rutter_rib::{Kind, Table};
use rutter_route::{AnyDestination, ClusterId, Destination, Dispute, Now, SourceKind};

use crate::network::{Ask, Network};

/// What explanations say of a destination that doesn't come to rest: a line a cluster, then the
/// wheel itself, if its preferences go round.
pub(crate) fn named(network: &Network, over: &AnyDestination) -> Vec<String> {
    let mut prefers: BTreeMap<ClusterId, ClusterId> = BTreeMap::new();
    let mut lines = Vec::new();
    for node in network.nodes() {
        let now = node.now(network.at());
        let Some(dispute) = node.at_table(over, Disputes(now)).flatten() else { continue };
        lines.push(format!("{}: {dispute}", node.name));
        let source = &dispute.preferred.source;
        if source.kind() == SourceKind::Neighbour
            && let Ok(neighbour) = source.name().parse()
        {
            prefers.insert(node.name.clone(), neighbour);
        }
    }
    lines.extend(cycle(&prefers).map(|wheel| {
        let names: Vec<&str> = wheel.iter().map(|name| name.as_str()).collect();
        format!("a dispute wheel over {over}: each prefers the next: {}", names.join(" "))
    }));
    lines
}

/// Clusters each of which prefers the next, the first once more at the end.
fn cycle(prefers: &BTreeMap<ClusterId, ClusterId>) -> Option<Vec<&ClusterId>> {
    prefers.keys().find_map(|first| {
        let mut way = vec![first];
        let mut at = prefers.get(first)?;
        while at != first {
            // Round and round without coming back to the first: another's circle.
            if way.len() > prefers.len() {
                return None;
            }
            way.push(at);
            at = prefers.get(at)?;
        }
        way.push(first);
        Some(way)
    })
}

struct Disputes(Now);

impl Ask for Disputes {
    type Answer = Option<Dispute>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Option<Dispute> {
        table.explain(self.0, destination).dispute()
    }
}
