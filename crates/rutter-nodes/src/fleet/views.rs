//! What people look at.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::{NodeId, ParseError, Prefix, Wall};

use super::{Fleet, FleetError};
use crate::{Node, NodeName, RouteRow};

/// A node by its number or its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRef {
    /// By number.
    Id(NodeId),
    /// By name.
    Name(NodeName),
}

impl FromStr for NodeRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse() {
            Ok(number) => Ok(Self::Id(NodeId(number))),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

/// A node, as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Who it is.
    pub node: Node,
    /// It has a session.
    pub online: bool,
    /// When its session began or ended; `None`: it never had one.
    pub since: Option<Wall>,
    /// Where its packets are sent to on the underlay.
    pub endpoints: Vec<IpAddr>,
    /// It is drained as a whole.
    pub draining: bool,
    /// Its key has expired.
    pub expired: bool,
    /// The map that it was told last and the one that it says it uses: equal when it is up to date.
    pub map: Option<(u64, u64)>,
    /// The rows of its routes.
    pub rows: Vec<RouteRow>,
}

/// One move of a primary. Kept in memory, the last 10,000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Of which prefix.
    pub prefix: Prefix,
    /// From whom.
    pub from: Option<NodeId>,
    /// To whom.
    pub to: Option<NodeId>,
    /// When.
    pub at: Wall,
    /// Why, for people: `node 3 is offline: ...`.
    pub why: String,
    /// How long after the cause the table moved; `None`: the cause has no time of its own.
    pub after: Option<Duration>,
    /// How long after the move the last connected node was told; `None`: not yet.
    pub told_in: Option<Duration>,
}

impl Fleet {
    /// A node by number or name.
    ///
    /// # Errors
    /// [`FleetError::NotFound`].
    pub async fn node(&self, of: &NodeRef) -> Result<NodeView, FleetError> {
        let _ = of;
        todo!("H1")
    }

    /// Nodes in the order of their numbers, behind `after`.
    ///
    /// # Errors
    /// The book is closed.
    pub async fn nodes(
        &self,
        after: Option<NodeId>,
        limit: usize,
    ) -> Result<Vec<NodeView>, FleetError> {
        let _ = (after, limit);
        todo!("H1")
    }

    /// Moves of primaries, the latest first: of a prefix, or of all.
    pub fn moves(&self, prefix: Option<&Prefix>, limit: usize) -> Vec<Moved> {
        let _ = (prefix, limit);
        todo!("H1")
    }
}
