//! The nodes of an installation, and the rows of their routes.
//!
//! ```text
//!   session ── connect, announce, disconnect ─┐
//!   people ─── approve, revoke ───────────────┼─▶ table `nodes` ─▶ rows
//!   time ───── expire, remove, restore ───────┘        ▲
//!                                             what it doesn't keep
//! ```
//!
//! The table `nodes` holds the routes, the sessions, the words of people and rules, and who is
//! primary. [`Nodes`] keeps beside it only what a table has no place for: who the nodes are, and of
//! each row its number, its times, and the approval that ended with its last withdrawal. Every call
//! writes to the table and to that at once, so the two can't drift apart; a second copy of what is
//! advertised or enabled was rejected, since the copies of Headscale's eras are its list of bugs.
//!
//! What always holds:
//! - what a node advertises is what its session said last, as a whole ([`Nodes::announce`]); a lost
//!   session is no withdrawal;
//! - a route is enabled by a person or by `autoApprovers`, never by being advertised; a withdrawal
//!   ends the approval unless [`Settings::on_withdraw`](crate::election::Settings) keeps it, and a
//!   revocation outlives it;
//! - both families of an exit route are approved and revoked together;
//! - a node that is removed or expires takes all its routes along in one step: the commit that
//!   follows sees all of them gone.
//!
//! Bounds: [`MAX_NODES`] nodes, [`MAX_ROWS`] rows each; where a node has
//! that many, those that are longest neither advertised nor decided on give way to new ones, and if
//! there are none a new route is refused.

mod ends;
mod rows;
mod session;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;

use rutter_registry::PublicKey;
use rutter_rib::Table;
use rutter_route::{NodeId, Now, Prefix, Refused, SourceState, Wall};

use crate::NodeName;
use crate::RowId;
use crate::election::{MAX_NODES, MAX_ROUTES};
use crate::row::{Kept, Seen};
use crate::{Node, Owner};

pub use ends::StoredNode;
pub use session::Announced;
pub use words::Approved;
pub(crate) use words::families;

/// The most rows of one node, those of routes that it doesn't advertise among them.
pub const MAX_ROWS: usize = 2 * MAX_ROUTES;

/// What can't be done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodesError {
    /// There is no such node.
    #[error("there is no node {}", .0.0)]
    Unknown(NodeId),
    /// Its number was given before, so "oldest" would not be "lowest".
    #[error("node {} is below the next number, {}", is.0, next.0)]
    Number {
        /// The number it came with.
        is: NodeId,
        /// The next.
        next: NodeId,
    },
    /// Another node has that name, key or address.
    #[error("node {} has the {what} `{value}` already", by.0)]
    Taken {
        /// Who.
        by: NodeId,
        /// `name`, `key` or `address`.
        what: &'static str,
        /// Which.
        value: String,
    },
    /// Its key has expired.
    #[error("the key of node {} has expired", .0.0)]
    Expired(NodeId),
    /// It doesn't advertise the prefix, and the approval was not meant to wait.
    #[error("node {} doesn't advertise {prefix}", node.0)]
    NotAdvertised {
        /// Which node.
        node: NodeId,
        /// Which prefix.
        prefix: Prefix,
    },
    /// It advertises the prefix, so there is a row of it.
    #[error("node {} advertises {prefix}: revoke it instead", node.0)]
    Advertised {
        /// Which node.
        node: NodeId,
        /// Which prefix.
        prefix: Prefix,
    },
    /// There are as many as there may be.
    #[error("there are {bound} {what} already")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        bound: usize,
    },
    /// The table refused the session.
    #[error("{0}")]
    Refused(Refused),
}

/// A node and what is kept of its rows.
#[derive(Debug)]
struct Member {
    node: Node,
    rows: BTreeMap<Prefix, Kept>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Nodes {
    members: BTreeMap<NodeId, Member>,
    names: BTreeMap<NodeName, NodeId>,
    keys: BTreeMap<PublicKey, NodeId>,
    addresses: BTreeMap<IpAddr, NodeId>,
    expiries: BTreeSet<(Wall, NodeId)>,
    last_node: u64,
    last_row: u64,
    /// Rows that gave way to others, until they are asked for.
    given_way: Vec<(NodeId, Prefix)>,
}

impl Nodes {
    /// No nodes. The numbers are the last that were ever given, 0 for none: they are kept apart from
    /// the nodes, so that the youngest's isn't given again after it is gone.
    pub fn new(last_node: NodeId, last_row: RowId) -> Self {
        Self { last_node: last_node.0, last_row: last_row.0, ..Self::default() }
    }

    /// The number of the next node.
    pub fn next_id(&self) -> NodeId {
        NodeId(self.last_node + 1)
    }

    /// The number that a row got last.
    pub fn last_row(&self) -> RowId {
        RowId(self.last_row)
    }

    /// A node comes.
    ///
    /// # Errors
    /// Its number is below the next, or its name, key or an address is another's, or there are
    /// [`MAX_NODES`] nodes.
    pub fn add(&mut self, node: Node) -> Result<(), NodesError> {
        if node.id < self.next_id() {
            return Err(NodesError::Number { is: node.id, next: self.next_id() });
        }
        self.insert(node)
    }

    fn insert(&mut self, node: Node) -> Result<(), NodesError> {
        if self.members.len() >= MAX_NODES {
            return Err(NodesError::TooMany { what: "nodes", bound: MAX_NODES });
        }
        let taken = |by: Option<&NodeId>, what, value: String| match by {
            Some(by) => Err(NodesError::Taken { by: *by, what, value }),
            None => Ok(()),
        };
        taken(
            self.members.get_key_value(&node.id).map(|(id, _)| id),
            "number",
            node.id.0.to_string(),
        )?;
        taken(self.names.get(&node.name), "name", node.name.to_string())?;
        taken(self.keys.get(&node.key), "key", node.key.to_string())?;
        for address in &node.addresses {
            taken(self.addresses.get(address), "address", address.to_string())?;
        }
        let id = node.id;
        self.last_node = self.last_node.max(id.0);
        self.names.insert(node.name.clone(), id);
        self.keys.insert(node.key, id);
        self.addresses.extend(node.addresses.iter().map(|a| (*a, id)));
        self.expiries.extend(node.expiry.map(|at| (at, id)));
        self.members.insert(id, Member { node, rows: BTreeMap::new() });
        Ok(())
    }

    /// A node, by its number.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.members.get(&id).map(|m| &m.node)
    }

    /// A node, by its key.
    pub fn by_key(&self, key: &PublicKey) -> Option<&Node> {
        self.get(*self.keys.get(key)?)
    }

    /// A node, by its name.
    pub fn by_name(&self, name: &NodeName) -> Option<&Node> {
        self.get(*self.names.get(name)?)
    }

    /// All nodes, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.members.values().map(|m| &m.node)
    }

    /// Nodes behind a number, oldest first.
    pub fn behind(&self, after: Option<NodeId>) -> impl Iterator<Item = &Node> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.members.range((from, Bound::Unbounded)).map(|(_, m)| &m.node)
    }

    /// Rows that gave way to others since this was last asked: what is stored of them goes too.
    pub fn take_given_way(&mut self) -> Vec<(NodeId, Prefix)> {
        std::mem::take(&mut self.given_way)
    }

    /// Whether an address is a node's.
    pub fn has_address(&self, address: &IpAddr) -> bool {
        self.addresses.contains_key(address)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A node gets another name.
    ///
    /// # Errors
    /// It is unknown, or the name is another's.
    pub fn rename(&mut self, id: NodeId, name: NodeName) -> Result<(), NodesError> {
        if let Some(by) = self.names.get(&name).filter(|by| **by != id) {
            return Err(NodesError::Taken { by: *by, what: "name", value: name.to_string() });
        }
        let member = self.members.get_mut(&id).ok_or(NodesError::Unknown(id))?;
        self.names.remove(&member.node.name);
        self.names.insert(name.clone(), id);
        member.node.name = name;
        Ok(())
    }

    /// A node is another's, or tagged: rules look at its routes again. One that is away is known to
    /// the table as what it was until its next session, and none of its routes is used before.
    ///
    /// # Errors
    /// It is unknown, or the table refuses.
    pub fn set_owner(
        &mut self,
        now: Now,
        table: &mut Table<Prefix>,
        id: NodeId,
        owner: Owner,
    ) -> Result<(), NodesError> {
        let member = self.members.get_mut(&id).ok_or(NodesError::Unknown(id))?;
        member.node.owner = owner;
        let source = member.node.source();
        if let Some(session) = table.session_of(&source).filter(|_| table.speaks(&source)) {
            let up = SourceState::Up(member.node.info());
            table.source(now, &session, up).map_err(NodesError::Refused)?;
        }
        Ok(())
    }

    /// From when on a node's key isn't taken any more; `None`: never. One that is due takes effect
    /// with [`Nodes::expire`].
    ///
    /// # Errors
    /// It is unknown.
    pub fn set_expiry(&mut self, id: NodeId, expiry: Option<Wall>) -> Result<(), NodesError> {
        let member = self.members.get_mut(&id).ok_or(NodesError::Unknown(id))?;
        if let Some(old) = member.node.expiry {
            self.expiries.remove(&(old, id));
        }
        member.node.expiry = expiry;
        self.expiries.extend(expiry.map(|at| (at, id)));
        Ok(())
    }

    /// When the next key expires that hasn't yet.
    pub fn next_expiry(&self) -> Option<Wall> {
        self.expiries.first().map(|(at, _)| *at)
    }

    fn member(&self, id: NodeId) -> Result<&Member, NodesError> {
        self.members.get(&id).ok_or(NodesError::Unknown(id))
    }

    fn take_row_id(last_row: &mut u64) -> RowId {
        *last_row += 1;
        RowId(*last_row)
    }
}

impl Kept {
    fn new(id: RowId, now: Now) -> Self {
        let at = now.wall;
        Self { id, created: at, updated: at, was_enabled: None, seen: Seen::default() }
    }
}
