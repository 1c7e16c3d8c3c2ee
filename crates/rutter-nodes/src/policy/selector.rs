//! Who and what a rule speaks of.

use std::collections::BTreeSet;

use rutter_route::{Prefix, Tag};

use crate::UserName;
use crate::{Node, Owner};

/// A selector, resolved: a group is its users, a host its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `*`: every node and every network.
    Any,
    /// Untagged nodes of these users.
    Users(BTreeSet<UserName>),
    /// Nodes that hold the tag.
    Tag(Tag),
    /// An address or a network: nodes whose address lies in it, and routes that overlap it.
    Network(Prefix),
    /// `autogroup:internet`: exit nodes, as a destination.
    Internet,
    /// `autogroup:member`: untagged nodes.
    Members,
    /// `autogroup:tagged`: tagged nodes.
    Tagged,
}

impl Selector {
    /// Whether it names the node.
    pub fn names(&self, node: &Node) -> bool {
        match self {
            Self::Any => true,
            Self::Users(users) => node.owner.user().is_some_and(|user| users.contains(user)),
            Self::Tag(tag) => node.owner.holds(tag),
            Self::Network(network) => node.addresses.iter().any(|a| network.contains_address(*a)),
            Self::Internet => false,
            Self::Members => node.owner.user().is_some(),
            Self::Tagged => matches!(node.owner, Owner::Tags(_)),
        }
    }

    /// Whether it names some of a network by itself, whatever nodes there are.
    ///
    /// `autogroup:internet` does not: it stands for the use of exit nodes, and a subnet that happens
    /// to be public is a subnet.
    pub fn names_some_of(&self, network: &Prefix) -> bool {
        match self {
            Self::Any => true,
            Self::Network(named) => named.overlaps(network),
            _ => false,
        }
    }

    /// Whether it lets one out to anywhere: the use of exit nodes.
    pub fn names_the_internet(&self) -> bool {
        match self {
            Self::Any | Self::Internet => true,
            Self::Network(network) => network.is_default(),
            _ => false,
        }
    }
}
