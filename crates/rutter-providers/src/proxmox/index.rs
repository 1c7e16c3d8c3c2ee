//! All clusters' nodes and guests, found by address and by name in one step each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rutter_route::HostName;
use smol_str::SmolStr;

use super::inventory::{Guest, GuestKind, Inventory};

/// Where a cluster's API is, and what it has.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// The host of its API.
    pub(super) host: HostName,
    /// The port of its API.
    pub(super) port: u16,
    /// What it has; `None`: it hasn't answered yet.
    pub(super) inventory: Option<Arc<Inventory>>,
}

/// A node or a guest. The order is that in which they are taken: nodes, then by their cluster's
/// place in the configuration, their node's name, their number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) is_guest: bool,
    pub(super) cluster: usize,
    pub(super) node: SmolStr,
    /// 0: the node itself.
    pub(super) vmid: u32,
}

/// The clusters, and who comes first of those that an address or a name fits.
#[derive(Debug, Default)]
pub(super) struct Index {
    clusters: Vec<Cluster>,
    by_address: HashMap<IpAddr, Place>,
    by_name: HashMap<String, Place>,
}

impl Index {
    pub(super) fn of(clusters: Vec<Cluster>) -> Self {
        let mut index = Self { clusters, ..Self::default() };
        let (mut by_address, mut by_name) = (HashMap::new(), HashMap::new());
        for (place, name, addresses) in index.all().filter(|(place, ..)| index.is_looked_up(place))
        {
            for address in addresses {
                first(&mut by_address, address.to_canonical(), &place);
            }
            first(&mut by_name, name.to_lowercase(), &place);
        }
        (index.by_address, index.by_name) = (by_address, by_name);
        index
    }

    pub(super) fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Who comes first of those that have an address.
    pub(super) fn by_address(&self, address: IpAddr) -> Option<&Place> {
        self.by_address.get(&address.to_canonical())
    }

    /// Who comes first of those that have a name, which is in lower case.
    pub(super) fn by_name(&self, name: &str) -> Option<&Place> {
        self.by_name.get(name)
    }

    /// The guest at a place, if it is one's.
    pub(super) fn guest(&self, place: &Place) -> Option<&Guest> {
        let inventory = self.clusters.get(place.cluster)?.inventory.as_ref()?;
        inventory.guests.get(&place.vmid).filter(|_| place.is_guest)
    }

    /// Whether one is found by name and address: a virtual machine isn't, since nobody knows where
    /// it is.
    pub(super) fn is_looked_up(&self, place: &Place) -> bool {
        !place.is_guest || self.guest(place).is_some_and(|guest| guest.kind == GuestKind::Lxc)
    }

    /// Whether a cluster has such a node.
    pub(super) fn has_node(&self, cluster: usize, is_it: impl Fn(&str) -> bool) -> bool {
        let inventory = self.clusters.get(cluster).and_then(|known| known.inventory.as_ref());
        inventory.is_some_and(|inventory| inventory.nodes.keys().any(|name| is_it(name)))
    }

    /// Whether all clusters have answered.
    pub(super) fn is_complete(&self) -> bool {
        self.clusters.iter().all(|cluster| cluster.inventory.is_some())
    }

    /// All nodes and guests, with name and addresses.
    pub(super) fn all(&self) -> impl Iterator<Item = (Place, &str, &[IpAddr])> {
        self.clusters.iter().enumerate().flat_map(|(cluster, known)| {
            let inventory = known.inventory.as_deref();
            let nodes = inventory.into_iter().flat_map(|inventory| &inventory.nodes);
            let nodes = nodes.map(move |(name, node)| {
                let place = Place { is_guest: false, cluster, node: name.clone(), vmid: 0 };
                (place, name.as_str(), node.address.as_slice())
            });
            let guests = inventory.into_iter().flat_map(|inventory| &inventory.guests);
            let guests = guests.map(move |(vmid, guest)| {
                let (node, vmid) = (guest.node.clone(), *vmid);
                let place = Place { is_guest: true, cluster, node, vmid };
                (place, guest.name.as_str(), guest.addresses.as_slice())
            });
            nodes.chain(guests)
        })
    }
}

fn first<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Place>, key: K, place: &Place) {
    let known = map.entry(key).or_insert_with(|| place.clone());
    if place < known {
        *known = place.clone();
    }
}
