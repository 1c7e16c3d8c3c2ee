//! Network maps: what each node is told of the others.
//!
//! ```text
//!   Access + Nodes ─▶ Mapper ─ class_of(node) ─▶ Class ─┐
//!                                                       ├─▶ NetworkMap ─ moved ─▶ Delta
//!                         table `nodes` (primaries) ────┘
//! ```
//!
//! A map has the peers that a node may know, with their addresses; of each prefix that it may reach
//! the router that is primary; and the exit nodes that it may choose from. A standby router is told
//! for nothing. Where several rules speak, one that lets is enough:
//!
//! - a peer is told if a grant's source names one of the two and its destination the other, where a
//!   router stands for its subnets too: so whoever may reach a host behind it is known to it;
//! - a route is told if a grant lets the reader go there, or lets hosts there come to the reader or
//!   to a subnet of the reader's, for the answers' sake; and a router is told of the primary of a
//!   prefix that it has itself. Its router is then a peer, whatever else is told of it;
//! - exit nodes are told to whom `autogroup:internet`, `*` or a default route is granted;
//! - where only grants with `via` lead to a route, its router is the primary of that view: one with
//!   the tag, and well if any is. A grant without `via` beside them means the primary of all.
//!
//! **One map for many readers.** What a node is told follows from its [`Class`] alone: which grants
//! it stands in, on which side, and which prefixes it shares with other routers. Readers of one class share one map,
//! made and encoded once; so it may name its reader, who passes over itself. A failover is worked
//! out by [`Mapper::moved`] from the prefixes that a commit changed, once a class.
//!
//! A mapper is made anew when nodes or the policy change, which looks at each node once a selector.
//! A failover touches it not at all, and a session that begins only the endpoints of its node.

mod class;
mod delta;
mod grants;
mod mapper;

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_route::{NodeId, Prefix};

use crate::NodeName;

pub use class::Class;
pub use delta::Delta;
pub use grants::Network;
pub use mapper::Mapper;

/// A node as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: NodeName,
    /// Its addresses in the mesh.
    pub addresses: Vec<IpAddr>,
    /// Where its packets are sent to on the underlay, the best first: those of its last session.
    pub endpoints: Vec<IpAddr>,
}

/// For which families a node is an exit node; one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    /// For IPv4.
    pub v4: bool,
    /// For IPv6.
    pub v6: bool,
}

/// What the readers of a class are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkMap {
    /// Peers; the reader itself may be among them.
    pub peers: BTreeMap<NodeId, Peer>,
    /// The router of each prefix: a peer.
    pub routes: BTreeMap<Prefix, NodeId>,
    /// Exit nodes to choose from: peers.
    pub exits: BTreeMap<NodeId, Exit>,
}
