//! The network map as it was told so far.

use std::collections::BTreeMap;

use rutter_link::{MapChange, MapExit, MapPeer};
use rutter_route::{NodeId, Prefix};

/// See the module's head. Bounded by what the controller tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) peers: BTreeMap<NodeId, MapPeer>,
    pub(super) routes: BTreeMap<Prefix, NodeId>,
    pub(super) exits: BTreeMap<NodeId, MapExit>,
}

impl Told {
    /// Takes a change over. After a snapshot there is nothing else.
    pub(super) fn take(&mut self, snapshot: bool, change: MapChange) {
        if snapshot {
            *self = Self::default();
        }
        let MapChange { peers, routes, exits } = change;
        put(&mut self.peers, peers);
        put(&mut self.routes, routes);
        put(&mut self.exits, exits);
    }
}

fn put<K: Ord, V>(into: &mut BTreeMap<K, V>, changes: BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => into.insert(key, value),
            None => into.remove(&key),
        };
    }
}
