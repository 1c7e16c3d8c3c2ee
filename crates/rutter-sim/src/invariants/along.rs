//! What must hold at any time.

use std::collections::BTreeSet;

use rutter_protocol::wire::{Scope, sign};
use rutter_route::{AnyDestination, ClusterId};

use super::{Violation, shown};
use crate::network::{Hold, Network, Seen};
use crate::node::{Node, kind_of, scope_of};

/// How much later than their bound a claim or a stale route may be seen, in ms: a tick and a walk.
const SLACK: u64 = 2_000;

/// The first rule that is broken now.
pub(crate) fn look(network: &Network) -> Option<Violation> {
    let destinations = destinations(network);
    for node in network.nodes().iter().filter(|node| node.is_up() && node.is_honest()) {
        for destination in &destinations {
            let candidates = node.candidates(destination);
            let broken = check_all(network, node, destination, &candidates)
                .or_else(|| check_held(network, node, destination));
            if broken.is_some() {
                return broken;
            }
        }
        if let Some(broken) = check_node(network, node) {
            return Some(broken);
        }
    }
    None
}

/// A neighbour's route is held only for what befell that very route, seen on the wires: hold-down for
/// a withdrawal not longer ago than it lasts, a flap limit for so many withdrawals and losses within
/// its window of each other, damping for withdrawals, losses and changes whose penalties, decayed until
/// now, come to so much. Nothing that another neighbour said excuses it, but for the originator's own
/// withdrawal or other tags, which concern everybody's routes; nor does that its own neighbour has said
/// something else meanwhile. What counts may be more than the table counted (a withdrawal of nothing),
/// never less. Asked is what the table remembers, not the standing: a route that was denied, or whose
/// next hop didn't resolve, is held beneath that, and shows it when the other reason goes.
///
/// Policies that change how a table keeps calm are left out: what befell a route under the one before
/// is counted by that.
fn check_held(network: &Network, node: &Node, to: &AnyDestination) -> Option<Violation> {
    let stability = &node.spec.policy.stability;
    if !stability.is_on() || network.scenario.of(&node.name).policy.stability != *stability {
        return None;
    }
    let at = network.at();
    let held = node.held(at, to).into_iter();
    let mut unexplained = held.filter(|hold| !node.flaps.explain(at, to, hold, stability));
    let Hold { from, why, .. } = unexplained.next()?;
    let what = format!("{from}'s route to {to} is held ({why}) for nothing that befell it");
    Some(Violation::new(at, "hold_down_spares_other_paths", &node.name, what))
}

/// Everything that anybody originates, originated, or made up.
pub(super) fn destinations(network: &Network) -> BTreeSet<AnyDestination> {
    let mut all: BTreeSet<AnyDestination> = network.ghosts.clone();
    all.extend(network.ever.iter().cloned());
    all
}

fn check_all(
    network: &Network,
    node: &Node,
    destination: &AnyDestination,
    candidates: &[Seen],
) -> Option<Violation> {
    let broken = |rule, what| Some(Violation::new(network.at(), rule, &node.name, what));
    let is_itself = *destination == AnyDestination::Cluster(node.name.clone());
    if is_itself && node.best(destination).is_none_or(|best| best.from.is_some()) {
        return broken("own_is_own", "its best route to itself is another's".to_owned());
    }
    let is_ghost = network.ghosts.contains(destination);
    for seen in candidates {
        let Some(from) = &seen.from else { continue };
        let path = shown(&seen.path);
        let mut once = BTreeSet::from([&node.name]);
        if !seen.path.iter().all(|step| once.insert(step)) {
            return broken("no_loop_in_a_path", format!("{path} to {destination}, from {from}"));
        }
        if seen.path.first() != Some(from) {
            let what = format!("{from} says {path} to {destination}");
            return broken("a_path_begins_with_who_says_it", what);
        }
        if seen.standing.is_barred() {
            continue;
        }
        if is_ghost {
            let what = format!("{path} leads to {destination}, which nobody has");
            return broken("nothing_forged_is_used", what);
        }
        let origin = seen.path.last()?;
        if let AnyDestination::Cluster(cluster) = destination
            && cluster != origin
        {
            let what = format!("{path} leads to {destination} by {origin}'s word");
            return broken("nothing_forged_is_used", what);
        }
        if let Some((rule, what)) = check_claim(network, node, destination, origin) {
            return broken(rule, what);
        }
    }
    None
}

/// A route that is used rests on a claim that its originator has signed and that still counts.
fn check_claim(
    network: &Network,
    node: &Node,
    destination: &AnyDestination,
    origin: &ClusterId,
) -> Option<(&'static str, String)> {
    if !network.scenario.security.required {
        return None;
    }
    let scope: Scope = scope_of(kind_of(destination))?;
    let speaker = &node.engine.as_ref()?.speaker;
    let Some(held) = speaker.claims().get(&scope, origin, destination) else {
        return Some(("claims_are_their_originators", format!("{destination} has no claim")));
    };
    let claim = &held.claim;
    let signer = network.node(origin).and_then(|o| o.pair(&claim.key));
    let bytes = sign::claim_bytes(&scope, claim);
    let good =
        signer.is_some_and(|pair| network.ring.verify(&pair.public, &bytes, &claim.signature));
    if !good || claim.withdrawn {
        let what = format!("{destination} stands on a claim that {origin} didn't make: {claim:?}");
        return Some(("claims_are_their_originators", what));
    }
    let wall = node.now(network.at()).wall.0;
    let ends = claim.not_after.0 + network.scenario.security.skew.0 + SLACK;
    (wall > ends).then(|| {
        let late = crate::span::Span(wall - claim.not_after.0);
        ("nothing_outlives_its_claim", format!("{destination} is used {late} past its claim"))
    })
}

fn check_node(network: &Network, node: &Node) -> Option<Violation> {
    let engine = node.engine.as_ref()?;
    let broken = |rule, what| Some(Violation::new(network.at(), rule, &node.name, what));
    let bound = 10_000 + 1_000 * network.nodes().len();
    if engine.speaker.claims().len() > bound {
        return broken("memory_is_bounded", format!("{} claims", engine.speaker.claims().len()));
    }
    for (kind, name) in engine.book.tables() {
        let stale = match kind {
            rutter_route::DestinationKind::Cluster => {
                engine.book.table::<ClusterId>(name).map(|table| table.sources())
            }
            rutter_route::DestinationKind::Service => {
                engine.book.table::<rutter_route::Service>(name).map(|table| table.sources())
            }
            rutter_route::DestinationKind::Prefix => {
                engine.book.table::<rutter_route::Prefix>(name).map(|table| table.sources())
            }
        };
        for (session, state, n) in stale.into_iter().flatten() {
            let neighbour = session.source.name().parse::<ClusterId>().ok();
            let back_by = neighbour.and_then(|name| node.back_by.get(&name)).copied().unwrap_or(0);
            if state == "stale" && n > 0 && network.at() > back_by + SLACK {
                let what = format!("{n} routes of {} in {name}", session.source);
                return broken("stale_is_bounded", what);
            }
        }
    }
    None
}
