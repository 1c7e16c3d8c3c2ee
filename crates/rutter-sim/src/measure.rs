//! Messages and time to converge: one announcement, one link lost, in a network that rests.
//!
//! What a benchmark of the protocol asks of a shape, without faults and with delays alone; processing
//! takes no time here, so the times are those of the wires and of the protocol's own waits.

use rutter_protocol::policy::{RoutePolicy, ScopePolicy};
use rutter_route::{AnyDestination, Service};
use serde::Serialize;

use crate::faults::Fault;
use crate::network::{Network, Told};
use crate::scenario::Scenario;
use crate::span::Span;
use crate::topology::Topology;

/// The longest that is waited for rest, in simulated ms.
const PATIENCE: u64 = 600_000;

/// Nothing is told for so long: it rests, in ms.
const QUIET: u64 = 3_000;

/// What one event cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Routes that were told.
    pub announcements: u64,
    /// Withdrawals that were told.
    pub withdrawals: u64,
    /// Batches that carried them.
    pub batches: u64,
    /// Until the last of them was told, in simulated ms.
    pub took_ms: u64,
}

/// What a shape costs.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Clusters.
    pub clusters: usize,
    /// Links, each way counted.
    pub directed_links: usize,
    /// All clusters boot at once, and everybody hears of everybody.
    pub start: Cost,
    /// One cluster announces one destination more.
    pub announcement: Cost,
    /// One link is lost.
    pub link_loss: Cost,
    /// That destination is withdrawn.
    pub withdrawal: Cost,
}

/// A network of that shape, signed as networks are by default, that carries the scope `services`.
pub fn of(topology: Topology) -> Scenario {
    let open = || Some(RoutePolicy::default());
    let carry = ScopePolicy { import: open(), export: open(), ..ScopePolicy::default() };
    let mut scenario = Scenario { topology, ..Scenario::default() };
    // A name that is one; were it none, the announcement would go nowhere and be seen to.
    scenario.cluster.policy.carry =
        "services".parse().ok().map(|scope| (scope, carry)).into_iter().collect();
    scenario
}

/// Measures a scenario's network; its clusters have to carry the scope `services`, and its faults are
/// left out.
///
/// # Errors
/// A scenario that contradicts itself, or a network that doesn't come to rest.
pub fn measure(scenario: &Scenario) -> Result<Measured, String> {
    let scenario = Scenario { faults: Vec::new(), chances: None, ..scenario.clone() };
    let mut network = Network::new(&scenario, None, None)?;
    let start = settle(&mut network, 0)?;
    let first = network.nodes().first().ok_or("no cluster")?.name.clone();
    let service = format!("measured.{first}").parse().map_err(|_| "a service's name")?;
    let destination = AnyDestination::Service(Service::http(service));
    let cluster = first.clone();
    let originate = Fault::Originate { cluster, destination: destination.clone() };
    let announcement = after(&mut network, originate)?;
    let link = network.links.first().ok_or("no link")?.ends;
    let name = |at: usize| network.nodes().get(at).map(|node| node.name.clone());
    let link = (name(link[0]).ok_or("no end")?, name(link[1]).ok_or("no end")?);
    let cut = Fault::Cut { link, lasts: Span(2 * PATIENCE) };
    let link_loss = after(&mut network, cut)?;
    let withdraw = Fault::Withdraw { cluster: first, destination };
    let withdrawal = after(&mut network, withdraw)?;
    Ok(Measured {
        clusters: network.nodes().len(),
        directed_links: network.n_directed_links(),
        start,
        announcement,
        link_loss,
        withdrawal,
    })
}

fn after(network: &mut Network, fault: Fault) -> Result<Cost, String> {
    let at = network.at() + 1;
    network.plan(at, fault);
    settle(network, at)
}

/// Lets time pass until nothing is told any more; what was told since, and until when.
fn settle(network: &mut Network, from: u64) -> Result<Cost, String> {
    let before = network.told();
    let (mut last, mut seen) = (from, before);
    while network.at() < last + QUIET {
        if network.at() > from + PATIENCE {
            return Err(format!("it doesn't come to rest in {}", Span(PATIENCE)));
        }
        // A millisecond at a time is as exact as the clocks are; nothing happens in most of them.
        let next = network.next_at().unwrap_or(u64::MAX).clamp(network.at() + 1, last + QUIET);
        network.run_until(next);
        if let Some(broken) = network.broken.first() {
            return Err(broken.to_string());
        }
        let now = network.told();
        if (now.announcements, now.withdrawals) != (seen.announcements, seen.withdrawals) {
            (seen, last) = (now, network.at());
        }
    }
    Ok(cost(&before, &seen, last - from))
}

fn cost(before: &Told, after: &Told, took_ms: u64) -> Cost {
    Cost {
        announcements: after.announcements - before.announcements,
        withdrawals: after.withdrawals - before.withdrawals,
        batches: after.batches - before.batches,
        took_ms,
    }
}
