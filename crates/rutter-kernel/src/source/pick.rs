//! What of the kernel's listing is told. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rutter_route::Prefix;

use super::{MAX_FOUND, Origin, OwnPrefix, SourceSpec};
use crate::fib::To;
use crate::wire::{AddressRow, LinkRow, RouteRow};

/// Protocol numbers (`linux/rtnetlink.h`): what the kernel derives from addresses, and what comes
/// from the operator.
const KERNEL: u8 = 2;
const BOOT: u8 = 3;
const STATIC: u8 = 4;
const DHCP: u8 = 16;

/// The networks of addresses.
pub(super) fn connected(
    wanted: &SourceSpec,
    links: &[LinkRow],
    addresses: &[AddressRow],
) -> Vec<OwnPrefix> {
    if !wanted.connected && !wanted.all {
        return Vec::new();
    }
    let of = |row: &AddressRow| {
        let link = links.iter().find(|link| link.index == row.link)?;
        let told = link.up && !link.loopback && !is_left_out(wanted, link);
        let prefix = Prefix::truncated(row.address, row.length).ok()?;
        let prefix = OwnPrefix { prefix, origin: Origin::Connected, metric: 0 };
        (told && !is_never_told(prefix.prefix.address())).then_some(prefix)
    };
    addresses.iter().filter_map(of).collect()
}

/// A route of the table `main`. `None`: it isn't told.
pub(super) fn route(wanted: &SourceSpec, links: &[LinkRow], route: &RouteRow) -> Option<OwnPrefix> {
    let origin = match route.protocol {
        number if wanted.not_of.contains(&number) => return None,
        // Connected networks are read from addresses.
        KERNEL => return None,
        BOOT | STATIC | DHCP => Origin::Static,
        _ => Origin::Other,
    };
    if route.special || (origin == Origin::Other && !wanted.all) {
        return None;
    }
    let link = |index: Option<u32>| links.iter().find(|link| Some(link.index) == index);
    let leads_on = match &route.to {
        // Its hops may be many; none of ours is among an operator's.
        To::Object(_) => true,
        To::Hops(hops) => hops.iter().any(|hop| {
            link(hop.link).is_none_or(|link| !link.loopback && !is_left_out(wanted, link))
        }),
        To::Unreachable | To::Prohibit | To::Blackhole | To::Other => false,
    };
    let told = leads_on && !is_never_told(route.prefix.address());
    told.then_some(OwnPrefix { prefix: route.prefix, origin, metric: route.priority })
}

/// Each prefix once, and how many were left out.
pub(super) fn once_each(mut picked: Vec<OwnPrefix>) -> (BTreeSet<OwnPrefix>, usize) {
    picked.sort();
    picked.dedup_by_key(|own| own.prefix);
    let n_left_out = picked.len().saturating_sub(MAX_FOUND);
    picked.truncate(MAX_FOUND);
    (picked.into_iter().collect(), n_left_out)
}

fn is_left_out(wanted: &SourceSpec, link: &LinkRow) -> bool {
    wanted.not_on.iter().any(|name| name.as_str() == link.name)
}

/// Loopback and link-local addresses mean something else on each host, a group is no network.
fn is_never_told(network: IpAddr) -> bool {
    match network {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}
