//! What a gateway needs to know to forward to other clusters, as one picture that changes as a whole.
//!
//! A request never waits for the owner of the book: the owner publishes a new picture when the table
//! `fabric`, a neighbour, a key or this cluster's identity has changed, and a reader takes the one
//! that is there. Paths are kept in shards behind `Arc`, so a change of one destination copies a
//! handful of the others and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rutter_protocol::keys::PublicKey;
use rutter_protocol::planner::{self, Ask, Neighbours, Outcome, Path};
use rutter_route::ClusterId;

/// How many shards the paths are in.
const SHARDS: usize = 256;

/// How a neighbour is reached with a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NeighbourAccess {
    /// Whether its session is up, or it said that it restarts and may be back in time: until then its
    /// gateway may well go on, as at an upgrade, and what leads through it stands behind other ways
    /// (RFC 4724 forwards on by stale routes, too).
    pub reachable: bool,
    /// Where its gateway takes what is forwarded, `HOST:PORT`; empty: it has none.
    pub gateway: String,
    /// The keys of which it shows one, those that are active now.
    pub keys: Vec<PublicKey>,
}

/// A neighbour that a request may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Which.
    pub neighbour: ClusterId,
    /// Where its gateway is, `HOST:PORT`.
    pub gateway: String,
    /// By which keys it is known.
    pub keys: Vec<PublicKey>,
    /// The path on from this cluster; empty where only the neighbour may know it.
    pub path: Path,
}

/// See the module's head.
#[derive(Clone)]
pub struct Forwarding {
    /// This cluster.
    pub own: ClusterId,
    /// What this cluster shows to neighbours' gateways.
    pub identity: Arc<CertifiedKey>,
    /// The neighbours that are configured.
    pub neighbours: Arc<BTreeMap<ClusterId, NeighbourAccess>>,
    /// Whether a neighbour may be asked that only might know a way.
    pub fallback_neighbour: bool,
    /// Rises when a key, a neighbour or the identity has changed: what was decided by them is to be
    /// decided again.
    pub epoch: u64,
    paths: Arc<[Arc<Shard>; SHARDS]>,
}

/// The paths to some destinations, best first.
type Shard = BTreeMap<ClusterId, Arc<[Path]>>;

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding")
            .field("own", &self.own)
            .field("neighbours", &self.neighbours)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Forwarding {
    /// Without neighbours and paths.
    pub fn new(own: ClusterId, identity: Arc<CertifiedKey>, fallback_neighbour: bool) -> Self {
        let paths = Arc::new(std::array::from_fn(|_| Arc::default()));
        let neighbours = Arc::default();
        Self { own, identity, neighbours, fallback_neighbour, epoch: 0, paths }
    }

    /// The paths to a cluster that may be used, best first, each with this cluster at its head.
    pub fn paths(&self, to: &ClusterId) -> &[Path] {
        let shard = self.paths.get(shard_of(to));
        shard.and_then(|shard| shard.get(to)).map_or(&[], |paths| &**paths)
    }

    /// Takes in what the paths to one cluster are now.
    pub fn set_paths(&mut self, to: ClusterId, paths: Vec<Path>) {
        let Some(shard) = Arc::make_mut(&mut self.paths).get_mut(shard_of(&to)) else { return };
        if paths.is_empty() && !shard.contains_key(&to) {
            return;
        }
        let shard = Arc::make_mut(shard);
        match paths.is_empty() {
            true => drop(shard.remove(&to)),
            false => drop(shard.insert(to, paths.into())),
        }
    }

    /// To whom a request may go, the one to be tried first at the head; each has a gateway.
    ///
    /// # Errors
    /// Why there is nobody.
    pub fn ways(&self, ask: &Ask) -> Result<Vec<Way>, Outcome> {
        let paths = self.paths(&ask.destination);
        let planned = planner::ways(&self.own, paths, self, self.fallback_neighbour, ask)?;
        let ways: Vec<Way> = planned
            .into_iter()
            .filter_map(|planned| {
                let neighbour = planned.next_hop?;
                let access = self.neighbours.get(&neighbour).filter(|a| !a.gateway.is_empty())?;
                let (gateway, keys) = (access.gateway.clone(), access.keys.clone());
                Some(Way { neighbour, gateway, keys, path: planned.path })
            })
            .collect();
        match ways.is_empty() {
            true => Err(Outcome::NoPeerForNextHop),
            false => Ok(ways),
        }
    }

    /// The neighbour that a key is of. One that two have is nobody's.
    pub fn neighbour_of(&self, key: &PublicKey) -> Option<&ClusterId> {
        let mut its = self.neighbours.iter().filter(|(_, access)| access.keys.contains(key));
        let (neighbour, _) = its.next()?;
        its.next().is_none().then_some(neighbour)
    }

    /// The destinations that there are paths to.
    pub fn destinations(&self) -> BTreeSet<&ClusterId> {
        self.paths.iter().flat_map(|shard| shard.keys()).collect()
    }
}

impl Neighbours for Forwarding {
    fn is_connected(&self, neighbour: &ClusterId) -> bool {
        self.neighbours.get(neighbour).is_some_and(|access| access.reachable)
    }

    fn connected(&self) -> Vec<ClusterId> {
        let there = self.neighbours.iter().filter(|(_, access)| access.reachable);
        there.map(|(name, _)| name.clone()).collect()
    }
}

fn shard_of(to: &ClusterId) -> usize {
    let mut hasher = DefaultHasher::new();
    to.hash(&mut hasher);
    // The remainder fits whatever `usize` is.
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
