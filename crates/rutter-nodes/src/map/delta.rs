//! What makes one map of another.

use std::collections::BTreeMap;

use rutter_route::{NodeId, Prefix};

use super::{Exit, NetworkMap, Peer};

/// What changed: the new value, or `None` where there is none any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Peers that came, changed or went.
    pub peers: BTreeMap<NodeId, Option<Peer>>,
    /// Prefixes whose router is another.
    pub routes: BTreeMap<Prefix, Option<NodeId>>,
    /// Exit nodes that came, changed or went.
    pub exits: BTreeMap<NodeId, Option<Exit>>,
}

impl Delta {
    /// Becomes this difference and then that one.
    pub fn then(&mut self, later: Self) {
        self.peers.extend(later.peers);
        self.routes.extend(later.routes);
        self.exits.extend(later.exits);
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.routes.is_empty() && self.exits.is_empty()
    }
}

impl NetworkMap {
    /// What makes `new` of this map.
    pub fn delta_to(&self, new: &Self) -> Delta {
        Delta {
            peers: difference(&self.peers, &new.peers),
            routes: difference(&self.routes, &new.routes),
            exits: difference(&self.exits, &new.exits),
        }
    }

    /// Takes a difference in.
    pub fn apply(&mut self, delta: &Delta) {
        put(&mut self.peers, &delta.peers);
        put(&mut self.routes, &delta.routes);
        put(&mut self.exits, &delta.exits);
    }
}

/// What makes one map of keys and values of another.
pub(super) fn difference<K, V>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> BTreeMap<K, Option<V>>
where
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    let gone = old.keys().filter(|k| !new.contains_key(k)).map(|k| (k.clone(), None));
    let put = new.iter().filter(|(k, v)| old.get(k) != Some(v));
    gone.chain(put.map(|(k, v)| (k.clone(), Some(v.clone())))).collect()
}

fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, delta: &BTreeMap<K, Option<V>>) {
    for (key, value) in delta {
        match value {
            Some(value) => drop(map.insert(key.clone(), value.clone())),
            None => drop(map.remove(key)),
        }
    }
}
