//! From a network map to the routes of this host's kernel. Pure.
//!
//! Taken is what a node may follow without harm to itself. Passed over, with a reason, is:
//! - what no router can lead to, such as addresses of one link;
//! - what lies in a network that this host is in, or that it advertises itself: it has a way there
//!   already, and a router that sent its own LAN's packets to another router would make a circle;
//! - what would take along the way to the controller or to a router, unless this host has a way of
//!   its own there that says more. Without that a map could cut off the one who must mend it.
//!
//! Everywhere else leads by an exit node as two halves, `0.0.0.0/1` and `128.0.0.0/1`: they go before
//! the host's own default route and leave it where it is, so nothing has to be put back, also if
//! nobody is left to do it. A rule and a table of its own, the way of those who carry packets in
//! tunnels, needs a mark on each socket that must not go that way; here routers are neighbours, so the
//! only way to protect is the controller's, and that one is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rutter_kernel::{Hop, HopSet, Target, Wanted};
use rutter_link::MapPeer;
use rutter_route::{NodeId, Prefix};

use super::told::Told;

/// The kernel's priority of our routes: the operator's, which have less unless they say otherwise,
/// go before those of the same prefix.
const PRIORITY: u32 = 500;

/// Of which host, and what it wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Here {
    /// Its number.
    pub(super) id: Option<NodeId>,
    /// What it advertises, default routes excepted.
    pub(super) advertised: BTreeSet<Prefix>,
    /// The networks that it is in.
    pub(super) connected: BTreeSet<Prefix>,
    /// Other prefixes to which its operator has put routes.
    pub(super) fixed: BTreeSet<Prefix>,
    /// Where its controller is.
    pub(super) controller: Vec<IpAddr>,
    pub(super) accepts_routes: bool,
    pub(super) exit_node: Option<String>,
}

/// What comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// Where each prefix leads.
    pub(super) routes: BTreeMap<Prefix, IpAddr>,
    /// What was told and isn't used, and why.
    pub(super) passed_over: BTreeMap<Prefix, String>,
}

impl Ways {
    /// The same for the kernel.
    pub(super) fn wanted(&self) -> BTreeMap<Prefix, Wanted> {
        let wanted = |via: &IpAddr| Wanted {
            target: Target::Via(HopSet::of(Hop::via(*via))),
            priority: PRIORITY,
        };
        self.routes.iter().map(|(prefix, via)| (*prefix, wanted(via))).collect()
    }
}

/// Works out which routes a host uses of what it was told.
pub(super) fn ways(told: &Told, here: &Here) -> Ways {
    let mut ways = Ways::default();
    let protected = protected(told, here);
    if here.accepts_routes {
        for (prefix, router) in &told.routes {
            if Some(*router) == here.id {
                continue;
            }
            ways.take(*prefix, way(told, here, prefix, *router));
        }
        // From their side, since there are fewer of them than of routes.
        for one in &protected {
            for prefix in one.all() {
                if ways.routes.remove(&prefix).is_some() {
                    ways.passed_over.insert(prefix, one.why());
                }
            }
        }
    }
    if let Some(name) = &here.exit_node {
        exit(told, here, name, &protected, &mut ways);
    }
    ways
}

impl Ways {
    fn take(&mut self, prefix: Prefix, leads: Result<IpAddr, String>) {
        match leads {
            Ok(via) => drop(self.routes.insert(prefix, via)),
            Err(why) => drop(self.passed_over.insert(prefix, why)),
        }
    }
}

fn way(told: &Told, here: &Here, prefix: &Prefix, router: NodeId) -> Result<IpAddr, String> {
    if prefix.is_default() {
        return Err("everywhere is led to by an exit node, if one is chosen".into());
    }
    if is_local(prefix) {
        return Err("its addresses mean something else on each link".into());
    }
    if let Some(own) = here.advertised.iter().find(|own| own.contains(prefix)) {
        return Err(format!("this node advertises {own} itself"));
    }
    if let Some(own) = here.connected.iter().find(|own| own.contains(prefix)) {
        return Err(format!("this host is in {own} itself"));
    }
    let peer = told.peers.get(&router);
    let peer = peer.ok_or_else(|| format!("nothing is known of its router, node {}", router.0))?;
    endpoint(peer, here, prefix.is_v4())
}

/// Whether a prefix begins among addresses that no router leads to: loopback, of one link, or of
/// groups.
fn is_local(prefix: &Prefix) -> bool {
    match prefix.address() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

/// Where a peer's packets are sent to: on a network that this host is in, if it is on any.
fn endpoint(peer: &MapPeer, here: &Here, v4: bool) -> Result<IpAddr, String> {
    let of_family = || peer.endpoints.iter().copied().filter(|at| at.is_ipv4() == v4);
    let is_near = |at: &IpAddr| here.connected.iter().any(|own| own.contains_address(*at));
    of_family().find(is_near).or_else(|| of_family().next()).ok_or_else(|| {
        let family = if v4 { "IPv4" } else { "IPv6" };
        format!("its router `{}` has no {family} address on the underlay", peer.name)
    })
}

/// Whose way a prefix would take along.
struct Protected {
    at: IpAddr,
    whose: String,
    /// A prefix as long as this or shorter is no harm: the host has a way of its own that says as
    /// much.
    spared_to: Option<u8>,
}

impl Protected {
    fn would_go_by(&self, prefix: &Prefix) -> bool {
        let spared = self.spared_to.is_some_and(|length| prefix.length() <= length);
        prefix.contains_address(self.at) && !spared
    }

    /// The prefixes by which it may not go, the shortest first.
    fn all(&self) -> impl Iterator<Item = Prefix> {
        let longest = if self.at.is_ipv4() { 32 } else { 128 };
        let lengths = self.spared_to.map_or(0, |length| length + 1)..=longest;
        lengths.filter_map(|length| Prefix::truncated(self.at, length).ok())
    }

    fn why(&self) -> String {
        format!("the way to {} at {} would go there too", self.whose, self.at)
    }
}

/// The controller, and every router that may be used.
fn protected(told: &Told, here: &Here) -> Vec<Protected> {
    let protect = |at: IpAddr, whose: String| {
        let own = here.connected.iter().chain(&here.fixed);
        let own = own.filter(|own| own.contains_address(at) && !own.is_default());
        Protected { at, whose, spared_to: own.map(Prefix::length).max() }
    };
    let controller = here.controller.iter().map(|at| protect(*at, "the controller".into()));
    let routers: BTreeSet<NodeId> =
        told.routes.values().chain(told.exits.keys()).copied().collect();
    let peers =
        routers.iter().filter(|id| Some(**id) != here.id).filter_map(|id| told.peers.get(id));
    let ends = peers.flat_map(|peer| peer.endpoints.iter().map(move |at| (*at, &peer.name)));
    controller.chain(ends.map(|(at, name)| protect(at, format!("`{name}`")))).collect()
}

fn exit(told: &Told, here: &Here, name: &str, protected: &[Protected], ways: &mut Ways) {
    let mut exits = told.exits.iter().filter_map(|(id, exit)| Some((exit, told.peers.get(id)?)));
    let found = exits.find(|(_, peer)| peer.name == name);
    for v4 in [true, false] {
        let all = if v4 { Prefix::DEFAULT_V4 } else { Prefix::DEFAULT_V6 };
        let Some((exit, peer)) = found else {
            let why = format!("`{name}` is no exit node that this node may use now");
            ways.take(all, Err(why));
            continue;
        };
        if !(if v4 { exit.v4 } else { exit.v6 }) {
            continue;
        }
        let halves = halves(v4);
        let goes = |one: &&Protected| halves.iter().any(|half| one.would_go_by(half));
        let spared = protected
            .iter()
            .find(goes)
            .map_or(Ok(()), |one| Err(format!("{}: give that a route of its own", one.why())));
        match spared.and_then(|()| endpoint(peer, here, v4)) {
            Ok(via) => halves.into_iter().for_each(|half| ways.take(half, Ok(via))),
            // Of one half nobody would know what to think.
            Err(why) => ways.take(all, Err(why)),
        }
    }
}

/// Both halves of everywhere.
fn halves(v4: bool) -> Vec<Prefix> {
    let ends: [IpAddr; 2] = match v4 {
        true => [Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(128, 0, 0, 0).into()],
        false => [Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0).into()],
    };
    // Both are prefixes, so nothing is left out.
    ends.into_iter().filter_map(|half| Prefix::new(half, 1).ok()).collect()
}
