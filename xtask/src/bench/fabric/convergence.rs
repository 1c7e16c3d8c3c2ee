//! Messages and simulated time until a whole network is still, after one destination more and after
//! one link less. The simulator runs the code that ships; its links take 5 ms, and processing none.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use rutter_protocol::policy::{FabricPolicy, RoutePolicy, ScopePolicy};
use rutter_protocol::wire::Scope;
use rutter_sim::measure::{Cost, measure};
use rutter_sim::scenario::{ClusterSpec, Scenario};
use rutter_sim::topology::Topology;
use serde::{Deserialize, Serialize};

/// What one event cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Told {
    /// Announcements and withdrawals of a route.
    pub(super) messages: u64,
    /// Batches that carried them.
    pub(super) batches: u64,
    /// Simulated milliseconds until the last was told.
    pub(super) ms: u64,
}

/// What a network cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Converged {
    pub(super) shape: String,
    pub(super) directed_links: usize,
    pub(super) start: Told,
    pub(super) announcement: Told,
    pub(super) link_loss: Told,
    pub(super) withdrawal: Told,
}

/// Measures each shape.
pub(super) fn run() -> Result<Vec<Converged>> {
    let shapes = [
        ("full mesh of 6", Topology::Mesh(6)),
        ("full mesh of 50", Topology::Mesh(50)),
        ("ring of 100", Topology::Ring(100)),
        ("random, 1,000 with 4 links each", Topology::Random { clusters: 1000, degree: 4 }),
    ];
    shapes.into_iter().map(|(name, shape)| one(name, shape)).collect()
}

fn one(shape: &str, topology: Topology) -> Result<Converged> {
    eprintln!("{shape}");
    let all = || Some(RoutePolicy::default());
    let carried = ScopePolicy { import: all(), export: all(), ..ScopePolicy::default() };
    let services: Scope = "services".parse()?;
    let policy =
        FabricPolicy { carry: BTreeMap::from([(services, carried)]), ..FabricPolicy::default() };
    let scenario = Scenario {
        name: shape.into(),
        topology,
        cluster: ClusterSpec { policy, ..ClusterSpec::default() },
        ..Scenario::default()
    };
    let found = measure(&scenario).map_err(|why| anyhow!("{shape}: {why}"))?;
    Ok(Converged {
        shape: shape.into(),
        directed_links: found.directed_links,
        start: told(found.start),
        announcement: told(found.announcement),
        link_loss: told(found.link_loss),
        withdrawal: told(found.withdrawal),
    })
}

fn told(cost: Cost) -> Told {
    Told {
        messages: cost.announcements + cost.withdrawals,
        batches: cost.batches,
        ms: cost.took_ms,
    }
}
