//! The network map as it was told so far.
//!
//! A controller that was cut off from everybody takes all routers for gone. It tells that as the last
//! words of sessions that it takes for lost too, and whoever returns to it before routers do is told of
//! no way. So a way that is taken back, or that the first map of a session leaves out, is held for a
//! while where its router is a peer still: [`BRIEFLY`], in which a session shows that it lives on, or
//! [`HOLD`], in which routers return. Another way counts at once, and so does a peer's end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rutter_link::{MapChange, MapExit, MapPeer};
use rutter_route::{NodeId, Prefix};

/// How long what a session's first map leaves out is held: longer than a router waits at most before
/// it dials again.
pub(super) const HOLD: Duration = Duration::from_secs(10);

/// How long a way is held that is taken back: words and end of a session come together.
pub(super) const BRIEFLY: Duration = Duration::from_secs(1);

/// See the module's head. Bounded by what the controller tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) peers: BTreeMap<NodeId, MapPeer>,
    pub(super) routes: BTreeMap<Prefix, NodeId>,
    pub(super) exits: BTreeMap<NodeId, MapExit>,
    /// What of both is held, and told no more.
    held_routes: BTreeSet<Prefix>,
    held_exits: BTreeSet<NodeId>,
}

impl Told {
    /// Takes a change over. After a snapshot there is nothing else, but for what the first of a session
    /// leaves out, and what is held.
    pub(super) fn take(&mut self, snapshot: bool, is_first: bool, change: MapChange) {
        let mut before = if snapshot { std::mem::take(self) } else { Self::default() };
        if !is_first {
            // What is held already goes on being held.
            before.routes.retain(|prefix, _| before.held_routes.contains(prefix));
            before.exits.retain(|node, _| before.held_exits.contains(node));
        }
        let MapChange { peers, routes, exits } = change;
        for (node, peer) in peers {
            match peer {
                Some(peer) => drop(self.peers.insert(node, peer)),
                None => drop(self.peers.remove(&node)),
            }
        }
        put(&mut self.routes, &mut self.held_routes, routes);
        put(&mut self.exits, &mut self.held_exits, exits);
        self.hold(before);
        self.spare_peers();
    }

    /// Whether something is held.
    pub(super) fn holds(&self) -> bool {
        !self.held_routes.is_empty() || !self.held_exits.is_empty()
    }

    /// Holds it no longer.
    pub(super) fn let_go(&mut self) {
        for prefix in std::mem::take(&mut self.held_routes) {
            self.routes.remove(&prefix);
        }
        for node in std::mem::take(&mut self.held_exits) {
            self.exits.remove(&node);
        }
    }

    fn hold(&mut self, before: Self) {
        for (prefix, router) in before.routes {
            if let Entry::Vacant(entry) = self.routes.entry(prefix) {
                entry.insert(router);
                self.held_routes.insert(prefix);
            }
        }
        for (node, exit) in before.exits {
            if let Entry::Vacant(entry) = self.exits.entry(node) {
                entry.insert(exit);
                self.held_exits.insert(node);
            }
        }
    }

    /// Who is no peer any more is held to nothing.
    fn spare_peers(&mut self) {
        let Self { peers, routes, exits, held_routes, held_exits } = self;
        held_routes.retain(|prefix| {
            let stays = routes.get(prefix).is_some_and(|router| peers.contains_key(router));
            if !stays {
                routes.remove(prefix);
            }
            stays
        });
        held_exits.retain(|node| {
            let stays = peers.contains_key(node);
            if !stays {
                exits.remove(node);
            }
            stays
        });
    }
}

/// What is taken back is held.
fn put<K: Ord, V>(
    into: &mut BTreeMap<K, V>,
    held: &mut BTreeSet<K>,
    changes: BTreeMap<K, Option<V>>,
) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                held.remove(&key);
                into.insert(key, value);
            }
            None if into.contains_key(&key) => drop(held.insert(key)),
            None => {}
        }
    }
}
