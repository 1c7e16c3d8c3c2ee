//! Making maps. See the head of [`crate::map`].

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rutter_rib::{Page, Table, ViewId};
use rutter_route::{NodeId, Prefix, Tags, ViewName, Wall};

use crate::election;
use crate::nodes::Nodes;
use crate::policy::Access;
use crate::{Node, Owner};

use super::delta::difference;
use super::grants::{Addresses, Network, Resolved, Side, Via};
use super::{Class, Delta, Exit, NetworkMap, Peer};

/// A node as a mapper knows it.
#[derive(Debug)]
struct Known {
    peer: Peer,
    tags: Tags,
}

/// Who may be told of what, resolved for the nodes there are.
#[derive(Debug)]
pub struct Mapper {
    is_open: bool,
    grants: Vec<Resolved>,
    known: BTreeMap<NodeId, Known>,
    addresses: Addresses,
}

impl Mapper {
    /// Resolves a policy for the nodes there are. Nodes whose key has expired are nobody's peers.
    /// The table has the views of [`Access::views`]; without its view a grant with `via` leads
    /// nowhere.
    pub fn new(now: Wall, nodes: &Nodes, access: &Access, table: &Table<Prefix>) -> Self {
        Self::resolve(now, nodes.iter(), access, &|name| table.view(name))
    }

    /// As [`Mapper::new`], away from the table: `view` says which view of it has a name.
    pub fn resolve<'n>(
        now: Wall,
        nodes: impl Iterator<Item = &'n Node>,
        access: &Access,
        view: &dyn Fn(&ViewName) -> Option<ViewId>,
    ) -> Self {
        let there: Vec<&Node> = nodes.filter(|node| !node.is_expired(now)).collect();
        let known = |node: &&Node| {
            let tags = match &node.owner {
                Owner::Tags(tags) => tags.clone(),
                Owner::User(_) => Tags::default(),
            };
            let (name, addresses) = (node.name.clone(), node.addresses.clone());
            let peer = Peer { name, addresses, endpoints: Vec::new() };
            (node.id, Known { peer, tags })
        };
        Self {
            is_open: *access == Access::Open,
            grants: access.grants().iter().map(|g| Resolved::new(g, &there, view)).collect(),
            known: there.iter().map(known).collect(),
            addresses: Addresses::new(&there),
        }
    }

    /// Where a node's packets are sent to on the underlay from now on; nothing of a node that isn't
    /// known.
    pub fn set_endpoints(&mut self, id: NodeId, endpoints: Vec<IpAddr>) {
        if let Some(known) = self.known.get_mut(&id) {
            known.peer.endpoints = endpoints;
        }
    }

    /// Nodes of which this mapper and one of the same policy and another roster think otherwise: those
    /// that only one of the two knows, whose tags or addresses differ, or that other grants name.
    pub fn unlike(&self, other: &Self) -> BTreeSet<NodeId> {
        let mut unlike = BTreeSet::new();
        for (id, known) in &self.known {
            let same = other.known.get(id).is_some_and(|there| {
                there.tags == known.tags && there.peer.addresses == known.peer.addresses
            });
            if !same {
                unlike.insert(*id);
            }
        }
        unlike.extend(other.known.keys().filter(|id| !self.known.contains_key(id)));
        for (one, another) in self.grants.iter().zip(&other.grants) {
            unlike.extend(one.src.nodes.symmetric_difference(&another.src.nodes));
            unlike.extend(one.dst.nodes.symmetric_difference(&another.dst.nodes));
        }
        unlike
    }

    /// A class's map under this mapper, where it was `before` under one of the same policy and another
    /// roster. Routes and exits are as they were until they are brought; see [`Mapper::unlike`].
    pub fn over(&self, class: &Class, before: &NetworkMap) -> NetworkMap {
        let mut map = self.without_routes(class);
        map.routes.clone_from(&before.routes);
        map.exits.clone_from(&before.exits);
        let served: BTreeSet<NodeId> =
            map.routes.values().copied().chain(map.exits.keys().copied()).collect();
        for id in served {
            if let Some(known) = self.known.get(&id) {
                map.peers.entry(id).or_insert_with(|| known.peer.clone());
            }
        }
        map
    }

    /// The class of a reader, as of the table's last commit. `None`: it is no node, or its key has
    /// expired.
    pub fn class_of(&self, nodes: &Nodes, table: &Table<Prefix>, id: NodeId) -> Option<Class> {
        self.known.get(&id)?;
        if self.is_open {
            return Some(Class::default());
        }
        let rows = nodes.rows_of(table, id);
        let enabled: Vec<Prefix> =
            rows.iter().filter(|row| row.enabled).map(|row| row.prefix).collect();
        let subnets = enabled.iter().filter(|p| !p.is_default());
        let own: Vec<Network> = subnets.map(|p| self.addresses.network(p)).collect();
        let is_exit = own.len() < enabled.len();
        let mut class = Class::default();
        for (at, grant) in self.grants.iter().enumerate() {
            let behind = |side: &Side| own.iter().any(|network| side.overlaps(network));
            let leads = grant.via.as_ref().is_none_or(|via| self.holds(id, via));
            let serves = || behind(&grant.dst) || (is_exit && grant.dst.internet);
            if grant.src.nodes.contains(&id) || behind(&grant.src) {
                class.src.push(at);
            }
            if grant.dst.nodes.contains(&id) || (leads && serves()) {
                class.dst.push(at);
            }
        }
        let is_led = |network: &Network| self.view_for(&class, network) == Some(ViewId::DEFAULT);
        let is_shared = |network: &Network| table.candidates(&network.prefix).len() > 1;
        let own = own.iter().filter(|network| is_shared(network) && !is_led(network));
        let own = own.map(|network| network.prefix).collect();
        Some(Class { own, ..class })
    }

    /// The map of a class, from nothing. `networks` are those of the table, see
    /// [`Mapper::networks`].
    pub fn map(&self, table: &Table<Prefix>, class: &Class, networks: &[Network]) -> NetworkMap {
        let mut map = self.without_routes(class);
        self.bring(table, class, &mut map, networks);
        map
    }

    /// The map of a class before any route is brought into it.
    pub fn without_routes(&self, class: &Class) -> NetworkMap {
        let seen = self.known.iter().filter(|(id, _)| self.sees(class, **id));
        let peers = seen.map(|(id, known)| (*id, known.peer.clone())).collect();
        NetworkMap { peers, ..NetworkMap::default() }
    }

    /// A prefix with what is to be known of it to decide who reaches it.
    pub fn network(&self, prefix: &Prefix) -> Network {
        self.addresses.network(prefix)
    }

    /// Every prefix of the table, in order: worked out once for the maps of all classes.
    pub fn networks(&self, table: &Table<Prefix>) -> Vec<Network> {
        let mut page = Page::new(None, usize::MAX);
        while !page.gather(table, rutter_rib::SLICE, |_| true).is_done() {}
        page.into_sorted().iter().map(|prefix| self.addresses.network(prefix)).collect()
    }

    /// Brings a map of a class up to date with a commit that changed `prefixes`, in whatever view,
    /// and says what is to be told. The costs are in proportion to them.
    pub fn moved(
        &self,
        table: &Table<Prefix>,
        class: &Class,
        map: &mut NetworkMap,
        prefixes: &[Prefix],
    ) -> Delta {
        let networks: Vec<Network> = prefixes.iter().map(|p| self.addresses.network(p)).collect();
        self.bring(table, class, map, &networks)
    }

    /// Brings into a map what has changed of these nodes themselves, and says what is to be told.
    pub fn renewed(&self, map: &mut NetworkMap, nodes: &BTreeSet<NodeId>) -> Delta {
        let mut delta = Delta::default();
        for id in nodes {
            let (Some(told), Some(known)) = (map.peers.get_mut(id), self.known.get(id)) else {
                continue;
            };
            if *told != known.peer {
                told.clone_from(&known.peer);
                delta.peers.insert(*id, Some(known.peer.clone()));
            }
        }
        delta
    }

    /// As [`Mapper::moved`], of networks that were looked up before: once for many classes.
    pub fn bring<N: Borrow<Network>>(
        &self,
        table: &Table<Prefix>,
        class: &Class,
        map: &mut NetworkMap,
        networks: &[N],
    ) -> Delta {
        let networks = || networks.iter().map(Borrow::borrow);
        let mut delta = Delta::default();
        for network in networks().filter(|n| !n.prefix.is_default()) {
            let new = self.router(table, class, network);
            if map.routes.get(&network.prefix).copied() != new {
                delta.routes.insert(network.prefix, new);
            }
        }
        if networks().any(|n| n.prefix.is_default()) {
            delta.exits = difference(&map.exits, &self.exits(table, class));
        }
        // Who loses a route or the exit may be a peer no more; that is looked at when all is in.
        let losers = delta.routes.keys().filter_map(|p| map.routes.get(p).copied());
        let losers: BTreeSet<NodeId> = losers.chain(delta.exits.keys().copied()).collect();
        map.apply(&delta);
        let exits = delta.exits.iter().filter_map(|(id, exit)| exit.map(|_| *id));
        let winners: BTreeSet<NodeId> =
            delta.routes.values().flatten().copied().chain(exits).collect();
        for id in winners {
            if let (false, Some(known)) = (map.peers.contains_key(&id), self.known.get(&id)) {
                map.peers.insert(id, known.peer.clone());
                delta.peers.insert(id, Some(known.peer.clone()));
            }
        }
        for id in losers {
            if map.peers.contains_key(&id) && !self.stays_peer(class, map, id) {
                map.peers.remove(&id);
                delta.peers.insert(id, None);
            }
        }
        delta
    }

    fn stays_peer(&self, class: &Class, map: &NetworkMap, id: NodeId) -> bool {
        self.sees(class, id)
            || map.exits.contains_key(&id)
            || map.routes.values().any(|router| *router == id)
    }

    /// Whether readers of a class are told of a node whatever routes it has.
    fn sees(&self, class: &Class, id: NodeId) -> bool {
        self.is_open
            || self.of(&class.src).any(|grant| grant.dst.nodes.contains(&id))
            || self.of(&class.dst).any(|grant| grant.src.nodes.contains(&id))
    }

    fn of<'c>(&'c self, places: &'c [usize]) -> impl Iterator<Item = &'c Resolved> {
        places.iter().filter_map(|at| self.grants.get(*at))
    }

    /// The router that readers of a class are told for a prefix. A node that isn't known is gone or
    /// expired, and is told for nothing.
    fn router(&self, table: &Table<Prefix>, class: &Class, to: &Network) -> Option<NodeId> {
        let view = self.view_for(class, to)?;
        election::primary(table, &to.prefix, view).filter(|id| self.known.contains_key(id))
    }

    /// By which view readers of a class reach a prefix, if they may.
    fn view_for(&self, class: &Class, network: &Network) -> Option<ViewId> {
        let leads_there = |grant: &&Resolved| grant.dst.overlaps(network);
        let is_plain = |grant: &&Resolved| grant.via.is_none();
        if self.is_open
            || class.own.binary_search(&network.prefix).is_ok()
            || self.of(&class.src).filter(is_plain).any(|grant| leads_there(&grant))
            || self.of(&class.dst).any(|grant| grant.src.overlaps(network))
        {
            return Some(ViewId::DEFAULT);
        }
        let mut by_tags = self.of(&class.src).filter(|grant| grant.via.is_some());
        by_tags.find(leads_there).and_then(|grant| grant.via.as_ref()?.view)
    }

    /// The exit nodes that readers of a class may use.
    fn exits(&self, table: &Table<Prefix>, class: &Class) -> BTreeMap<NodeId, Exit> {
        let mut exits: BTreeMap<NodeId, Exit> = BTreeMap::new();
        for family in [Prefix::DEFAULT_V4, Prefix::DEFAULT_V6] {
            for id in election::exit_nodes(table, &family) {
                if self.may_exit_by(class, id) {
                    let exit = exits.entry(id).or_default();
                    exit.v4 |= family.is_v4();
                    exit.v6 |= !family.is_v4();
                }
            }
        }
        exits
    }

    fn may_exit_by(&self, class: &Class, id: NodeId) -> bool {
        if !self.known.contains_key(&id) {
            return false;
        }
        let leads = |grant: &Resolved| grant.via.as_ref().is_none_or(|via| self.holds(id, via));
        let mut ways = self.of(&class.src).filter(|grant| grant.dst.internet);
        self.is_open || ways.any(leads)
    }

    fn holds(&self, id: NodeId, via: &Via) -> bool {
        let tags = self.known.get(&id).map(|known| &known.tags);
        tags.is_some_and(|tags| via.tags.iter().any(|tag| tags.contains(tag)))
    }
}
