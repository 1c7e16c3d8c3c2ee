//! What leaves an overlay's table, for each of its sinks: the outlets of peers and of the kernel.
//!
//! A peer hears this host's own networks. With transit it hears others' too, each by the best way
//! that this host knows, as a way through this host: our address is the next hop, our step is
//! appended to the path list, and the metric grows by [`RELAY_METRIC`].
//!
//! ```text
//!   own network ──────────────────────────────▶ told        [.., here]
//!   a peer's best ─ came from the receiver? ─▶ not told     split horizon
//!                 ─ came through it?  ───────▶ not told     path list
//!                 ─ may these two transit? no ▶ not told    topology
//!                 ─ else ─────────────────────▶ told        [.., here], next hop self, metric +
//! ```
//!
//! That is free of loops: a host refuses what has its own step, steps are never lost between Rutter
//! hosts, and a list has an end. What an original announces begins a list here, and what is told to
//! an original ends there, since it never tells on what it has learned; so two originals with ways
//! through us, or one with two ways to us, make no circle either.
//!
//! The kernel hears everything but own networks: those it has by itself.

use rutter_rib::{Action, Match, OutletSpec, PathListMatch, PrefixMatch, Rule, Rules, Then};
use rutter_route::{DEFAULT_PREFERENCE, NextHop, PathStep, Prefix, SourceKind};

use crate::own::own_source;
use crate::{Overlay, OverlayConfig, PeerName, Topology, TopologyMode, Transit, Vni};

/// What a way through another host costs more than the same way from there.
pub const RELAY_METRIC: u32 = 10;

/// What the kernel is told of an overlay's table: one way a network, as people of n-netman know it.
/// `sink` is what `explain` calls it.
pub fn kernel_outlet(sink: impl Into<String>) -> OutletSpec {
    OutletSpec { split_horizon: Some(own_source()), ..OutletSpec::best(sink) }
}

/// What a peer is told of an overlay's table.
pub(crate) fn peer_outlet(
    config: &OverlayConfig,
    (vni, overlay): (Vni, &Overlay),
    peer: &PeerName,
) -> OutletSpec {
    OutletSpec {
        export: export(config, (vni, overlay), peer),
        split_horizon: Some(peer.source()),
        ..OutletSpec::best(peer.source().to_string())
    }
}

fn export(config: &OverlayConfig, (vni, overlay): (Vni, &Overlay), to: &PeerName) -> Rules {
    let step = PathStep { cluster: config.node.cluster(), table: vni.table() };
    let accept = Then { action: Action::Accept, append_step: Some(step), ..Then::default() };
    let own = Match { source: Some(own_source().to_string()), ..Match::default() };
    let mut rules = vec![rule("own network", own, accept.clone())];
    if relays_to(&config.topology, to) {
        let through = PathListMatch { clusters: vec![to.cluster()], ..PathListMatch::default() };
        let through = Match { path_list: Some(through), ..Match::default() };
        let deny = Then { action: Action::Deny, ..Then::default() };
        rules.push(rule("it came through the receiver", through, deny.clone()));
        for peer in &config.topology.denied {
            rules.push(rule("a denied transit peer's", from(peer), deny.clone()));
        }
        for of in relayed(&config.topology) {
            for all in ["0.0.0.0/0", "::/0"] {
                // Literals that parse; a test sees that both are there.
                let Ok(all) = all.parse::<Prefix>() else { continue };
                let hop = crate::announced::next_hop(overlay, all.is_v4());
                let by_us = Then {
                    next_hop: Some(hop.map_or(NextHop::Discard, NextHop::Address)),
                    add_metric: Some(RELAY_METRIC),
                    // A preference is each host's own.
                    preference: Some(DEFAULT_PREFERENCE),
                    ..accept.clone()
                };
                let within = Some(PrefixMatch::OrLonger(vec![all]));
                rules.push(rule("transit", Match { prefix: within, ..of.clone() }, by_us));
            }
        }
    }
    Rules { rules, default: Some(Action::Deny) }
}

/// What a host that only listens tells.
pub(crate) fn nothing() -> Rules {
    Rules { rules: Vec::new(), default: Some(Action::Deny) }
}

/// Whether this peer is told ways through this host.
fn relays_to(topology: &Topology, peer: &PeerName) -> bool {
    topology.transit == Transit::Allow
        && topology.mode != TopologyMode::FullMesh
        && !topology.denied.contains(peer)
        && (topology.allowed.is_empty() || topology.allowed.contains(peer))
}

/// Whose routes are told on, denied ones apart.
fn relayed(topology: &Topology) -> Vec<Match> {
    match topology.allowed.as_slice() {
        [] => vec![Match { kind: vec![SourceKind::Peer], ..Match::default() }],
        // As a pattern, a name that ends so would stand for others too.
        allowed => allowed.iter().filter(|n| !n.as_str().ends_with('*')).map(from).collect(),
    }
}

fn from(peer: &PeerName) -> Match {
    Match { source: Some(peer.source().to_string()), ..Match::default() }
}

fn rule(name: &str, matches: Match, then: Then) -> Rule {
    Rule { name: name.into(), matches, then }
}

#[cfg(test)]
mod tests;
