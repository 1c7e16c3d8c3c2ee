//! Which neighbour a request for another cluster goes to.
//!
//! In this order: the table `fabric`, best first, of those that avoid what is to be avoided and was
//! visited; then the destination itself, if it is a neighbour; then, with `fallback: neighbour`, the
//! first neighbour by name that wasn't visited. The loop guard of forwarding is the visited list and
//! the hop budget that travel with the request.

use rutter_rib::Table;
use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Where to.
    pub destination: ClusterId,
    /// Clusters that the path must not lead through.
    #[serde(default)]
    pub avoid: Vec<ClusterId>,
    /// Clusters that have had the request.
    #[serde(default)]
    pub visited: Vec<ClusterId>,
    /// How many links it may still go over.
    pub hop_budget: u16,
}

/// The outcome, by the original's names (spec, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is a next hop, by the table or since the destination is a neighbour.
    Ok,
    /// The first neighbour by name that wasn't visited.
    FallbackNeighbor,
    /// No destination was named.
    NoTargetCluster,
    /// Nobody is to be asked: it is this cluster.
    AlreadyLocal,
    /// This cluster has had the request.
    LoopDetected,
    /// No link may be gone over any more.
    HopBudgetExhausted,
    /// There is no path.
    NoFabricPath,
    /// All paths lead through what is to be avoided, was visited, or are too long.
    PathMismatch,
    /// The path's neighbour isn't connected.
    NoPeerForNextHop,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The neighbour.
    pub next_hop: Option<ClusterId>,
    /// Why, or why not.
    pub reason: Outcome,
    /// The path from this cluster, this one first, where it is known.
    pub path: Vec<ClusterId>,
}

/// What the planner knows of neighbours.
pub trait Neighbours {
    /// Whether a neighbour is connected.
    fn is_connected(&self, neighbour: &ClusterId) -> bool;

    /// Those that are, by name.
    fn connected(&self) -> Vec<ClusterId>;
}

/// Which neighbour the request goes to.
pub fn next_hop(
    _own: &ClusterId,
    _fabric: &Table<ClusterId>,
    _neighbours: &dyn Neighbours,
    _fallback: bool,
    _ask: &Ask,
) -> Planned {
    todo!("H6")
}
