//! What this host announces: its own networks, or all that one peer is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use rutter_route::Prefix;

use crate::{Overlay, OverlayConfig, Vni};

/// What is announced, by overlay and network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced(BTreeMap<(Vni, Prefix), OwnRoute>);

/// What is said of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRoute {
    /// This host's address in the overlay; `None` where it has none, and the peer must know.
    pub next_hop: Option<IpAddr>,
    /// The metric.
    pub metric: u32,
    /// How long it stands unless it is said again.
    pub lease: Duration,
}

impl Announced {
    /// The networks that the configuration names.
    pub fn of(config: &OverlayConfig) -> Self {
        let mut announced = Self::default();
        for (vni, overlay) in &config.overlays {
            for prefix in &overlay.export.networks {
                announced.add(*vni, *prefix, overlay);
            }
        }
        announced
    }

    /// Announces a network in an overlay.
    pub fn add(&mut self, vni: Vni, prefix: Prefix, overlay: &Overlay) {
        let route = OwnRoute {
            next_hop: next_hop(overlay, prefix.is_v4()),
            metric: overlay.export.metric,
            lease: overlay.install.lease,
        };
        self.0.insert((vni, prefix), route);
    }

    /// What those hear who have part in these overlays.
    pub fn within(
        &self,
        overlays: &BTreeSet<Vni>,
    ) -> impl Iterator<Item = (Vni, Prefix, OwnRoute)> {
        let part = |((vni, _), _): &(&(Vni, Prefix), &OwnRoute)| overlays.contains(vni);
        self.0.iter().filter(part).map(|((vni, prefix), route)| (*vni, *prefix, *route))
    }

    /// What is said in one overlay.
    pub fn of_overlay(&self, vni: Vni) -> BTreeMap<Prefix, OwnRoute> {
        let of_it = self.0.iter().filter(|((of, _), _)| *of == vni);
        of_it.map(|((_, prefix), route)| (*prefix, *route)).collect()
    }

    /// From now on this, or nothing, is said of a network.
    pub(crate) fn set(&mut self, vni: Vni, prefix: Prefix, route: Option<OwnRoute>) {
        match route {
            Some(route) => self.0.insert((vni, prefix), route),
            None => self.0.remove(&(vni, prefix)),
        };
    }

    /// Nothing is said in an overlay.
    pub(crate) fn clear(&mut self, vni: Vni) {
        self.0.retain(|(of, _), _| *of != vni);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The bridge's address of the network's family, else its address of the other: IPv4 goes by an
/// IPv6 next hop too (RFC 8950), and a peer that can't do that has no use for the network anyhow.
pub(crate) fn next_hop(overlay: &Overlay, v4: bool) -> Option<IpAddr> {
    let addresses = || overlay.bridge.addresses.iter().map(crate::InterfaceAddress::address);
    addresses().find(|address| address.is_ipv4() == v4).or_else(|| addresses().next())
}
