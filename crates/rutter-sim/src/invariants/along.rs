//! What must hold at any time.

use std::collections::{BTreeMap, BTreeSet};

use rutter_protocol::wire::{Scope, sign};
use rutter_route::{AnyDestination, ClusterId, Standing};

use super::{Violation, shown};
use crate::network::{Network, Seen};
use crate::node::{Node, kind_of, scope_of};

/// How much later than their bound a claim or a stale route may be seen, in ms: a tick and a walk.
const SLACK: u64 = 2_000;

/// Who looks at a network from time to time, and remembers what it saw the last time.
#[derive(Debug, Default)]
pub(crate) struct Onlooker {
    /// What wasn't held at the last look, by (cluster, neighbour, destination): the path, and how
    /// many batches and losses of the neighbour there had been.
    free: BTreeMap<(usize, ClusterId, AnyDestination), (Vec<ClusterId>, u64)>,
}

impl Onlooker {
    /// The first rule that is broken now.
    pub(crate) fn look(&mut self, network: &Network) -> Option<Violation> {
        let destinations = destinations(network);
        let free = std::mem::take(&mut self.free);
        for (place, node) in network.nodes().iter().enumerate() {
            if !node.is_up() || !node.is_honest() {
                continue;
            }
            for destination in &destinations {
                let candidates = node.candidates(destination);
                let broken = check_all(network, node, destination, &candidates).or_else(|| {
                    self.check_held(network, place, node, destination, &candidates, &free)
                });
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

    /// Hold-down and damping bar a path that was withdrawn, lost or changed, and no other.
    fn check_held(
        &mut self,
        network: &Network,
        place: usize,
        node: &Node,
        destination: &AnyDestination,
        candidates: &[Seen],
        before: &BTreeMap<(usize, ClusterId, AnyDestination), (Vec<ClusterId>, u64)>,
    ) -> Option<Violation> {
        if node.spec.policy.stability == rutter_rib::Stability::default() || node.spec.paths > 1 {
            return None;
        }
        let engine = node.engine.as_ref()?;
        for seen in candidates {
            let Some(from) = &seen.from else { continue };
            let stats = engine.speaker.stats().neighbours.get(from);
            // A neighbour that says anything may withdraw by it: one way or another (a refresh
            // without the route, a goodbye) it says so in a batch.
            let troubles = stats.map_or(0, |s| s.batches_received + s.losses);
            let key = (place, from.clone(), destination.clone());
            if seen.standing != Standing::Held {
                self.free.insert(key, (seen.path.clone(), troubles));
                continue;
            }
            let same =
                |(path, then): &&(Vec<ClusterId>, u64)| *path == seen.path && *then == troubles;
            if before.get(&key).filter(same).is_some() {
                let what = format!(
                    "the path {} to {destination} is held, but {from} has said nothing",
                    shown(&seen.path)
                );
                let rule = "hold_down_spares_other_paths";
                return Some(Violation::new(network.at(), rule, &node.name, what));
            }
        }
        None
    }
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
            let neighbour = neighbour.and_then(|name| network.node(&name));
            let named = neighbour.and_then(|one| one.named_back).unwrap_or(0);
            if state == "stale" && n > 0 && network.at() > named + SLACK {
                let what = format!("{n} routes of {} in {name}", session.source);
                return broken("stale_is_bounded", what);
            }
        }
    }
    None
}
