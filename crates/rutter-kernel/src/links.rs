//! Where a next hop is: the machine's links and the networks that are on them.
//!
//! Pure: it is made from a listing, and answers from it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rutter_route::Prefix;

use crate::hop::{Hop, HopSet, KernelHop, KernelHops, LinkName};
use crate::wire::{AddressRow, LinkRow};

/// A link's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    index: u32,
    up: bool,
    carrier: bool,
}

/// The links of the machine, as they were when it was looked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Links {
    by_name: BTreeMap<String, Link>,
    /// Networks and the links they are on; longest first, those of links that are up before others.
    networks: Vec<(Prefix, u32)>,
}

impl Links {
    pub(crate) fn new(links: &[LinkRow], addresses: &[AddressRow]) -> Self {
        let link = |row: &LinkRow| Link { index: row.index, up: row.up, carrier: row.carrier };
        let by_name: BTreeMap<String, Link> =
            links.iter().map(|row| (row.name.clone(), link(row))).collect();
        let down = |index| !is_up(&by_name, index);
        let mut networks: Vec<(Prefix, u32)> = addresses
            .iter()
            .filter_map(|row| Some((Prefix::truncated(row.address, row.length).ok()?, row.link)))
            .collect();
        networks
            .sort_by_key(|(network, link)| (u8::MAX - network.mapped_length(), down(*link), *link));
        networks.dedup();
        Self { by_name, networks }
    }

    /// Whether someone has set the link up.
    pub(crate) fn is_up(&self, index: u32) -> bool {
        is_up(&self.by_name, index)
    }

    /// The link whose network holds the address, the smallest network first. Link-local addresses
    /// are on every link, so they tell of none.
    fn of_address(&self, address: IpAddr) -> Option<u32> {
        if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return None;
        }
        let mut networks = self.networks.iter();
        networks.find(|(network, _)| network.contains_address(address)).map(|(_, link)| *link)
    }

    fn of_name(&self, name: &LinkName) -> Option<u32> {
        self.by_name.get(name.as_str()).map(|link| link.index)
    }

    /// The hops as the kernel knows them, for a destination of IPv4 or not. Those that lead
    /// nowhere are left out where others are left.
    ///
    /// # Errors
    /// None is left: why the first leads nowhere.
    pub(crate) fn resolve(&self, hops: &HopSet, v4: bool) -> Result<KernelHops, String> {
        let mut refused = None;
        let mut resolved: Vec<KernelHop> = Vec::new();
        for hop in hops.iter() {
            match self.resolve_one(hop, v4) {
                Ok(hop) => resolved.push(hop),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        if let [sole] = resolved.as_mut_slice() {
            sole.weight = 1;
        }
        resolved.sort();
        if resolved.is_empty() {
            return Err(refused.unwrap_or_else(|| "there is no next hop".into()));
        }
        Ok(resolved.into())
    }

    fn resolve_one(&self, hop: &Hop, v4: bool) -> Result<KernelHop, String> {
        let v6 = hop.via.map_or(!v4, |via| via.is_ipv6());
        if !v4 && !v6 {
            return Err(format!("an IPv6 prefix can't be reached through {hop}, an IPv4 router"));
        }
        let link = match (&hop.link, hop.via) {
            (Some(name), _) => {
                Some(self.of_name(name).ok_or_else(|| format!("there is no link `{name}`"))?)
            }
            (None, Some(via)) => self.of_address(via),
            (None, None) => return Err("the next hop names neither a router nor a link".into()),
        };
        if hop.onlink && link.is_none() {
            return Err(format!("{hop} is to be on a link, and none is named"));
        }
        Ok(KernelHop { via: hop.via, link, onlink: hop.onlink, v6, weight: hop.weight })
    }
}

fn is_up(by_name: &BTreeMap<String, Link>, index: u32) -> bool {
    by_name.values().any(|link| link.index == index && link.up)
}

#[cfg(test)]
mod tests;
