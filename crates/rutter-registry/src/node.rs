//! Nodes: who they are, and what must last of each.
//!
//! Their numbers are given in the order in which they come, and never again, so "the oldest" is "the
//! lowest" as long as there are nodes. A row of a route has a number of its own, under the same rule.
//!
//! **One key, one speaker.** A node's key is refused for a member or an agent that enrols, and theirs
//! for a node; see [`Members`](crate::Members).
//!
//! What is kept of deleted nodes and rows is their end in the [`Audit`](crate::Audit), which has a
//! bound of its own, and that their numbers are gone.

use std::net::IpAddr;

use async_trait::async_trait;
use rutter_route::{
    Incarnation, NodeId, OwnerId, Prefix, SourceId, SourceInfo, Tag, Tags, Wall, Word,
};

use crate::text_type::text_type;
use crate::{Page, PublicKey, Result, RouteRow, RowId, TokenSecret};

/// The most nodes that are kept. One more is refused.
pub const MAX_NODES: usize = 100_000;

text_type! {
    /// What a node is called: a DNS label (RFC 1123 2.1), in lower case.
    NodeName, "node name", "a DNS label: 1 to 63 of `a-z0-9-`, no `-` at its ends", |text| {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
}

text_type! {
    /// A user of nodes, as policy writes it: always with an `@`. An account without one (`alice`) is
    /// written with it at the end (`alice@`), an address (`ann@example.com`) as it is.
    UserName, "user", "a user has an `@`: `alice@` or `ann@example.com`; at most 254 letters, digits \
    or any of `-_.+` beside it", |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        text.len() <= UserName::MAX_LEN && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && name.chars().all(allowed) && domain.chars().all(allowed)
        })
    }
}

impl UserName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 254;

    /// The owner that a table counts the user's routes by.
    pub fn owner(&self) -> OwnerId {
        #[allow(clippy::expect_used, reason = "the constructor allows fewer characters, and less")]
        self.as_str().parse().expect("a user's name is an owner's")
    }
}

/// Whose a node is.
///
/// A tag takes the user's place: what a user may do, its tagged nodes may not by that, so a server
/// doesn't hold the rights of whoever installed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A user.
    User(UserName),
    /// Nobody: it is what its tags say, at least one.
    Tags(Tags),
}

impl Owner {
    /// Whether it holds the tag.
    pub fn holds(&self, tag: &Tag) -> bool {
        matches!(self, Self::Tags(tags) if tags.contains(tag))
    }

    /// The user, unless it is tagged.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::User(user) => Some(user),
            Self::Tags(_) => None,
        }
    }
}

/// A node of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number. Numbers are given in the order in which nodes come, and never again: the lowest
    /// is the oldest.
    pub id: NodeId,
    /// Its Ed25519 key, its own alone.
    pub key: PublicKey,
    /// Its name, its own alone.
    pub name: NodeName,
    /// Whose it is.
    pub owner: Owner,
    /// Its addresses in the mesh, its own alone.
    pub addresses: Vec<IpAddr>,
    /// When it came.
    pub created: Wall,
    /// From when on its key isn't taken any more.
    pub expiry: Option<Wall>,
    /// It is collected when it has been away for a while.
    pub ephemeral: bool,
}

impl Node {
    /// The source that it is in the table `nodes`.
    pub fn source(&self) -> SourceId {
        SourceId::node(self.id.0)
    }

    /// What import policy matches on. A tagged node has no owner: its routes are bounded by the
    /// bound of a source alone.
    pub fn info(&self) -> SourceInfo {
        let (owner, tags) = match &self.owner {
            Owner::User(user) => (Some(user.owner()), Tags::default()),
            Owner::Tags(tags) => (None, tags.clone()),
        };
        SourceInfo { owner, tags, ..SourceInfo::default() }
    }

    /// Whether its key isn't taken any more.
    pub fn is_expired(&self, now: Wall) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }
}

/// What must last of a node, beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Who it is.
    pub node: Node,
    /// Its last session: an older one is refused also after a start.
    pub incarnation: Incarnation,
    /// When its last session began or ended.
    pub last_seen: Option<Wall>,
    /// Where its packets were sent to on the underlay.
    pub endpoints: Vec<IpAddr>,
    /// The word on all its routes: `true` approves, `false` revokes.
    pub approval: Option<Word<bool>>,
    /// How much all its routes are preferred.
    pub preference: Option<Word<u32>>,
    /// The word that all its routes are to be used last.
    pub drain: Option<Word<()>>,
}

/// One of the writes that are made together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeWrite {
    /// A node, new or in the place of what was kept of it.
    Node(Box<NodeRecord>),
    /// A row, new or in the place of what was kept of it.
    Row(Box<RouteRow>),
    /// A row goes.
    RowGone(NodeId, Prefix),
    /// A node goes, with all its rows.
    NodeGone(NodeId),
}

/// The numbers that were given last; 0: none was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeNumbers {
    /// Of nodes.
    pub node: NodeId,
    /// Of rows.
    pub row: RowId,
}

/// Nodes and the rows of their routes, wherever they are stored.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// The numbers that were given last, to nodes and rows that are gone too.
    async fn node_numbers(&self) -> Result<NodeNumbers>;

    /// Nodes, oldest first.
    async fn nodes(&self, page: Page<NodeId>) -> Result<Vec<NodeRecord>>;

    /// Rows of all nodes, by their numbers.
    async fn route_rows(&self, page: Page<RowId>) -> Result<Vec<RouteRow>>;

    /// Writes in this order: all of it or nothing. A row of a node that is gone changes nothing, so
    /// what is late does no harm.
    ///
    /// # Errors
    /// [`KeyTaken`](crate::Error::KeyTaken) by another node, a member or a user;
    /// [`NotFound`](crate::Error::NotFound) of a node's user; [`Bound`](crate::Error::Bound) over
    /// [`MAX_NODES`].
    async fn write_nodes(&self, writes: Vec<NodeWrite>) -> Result<()>;

    /// Uses a pre-auth key for a node, a new one or one whose key had expired: all of it or nothing,
    /// so what is refused leaves a single-use key unused.
    ///
    /// # Errors
    /// [`Token`](crate::Error::Token) when the pre-auth key opens nothing or is for another role,
    /// those of [`Nodes::write_nodes`].
    async fn enrol_node(&self, now: Wall, presented: &TokenSecret, node: NodeRecord) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_policy_writes() {
        for good in ["alice@", "ann@example.com", "a.b+c-d_e@"] {
            assert_eq!(good.parse::<UserName>().unwrap().to_string(), good);
            assert_eq!(good.parse::<UserName>().unwrap().owner().as_str(), good);
        }
        for bad in ["alice", "@", "@x", "a@b@c", "a b@", "ä@", &format!("{}@", "a".repeat(254))] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        assert_eq!("router-1".parse::<NodeName>().unwrap().as_str(), "router-1");
    }
}
