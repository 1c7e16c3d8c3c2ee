//! Nodes.

use std::net::IpAddr;

use rutter_registry::PublicKey;
use rutter_route::{NodeId, ParseError, SourceId, SourceInfo, Tag, Tags, Wall};

use crate::names::{NodeName, UserName, is_word};

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
    /// Its Ed25519 key.
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

/// Reads a tag as policy writes it: `tag:NAME`. The prefix is part of the tag.
///
/// # Errors
/// Anything else.
pub fn parse_tag(text: &str) -> Result<Tag, ParseError> {
    if !text.strip_prefix("tag:").is_some_and(is_word) {
        return Err(ParseError::new("tag", text, "`tag:` and 1 to 63 of `a-zA-Z0-9-_.`"));
    }
    text.parse()
}

/// The node that a source is, if it is one.
pub(crate) fn node_of(source: &SourceId) -> Option<NodeId> {
    let is_node = source.kind() == rutter_route::SourceKind::Node;
    is_node.then(|| source.name().parse().ok().map(NodeId)).flatten()
}
