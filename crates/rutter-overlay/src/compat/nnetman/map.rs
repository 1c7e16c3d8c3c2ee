//! n-netman's words to Rutter's, and back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use rutter_route::{MAX_TAGS, Prefix, Standing, Tag, Tags};

use super::config::METRIC;
use super::wire::v1;
use crate::feed::{Claim, Refused};
use crate::{InterfaceAddress, OwnRoute, Vni};

/// What is expected of a prefix and of a next hop.
const PREFIX: &str = "a prefix, such as 172.16.10.0/24";
const NEXT_HOP: &str = "an address as the next hop, or none";

/// A network, however it is written: host bits mean nothing.
pub(super) fn prefix(text: &str) -> Option<Prefix> {
    text.parse().ok().map(|address: InterfaceAddress| address.network())
}

/// A peer's route as a claim. `all` are the overlays here, `part` those that the peer is in.
pub(super) fn claim(
    route: &v1::Route,
    all: &BTreeSet<Vni>,
    part: &BTreeSet<Vni>,
) -> Result<Claim, Refused> {
    let prefix = prefix(&route.prefix).ok_or(Refused::Malformed(PREFIX))?;
    let next_hop = match route.next_hop.as_str() {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| Refused::Malformed(NEXT_HOP))?),
    };
    let vni = Vni::new(route.vni).filter(|vni| all.contains(vni));
    let vni = vni.ok_or(Refused::NoOverlay(route.vni))?;
    if !part.contains(&vni) {
        return Err(Refused::NotAMember(route.vni));
    }
    // The original passes tags on unread; those that can't be ours are none.
    let tags = route.tags.iter().filter_map(|tag| tag.parse::<Tag>().ok()).take(MAX_TAGS);
    Ok(Claim {
        vni,
        prefix,
        next_hop,
        metric: if route.metric == 0 { METRIC } else { route.metric },
        lease: match route.lease_seconds {
            0 => None,
            seconds => Some(Duration::from_secs(seconds.into())),
        },
        tags: Tags::try_from(tags.collect::<Vec<_>>()).unwrap_or_default(),
        // An original's routes are its own, and it says nothing of their state.
        path_list: Vec::new(),
        standing: Standing::Eligible,
    })
}

/// A route of this host's as peers hear it.
pub(super) fn route((vni, prefix, own): (Vni, Prefix, OwnRoute)) -> v1::Route {
    let lease = own.lease.as_millis().div_ceil(1000);
    v1::Route {
        prefix: prefix.to_string(),
        next_hop: own.next_hop.map(|address| address.to_string()).unwrap_or_default(),
        metric: own.metric,
        lease_seconds: u32::try_from(lease).unwrap_or(u32::MAX),
        tags: Vec::new(),
        vni: vni.get(),
    }
}
