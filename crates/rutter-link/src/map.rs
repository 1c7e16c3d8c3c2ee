//! Network maps on the wire: what a node is told of others.
//!
//! Many nodes are told the same, so a change is encoded once ([`MapChange::encode`]) and its bytes go
//! to each; see `Map` in the protocol.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use rutter_route::{NodeId, Prefix};

use crate::{Malformed, wire};

/// A node as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapPeer {
    /// Its name.
    pub name: String,
    /// Its addresses in the mesh.
    pub addresses: Vec<IpAddr>,
    /// Where its packets are sent to on the underlay, the best first.
    pub endpoints: Vec<IpAddr>,
}

/// For which families a node is an exit node; one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapExit {
    /// For IPv4.
    pub v4: bool,
    /// For IPv6.
    pub v6: bool,
}

/// What changed in a map: the new value, or `None` where there is none any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapChange {
    /// Peers that came, changed or went.
    pub peers: BTreeMap<NodeId, Option<MapPeer>>,
    /// Prefixes whose router is another.
    pub routes: BTreeMap<Prefix, Option<NodeId>>,
    /// Exit nodes that came, changed or went.
    pub exits: BTreeMap<NodeId, Option<MapExit>>,
}

/// Something to tell a node, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedMap {
    /// Rises within a session.
    pub number: u64,
    /// What was told before is void.
    pub snapshot: bool,
    /// A [`MapChange`].
    pub change: Bytes,
    /// The rest follows, and only with it is it something to use.
    pub more: bool,
}

impl MapChange {
    /// The change on the wire.
    pub fn encode(&self) -> Bytes {
        wire::map::encode(self)
    }

    /// A change from the wire.
    ///
    /// # Errors
    /// What can't be understood of it. A map is taken whole or not at all: half a map would be used
    /// as if it were one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        wire::map::decode(bytes)
    }

    /// Becomes this change and then that one.
    pub fn then(&mut self, later: Self) {
        self.peers.extend(later.peers);
        self.routes.extend(later.routes);
        self.exits.extend(later.exits);
    }

    /// Of how many peers, prefixes and exits it tells.
    pub fn len(&self) -> usize {
        self.peers.len() + self.routes.len() + self.exits.len()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.routes.is_empty() && self.exits.is_empty()
    }
}
