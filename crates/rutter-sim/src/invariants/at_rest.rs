//! What must hold once nothing is told any more and nothing is broken.

use std::collections::BTreeSet;

use rutter_protocol::wire::Scope;
use rutter_rib::{Kind, Table, ViewId};
use rutter_route::{AnyDestination, Attributes, ClusterId, Destination, SourceKind, Standing};

use super::along::destinations;
use super::model::{self, Facts};
use super::{Violation, shown};
use crate::network::{Ask, Network};
use crate::node::{Node, kind_of, scope_of};

impl Network {
    /// Rules that a network at rest breaks: at most one a cluster and destination.
    pub fn check_at_rest(&self) -> Vec<Violation> {
        let mut broken = Vec::new();
        self.check_sessions(&mut broken);
        for destination in destinations(self) {
            self.check_links(&destination, &mut broken);
            self.check_ways(&destination, &mut broken);
        }
        broken
    }

    /// Each link between honest clusters that are up carries a session, at both ends.
    fn check_sessions(&self, broken: &mut Vec<Violation>) {
        for link in &self.links {
            for (node, peer) in [(link.ends[0], link.ends[1]), (link.ends[1], link.ends[0])] {
                let (Some(one), Some(peer)) = (self.nodes.get(node), self.nodes.get(peer)) else {
                    continue;
                };
                let Some(engine) = &one.engine else { continue };
                let statuses = engine.speaker.neighbours(&engine.book);
                let status = statuses.iter().find(|status| status.cluster == peer.name);
                if peer.is_up() && !status.is_some_and(|status| status.connected) {
                    let what = format!("it has no session with {}", peer.name);
                    broken.push(Violation::new(self.at(), "sessions_recover", &one.name, what));
                }
            }
        }
    }

    fn check_links(&self, destination: &AnyDestination, broken: &mut Vec<Violation>) {
        for link in &self.links {
            for (teller, hearer) in [(link.ends[0], link.ends[1]), (link.ends[1], link.ends[0])] {
                let ends = self.nodes.get(teller).zip(self.nodes.get(hearer));
                let Some((teller, hearer)) = ends else { continue };
                if !(teller.is_up() && hearer.is_up() && teller.is_honest() && hearer.is_honest()) {
                    continue;
                }
                if let Some(what) = check_link(teller, hearer, destination) {
                    let rule = "what_is_told_is_held";
                    broken.push(Violation::new(self.at(), rule, &hearer.name, what));
                }
            }
        }
    }

    /// From each cluster, following best routes leads to who originates, or nobody has a route.
    fn check_ways(&self, destination: &AnyDestination, broken: &mut Vec<Violation>) {
        let owners: BTreeSet<&ClusterId> = self
            .nodes()
            .iter()
            .filter(|node| node.is_up() && node.originates().any(|own| own == *destination))
            .map(|node| &node.name)
            .collect();
        for node in self.nodes().iter().filter(|node| node.is_up() && node.is_honest()) {
            let Some(best) = node.best(destination) else { continue };
            let mut report = |rule, what| {
                broken.push(Violation::new(self.at(), rule, &node.name, what));
            };
            if owners.is_empty() {
                let what = format!("{} still leads to {destination}", shown(&best.path));
                report("nothing_stale_stands", what);
                continue;
            }
            match self.walk(node, destination, &owners) {
                Walk::Arrived => {}
                // Who is led through a liar may end there; an honest path doesn't lead to one.
                Walk::Liar if best.path.iter().any(|step| self.lies(step)) => {}
                Walk::Liar => {
                    let what = format!("to {destination}: {} ends with a liar", shown(&best.path));
                    report("no_black_hole", what);
                }
                Walk::Loop(way) => {
                    report("no_forwarding_loop", format!("to {destination}: {}", shown(&way)));
                }
                Walk::End(way) => {
                    report("no_black_hole", format!("to {destination}: {}", shown(&way)));
                }
            }
        }
    }

    fn lies(&self, cluster: &ClusterId) -> bool {
        self.node(cluster).is_some_and(|node| !node.is_honest())
    }

    fn walk(&self, from: &Node, to: &AnyDestination, owners: &BTreeSet<&ClusterId>) -> Walk {
        let mut at = from;
        let mut way = vec![at.name.clone()];
        loop {
            if owners.contains(&at.name) {
                return Walk::Arrived;
            }
            if !at.is_honest() {
                return Walk::Liar;
            }
            let next = at.best(to).and_then(|best| best.from).and_then(|name| self.node(&name));
            let Some(next) = next.filter(|next| next.is_up()) else { return Walk::End(way) };
            let seen = way.contains(&next.name);
            way.push(next.name.clone());
            if seen {
                return Walk::Loop(way);
            }
            at = next;
        }
    }
}

enum Walk {
    Arrived,
    Liar,
    Loop(Vec<ClusterId>),
    End(Vec<ClusterId>),
}

/// What one cluster has selected, as far as it is told.
struct Told {
    from: Option<ClusterId>,
    path: Vec<ClusterId>,
    attributes: Attributes,
}

/// What a cluster holds of a neighbour.
struct Held {
    path: Vec<ClusterId>,
    received: Attributes,
    standing: Standing,
}

fn check_link(teller: &Node, hearer: &Node, destination: &AnyDestination) -> Option<String> {
    let scope: Scope = scope_of(kind_of(destination))?;
    let told = teller.at_table(destination, Selects)?;
    let held = hearer.at_table(destination, Holds(&teller.name))?;
    let many = teller.spec.paths.min(hearer.spec.paths) > 1;
    let should = told.filter(|told| {
        let split = told.from.as_ref() == Some(&hearer.name) || told.path.contains(&hearer.name);
        !split && is_exported(teller, hearer, &scope, destination, told)
    });
    let from = &teller.name;
    let Some(told) = should else {
        // With several paths told, another than the best may be.
        let extra = held.first().filter(|_| !many)?;
        let path = shown(&extra.path);
        return Some(format!("{from} tells nothing of {destination}, but {path} stands"));
    };
    let path: Vec<ClusterId> = std::iter::once(from.clone()).chain(told.path.clone()).collect();
    let Some(same) = held.iter().find(|held| held.path == path) else {
        let stands: Vec<String> = held.iter().map(|held| shown(&held.path)).collect();
        let stands = stands.join(", ");
        return Some(format!(
            "{from} tells {} to {destination}, but `{stands}` stands",
            shown(&path)
        ));
    };
    if held.len() > 1 && !many {
        return Some(format!("{} routes of {from} to {destination}", held.len()));
    }
    if let Some(differs) = differs(&told.attributes, &same.received) {
        return Some(format!("{} to {destination}: {differs}", shown(&path)));
    }
    check_import(hearer, from, &scope, destination, same)
}

fn is_exported(
    teller: &Node,
    hearer: &Node,
    scope: &Scope,
    destination: &AnyDestination,
    told: &Told,
) -> bool {
    let facts = Facts {
        destination,
        from: told.from.as_ref(),
        origin: told.path.last().unwrap_or(&teller.name),
        tags: told.attributes.tags.iter().cloned().collect(),
        hops: told.attributes.hops,
    };
    let carried = scope.as_str() == rutter_protocol::speaker::FABRIC
        || [teller, hearer].iter().all(|node| node.spec.policy.carry.contains_key(scope));
    carried && model::exports(&teller.spec.policy, scope, &hearer.name, &facts)
}

/// Whether what a neighbour says stands as this cluster's policy has it.
fn check_import(
    hearer: &Node,
    from: &ClusterId,
    scope: &Scope,
    destination: &AnyDestination,
    held: &Held,
) -> Option<String> {
    let facts = Facts {
        destination,
        from: Some(from),
        origin: held.path.last()?,
        tags: held.received.tags.iter().cloned().collect(),
        hops: held.received.hops.saturating_add(1),
    };
    let permitted = model::imports(&hearer.spec.policy, scope, &facts);
    let path = shown(&held.path);
    match (permitted, held.standing) {
        (false, Standing::Denied) => None,
        (false, standing) => {
            Some(format!("policy denies {path} to {destination}, but it is {standing}"))
        }
        // Waits of hold-down and damping are as long as the policy says; whose next hop has no
        // route in `fabric` waits for that.
        (true, Standing::Held | Standing::Unresolved) => None,
        (true, standing) if standing.is_barred() => {
            Some(format!("policy permits {path} to {destination}, but it is {standing}"))
        }
        (true, _) => None,
    }
}

/// What of the metrics isn't what was told.
fn differs(told: &Attributes, held: &Attributes) -> Option<String> {
    let metrics =
        |a: &Attributes| (a.hops, a.latency_us, a.bandwidth_kbps, a.reliability_ppm, a.cost);
    if metrics(told) != metrics(held) {
        return Some(format!("{:?} was told, {:?} stands", metrics(told), metrics(held)));
    }
    (told.tags != held.tags).then(|| format!("{:?} was told, {:?} stands", told.tags, held.tags))
}

struct Selects;

impl Ask for Selects {
    type Answer = Option<Told>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Option<Told> {
        let selected = table.selected(destination, ViewId::DEFAULT);
        let best = selected.best()?;
        let is_neighbours = best.source.kind() == SourceKind::Neighbour;
        Some(Told {
            from: is_neighbours.then(|| best.source.name().parse().ok()).flatten(),
            path: path_of(best.received),
            attributes: best.attributes.clone(),
        })
    }
}

struct Holds<'a>(&'a ClusterId);

impl Ask for Holds<'_> {
    type Answer = Vec<Held>;
    fn ask<D: Kind + Destination>(self, table: &Table<D>, destination: &D) -> Vec<Held> {
        let mine = |route: &rutter_rib::SelectedRoute<'_>| {
            route.source.kind() == SourceKind::Neighbour && route.source.name() == self.0.as_str()
        };
        table
            .candidates(destination)
            .iter()
            .filter(|route| mine(route))
            .map(|route| Held {
                path: path_of(route.received),
                received: route.received.clone(),
                standing: route.standing,
            })
            .collect()
    }
}

fn path_of(attributes: &Attributes) -> Vec<ClusterId> {
    attributes.path_list.iter().rev().map(|step| step.cluster.clone()).collect()
}
