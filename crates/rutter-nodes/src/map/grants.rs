//! Grants with the nodes that they name.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rutter_rib::ViewId;
use rutter_route::{NodeId, Prefix, Tag, ViewName};

use crate::Node;
use crate::policy::{Grant, Selector, via_view};

/// One side of a grant.
#[derive(Debug)]
pub(super) struct Side {
    /// Nodes that it names.
    pub(super) nodes: BTreeSet<NodeId>,
    /// Selectors that may name networks by themselves.
    networks: Vec<Selector>,
    /// It lets one use exit nodes.
    pub(super) internet: bool,
}

impl Side {
    fn new<'s>(selectors: impl Iterator<Item = &'s Selector> + Clone, nodes: &[&Node]) -> Self {
        let names = |node: &&&Node| selectors.clone().any(|s| s.names(node));
        let is_network = |s: &&Selector| matches!(s, Selector::Any | Selector::Network(_));
        Self {
            nodes: nodes.iter().filter(names).map(|node| node.id).collect(),
            networks: selectors.clone().filter(is_network).cloned().collect(),
            internet: selectors.clone().any(Selector::names_the_internet),
        }
    }

    /// Whether it names some of a network: by itself, or by a node whose address lies there.
    pub(super) fn overlaps(&self, network: &Network) -> bool {
        self.networks.iter().any(|s| s.names_some_of(&network.prefix))
            || network.nodes.iter().any(|node| self.nodes.contains(node))
    }
}

/// A grant with the nodes that it names.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) src: Side,
    pub(super) dst: Side,
    pub(super) via: Option<Via>,
}

/// By which routers a grant leads.
#[derive(Debug)]
pub(super) struct Via {
    pub(super) tags: BTreeSet<Tag>,
    /// The view in which they are ranked; `None`: the table has none, and the grant leads nowhere.
    pub(super) view: Option<ViewId>,
}

impl Resolved {
    pub(super) fn new(
        grant: &Grant,
        nodes: &[&Node],
        view: &dyn Fn(&ViewName) -> Option<ViewId>,
    ) -> Self {
        let via = (!grant.via.is_empty())
            .then(|| Via { tags: grant.via.clone(), view: view(&via_view(&grant.via)) });
        Self {
            src: Side::new(grant.src.iter(), nodes),
            dst: Side::new(grant.dst.iter().map(|t| &t.selector), nodes),
            via,
        }
    }
}

/// A prefix, and the nodes whose addresses lie in it: nearly always none.
#[derive(Debug, PartialEq, Eq)]
pub struct Network {
    pub(crate) prefix: Prefix,
    pub(crate) nodes: Vec<NodeId>,
}

/// Every address of a node, in order: which nodes lie in a network is a look at a range.
#[derive(Debug)]
pub(super) struct Addresses(Vec<(Prefix, NodeId)>);

impl Addresses {
    pub(super) fn new(nodes: &[&Node]) -> Self {
        let of = |node: &&Node| {
            let id = node.id;
            let hosts: Vec<Prefix> =
                node.addresses.iter().map(|a: &IpAddr| Prefix::host(*a)).collect();
            hosts.into_iter().map(move |host| (host, id))
        };
        let mut all: Vec<_> = nodes.iter().flat_map(of).collect();
        all.sort_unstable();
        Self(all)
    }

    pub(super) fn network(&self, prefix: &Prefix) -> Network {
        // A prefix stands before the addresses in it, and those stand together.
        let from = self.0.partition_point(|(host, _)| host < prefix);
        let rest = self.0.get(from..).unwrap_or_default();
        let within = rest.iter().take_while(|(host, _)| prefix.contains(host));
        Network { prefix: *prefix, nodes: within.map(|(_, id)| *id).collect() }
    }
}
