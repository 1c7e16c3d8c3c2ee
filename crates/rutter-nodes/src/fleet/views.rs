//! What people look at.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use rutter_rib::Table;
use rutter_route::{NodeId, Now, ParseError, Prefix, Wall};

use super::state::State;
use super::{Fleet, FleetError, Inner};
use crate::{Node, NodeName, RouteRow};

/// How many nodes are looked at in one visit to the owner of the book.
const AT_ONCE: usize = 64;

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
        let wanted = of.clone();
        let found = self.0.look(move |state, table, now| {
            let node = match &wanted {
                NodeRef::Id(id) => state.nodes.get(*id),
                NodeRef::Name(name) => state.nodes.by_name(name),
            };
            node.map(|node| view(state, table, now, node))
        });
        let name = || match of {
            NodeRef::Id(id) => id.0.to_string(),
            NodeRef::Name(name) => name.to_string(),
        };
        let unknown = || FleetError::NotFound { what: "node", name: name() };
        Ok(self.0.with_map(found.await?.ok_or_else(unknown)?))
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
        let mut views: Vec<NodeView> = Vec::new();
        let mut after = after;
        while views.len() < limit {
            let n = (limit - views.len()).min(AT_ONCE);
            let page = self.0.look(move |state, table, now| {
                let behind = state.nodes.behind(after).take(n);
                behind.map(|node| view(state, table, now, node)).collect::<Vec<_>>()
            });
            let page = page.await?;
            let is_last = page.len() < n;
            after = page.last().map(|view| view.node.id).or(after);
            views.extend(page.into_iter().map(|view| self.0.with_map(view)));
            if is_last {
                break;
            }
        }
        Ok(views)
    }

    /// Moves of primaries, the latest first: of a prefix, or of all.
    pub fn moves(&self, prefix: Option<&Prefix>, limit: usize) -> Vec<Moved> {
        self.0.moves.latest(prefix, limit)
    }

    /// How many moves of primaries there were since the start.
    pub fn n_moves(&self) -> u64 {
        self.0.moves.n_total()
    }

    /// How many snapshots and changes of maps nodes were told since the start, by their parts.
    pub fn n_maps_told(&self) -> u64 {
        self.0.maps.n_told()
    }
}

impl Inner {
    fn with_map(&self, view: NodeView) -> NodeView {
        NodeView { map: self.maps.numbers(view.node.id), ..view }
    }
}

fn view(state: &State, table: &Table<Prefix>, now: Now, node: &Node) -> NodeView {
    let presence = state.presence.get(&node.id).copied().unwrap_or_default();
    NodeView {
        online: presence.online,
        since: presence.since,
        endpoints: state.endpoints.get(&node.id).cloned().unwrap_or_default(),
        draining: table.decisions(&node.source(), None).drain.is_some(),
        expired: node.is_expired(now.wall),
        map: None,
        rows: state.nodes.rows_of(table, node.id),
        node: node.clone(),
    }
}
