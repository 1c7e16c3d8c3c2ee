//! Which node or guest a route belongs to. Pure.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use rutter_route::HostName;

use crate::godoxy::is_this_host;
use crate::{Alias, ProxmoxLink};

use super::index::{Index, Place};
use super::inventory::is_somewhere;

/// What a route is looked up by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'r> {
    /// Where it leads.
    pub(super) host: &'r HostName,
    /// What it is asked for by.
    pub(super) alias: &'r Alias,
    /// What was written of it.
    pub(super) written: Option<&'r ProxmoxLink>,
}

/// What fits. The order is that in which it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// It was written.
    Written,
    /// The address that the route leads to.
    Address,
    /// The first label of the name that it leads to.
    HostName,
    /// Its alias.
    Alias,
}

/// Where a route belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) how: How,
}

impl Found {
    /// The order in which what fits is taken.
    fn rank(&self) -> (bool, How, &Place) {
        (self.place.is_guest, self.how, &self.place)
    }
}

impl Wanted<'_> {
    fn address(&self) -> Option<IpAddr> {
        match self.host {
            HostName::Address(address) => Some(address.to_canonical()).filter(is_somewhere),
            HostName::Name(_) => None,
        }
    }

    fn first_label(&self) -> Option<&str> {
        match self.host {
            HostName::Name(name) if !is_this_host(self.host) => name.as_str().split('.').next(),
            _ => None,
        }
    }

    fn alias(&self) -> Option<&str> {
        match self.alias {
            Alias::Name(name) => Some(name.as_str()),
            Alias::Under(_) => None,
        }
    }
}

/// Where a route belongs; what was written of it holds, and the rest is looked up.
pub(super) fn find(index: &Index, wanted: Wanted<'_>) -> Option<Found> {
    let Some(written) = wanted.written else { return look_up(index, wanted) };
    let node = written.node.as_deref();
    let is_its = |name: &str| node.is_none_or(|node| node.eq_ignore_ascii_case(name));
    match (written.vmid, &written.vm_name) {
        (Some(0), _) if node.is_some() => {
            first_written(index, |place, _| !place.is_guest && is_its(&place.node))
        }
        (Some(0), _) => scan(index, wanted, |place| !place.is_guest),
        // A guest keeps its number when it moves to another node of its cluster.
        (Some(vmid), _) => first_written(index, |place, _| {
            place.is_guest && place.vmid == vmid && index.has_node(place.cluster, is_its)
        }),
        (None, Some(name)) => first_written(index, |place, its_name| {
            place.is_guest && is_its(&place.node) && its_name.eq_ignore_ascii_case(name)
        }),
        (None, None) if node.is_some() => scan(index, wanted, |place| is_its(&place.node)),
        (None, None) => look_up(index, wanted),
    }
}

/// The first of all that fit.
fn look_up(index: &Index, wanted: Wanted<'_>) -> Option<Found> {
    let places = [
        (How::Address, wanted.address().and_then(|address| index.by_address(address))),
        (How::HostName, wanted.first_label().and_then(|label| index.by_name(label))),
        (How::Alias, wanted.alias().and_then(|alias| index.by_name(alias))),
    ];
    let found =
        places.into_iter().filter_map(|(how, place)| Some(Found { place: place?.clone(), how }));
    found.min_by(|a, b| a.rank().cmp(&b.rank()))
}

/// The same by looking at everybody, among those that may be.
fn scan(index: &Index, wanted: Wanted<'_>, may_be: impl Fn(&Place) -> bool) -> Option<Found> {
    let (address, label, alias) = (wanted.address(), wanted.first_label(), wanted.alias());
    let how = |name: &str, addresses: &[IpAddr]| {
        let is_called = |by: Option<&str>| by.is_some_and(|by| by.eq_ignore_ascii_case(name));
        let fits = [
            (
                How::Address,
                address.is_some_and(|a| addresses.iter().any(|its| its.to_canonical() == a)),
            ),
            (How::HostName, is_called(label)),
            (How::Alias, is_called(alias)),
        ];
        fits.into_iter().find(|(_, fits)| *fits).map(|(how, _)| how)
    };
    let all = index.all().filter(|(place, ..)| may_be(place) && index.is_looked_up(place));
    let found = all
        .filter_map(|(place, name, addresses)| Some(Found { how: how(name, addresses)?, place }));
    found.min_by(|a, b| a.rank().cmp(&b.rank()))
}

/// The first of those that were written.
fn first_written(index: &Index, is_it: impl Fn(&Place, &str) -> bool) -> Option<Found> {
    let all = index.all().filter(|(place, name, _)| is_it(place, name));
    let first = all.map(|(place, ..)| place).min();
    first.map(|place| Found { place, how: How::Written })
}
