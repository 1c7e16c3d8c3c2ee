//! Which neighbour a request for another cluster goes to.
//!
//! In this order: the table `fabric`, best first, of those that avoid what is to be avoided and was
//! visited; then the destination itself, if it is a neighbour; then, with `fallback: neighbour`, the
//! first neighbour by name that wasn't visited. The loop guard of forwarding is the visited list and
//! the hop budget that travel with the request.

#[cfg(test)]
mod tests;

use std::fmt;

use rutter_rib::{Table, ViewId};
use rutter_route::{ClusterId, PathStep};
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
    /// Whether a neighbour is connected, or only restarts.
    fn is_connected(&self, neighbour: &ClusterId) -> bool;

    /// Those that are, by name.
    fn connected(&self) -> Vec<ClusterId>;
}

/// A path that the table has, as it stands when it is asked.
pub type Path = Vec<ClusterId>;

/// Which neighbour the request goes to.
pub fn next_hop(
    own: &ClusterId,
    fabric: &Table<ClusterId>,
    neighbours: &dyn Neighbours,
    fallback: bool,
    ask: &Ask,
) -> Planned {
    choose(own, &paths(own, fabric, &ask.destination), neighbours, fallback, ask)
}

/// The paths to a cluster that aren't barred, best first, each from this cluster to that one.
///
/// One that names nobody (this cluster's own route to itself) is none.
pub fn paths(own: &ClusterId, fabric: &Table<ClusterId>, to: &ClusterId) -> Vec<Path> {
    let selected = fabric.selected(to, ViewId::DEFAULT);
    let routes = selected.routes().iter().filter(|r| !r.attributes.path_list.is_empty());
    routes.map(|route| from_here(own, &route.attributes.path_list)).collect()
}

/// A path list, which the originator begins, as a path from this cluster.
pub fn from_here(own: &ClusterId, path_list: &[PathStep]) -> Path {
    let back = path_list.iter().rev().map(|step| step.cluster.clone());
    std::iter::once(own.clone()).chain(back).collect()
}

/// As [`next_hop`], among paths that were gathered before.
pub fn choose(
    own: &ClusterId,
    paths: &[Path],
    neighbours: &dyn Neighbours,
    fallback: bool,
    ask: &Ask,
) -> Planned {
    match ways(own, paths, neighbours, fallback, ask) {
        Ok(mut ways) if !ways.is_empty() => ways.swap_remove(0),
        Ok(_) => refused(Outcome::NoFabricPath),
        Err(outcome) => refused(outcome),
    }
}

/// All neighbours that the request may go to, the one to be asked first at the head: for one who
/// may try another when that fails. Each neighbour stands there once, by its best path.
///
/// # Errors
/// Why there is none; never [`Outcome::Ok`].
pub fn ways(
    own: &ClusterId,
    paths: &[Path],
    neighbours: &dyn Neighbours,
    fallback: bool,
    ask: &Ask,
) -> Result<Vec<Planned>, Outcome> {
    refuses(own, ask)?;
    let mut found: Vec<Planned> = Vec::new();
    let mut why = Outcome::NoFabricPath;
    for path in paths {
        match judge(path, neighbours, ask) {
            Outcome::Ok if found.iter().all(|way| way.next_hop.as_ref() != path.get(1)) => {
                let next_hop = path.get(1).cloned();
                found.push(Planned { next_hop, reason: Outcome::Ok, path: path.clone() });
            }
            Outcome::Ok => {}
            // A neighbour that is away says more than a path that wasn't wanted.
            other if why != Outcome::NoPeerForNextHop => why = other,
            _ => {}
        }
    }
    if found.is_empty() {
        let direct = vec![own.clone(), ask.destination.clone()];
        if judge(&direct, neighbours, ask) == Outcome::Ok {
            let next_hop = Some(ask.destination.clone());
            found.push(Planned { next_hop, reason: Outcome::Ok, path: direct });
        } else if fallback {
            found.extend(unvisited(own, neighbours, ask));
        }
    }
    if found.is_empty() { Err(why) } else { Ok(found) }
}

/// What speaks against any way at all.
fn refuses(own: &ClusterId, ask: &Ask) -> Result<(), Outcome> {
    if ask.destination == *own {
        return Err(Outcome::AlreadyLocal);
    }
    if ask.visited.contains(own) {
        return Err(Outcome::LoopDetected);
    }
    match ask.hop_budget {
        0 => Err(Outcome::HopBudgetExhausted),
        _ => Ok(()),
    }
}

/// Whether a path may be gone.
fn judge(path: &[ClusterId], neighbours: &dyn Neighbours, ask: &Ask) -> Outcome {
    let Some((next, beyond)) = path.get(1..).and_then(<[_]>::split_first) else {
        return Outcome::NoFabricPath;
    };
    // The destination was asked for: that it is to be avoided, or was there, is no path's fault.
    let unwanted = |cluster: &ClusterId| {
        *cluster != ask.destination
            && (ask.avoid.contains(cluster) || ask.visited.contains(cluster))
    };
    let links = beyond.len() + 1;
    if unwanted(next) || beyond.iter().any(unwanted) || links > usize::from(ask.hop_budget) {
        return Outcome::PathMismatch;
    }
    match neighbours.is_connected(next) {
        true => Outcome::Ok,
        false => Outcome::NoPeerForNextHop,
    }
}

/// The neighbours that might know a way, by name.
fn unvisited(own: &ClusterId, neighbours: &dyn Neighbours, ask: &Ask) -> Vec<Planned> {
    let may = |n: &ClusterId| n != own && !ask.visited.contains(n) && !ask.avoid.contains(n);
    let way = |neighbour: ClusterId| Planned {
        path: Vec::new(),
        next_hop: Some(neighbour),
        reason: Outcome::FallbackNeighbor,
    };
    neighbours.connected().into_iter().filter(may).map(way).collect()
}

/// An answer that names nobody.
fn refused(reason: Outcome) -> Planned {
    Planned { next_hop: None, reason, path: Vec::new() }
}

impl Outcome {
    /// Its name, the original's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::FallbackNeighbor => "fallback_neighbor",
            Self::NoTargetCluster => "no_target_cluster",
            Self::AlreadyLocal => "already_local",
            Self::LoopDetected => "loop_detected",
            Self::HopBudgetExhausted => "hop_budget_exhausted",
            Self::NoFabricPath => "no_fabric_path",
            Self::PathMismatch => "path_mismatch",
            Self::NoPeerForNextHop => "no_peer_for_next_hop",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
