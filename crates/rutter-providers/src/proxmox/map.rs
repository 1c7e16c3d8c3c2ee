//! What a route becomes by belonging to a node or guest. Pure.

use std::net::IpAddr;

use rutter_route::HostName;
use rutter_yaml::Problem;

use crate::{HttpScheme, ProxmoxLink, Remark, RemarkKind, Route, Target};

use super::index::{Index, Place};
use super::inventory::{Guest, GuestKind};
use super::link::{Found, How, Wanted, find};
use super::reach::{Answer, Door, Reach};

/// Links a route, as far as what is known now goes. What is to be said of it.
pub(super) fn apply(
    route: &mut Route,
    index: &Index,
    reach: &mut Reach,
    change: u64,
) -> Option<Remark> {
    let host = host(&mut route.target)?.clone();
    let written = route.proxmox.as_ref();
    let wanted = Wanted { host: &host, alias: &route.alias, written };
    match find(index, wanted) {
        Some(found) if found.place.is_guest => guest(route, index, &found, &host, reach, change),
        Some(found) => node(route, index, &found, &host),
        None if written.is_none() => {}
        None => return Some(nowhere(route, index, &host)),
    }
    None
}

/// What was written is nowhere: what leads to `localhost` only since nothing else was found leads
/// nowhere.
fn nowhere(route: &mut Route, index: &Index, host: &HostName) -> Remark {
    let why = match index.is_complete() {
        true => "there is no such Proxmox node or guest",
        false => "Proxmox has not answered yet",
    };
    if is_default(host) {
        route.unresolved = Some(why.to_owned());
    }
    let problem = Problem::at_path(vec![route.name.clone(), "proxmox".to_owned()], why);
    Remark { kind: RemarkKind::Mistake, problem }
}

/// A node: its API, unless the route says where else it leads.
fn node(route: &mut Route, index: &Index, found: &Found, host: &HostName) {
    let place = &found.place;
    let node = Some(place.node.to_string());
    route.proxmox = Some(ProxmoxLink { node, vmid: Some(0), vm_name: None });
    let Some(cluster) = index.clusters().get(place.cluster) else { return };
    if is_default(host) {
        set_host(&mut route.target, cluster.host.clone());
    }
    let leads_there = is_default(host) || found.how != How::Alias;
    if let Target::Http { scheme, port, .. } = &mut route.target
        && leads_there
    {
        (*scheme, *port) = (HttpScheme::Https, cluster.port);
    }
}

fn guest(
    route: &mut Route,
    index: &Index,
    found: &Found,
    host: &HostName,
    reach: &mut Reach,
    change: u64,
) {
    let Some(guest) = index.guest(&found.place) else { return };
    route.proxmox = Some(ProxmoxLink {
        node: Some(guest.node.to_string()),
        vmid: Some(found.place.vmid),
        vm_name: Some(guest.name.to_string()).filter(|name| !name.is_empty()),
    });
    let leads_there = match found.how {
        How::Address | How::HostName => true,
        How::Written | How::Alias => is_default(host),
    };
    if !leads_there {
        return;
    }
    let its_address = match (guest.is_running(), is_default(host)) {
        (false, _) => Err(format!("is {}", guest.status)),
        (true, true) => address(route, guest, &found.place, reach, change).map(Some),
        (true, false) => Ok(None),
    };
    match its_address {
        Ok(None) => {}
        Ok(Some(address)) => set_host(&mut route.target, HostName::Address(address)),
        Err(why) => {
            let Guest { kind, name, node, .. } = guest;
            let vmid = found.place.vmid;
            let why = format!("Proxmox {kind} {vmid} (`{name}`) on node `{node}` {why}");
            route.unresolved = Some(why);
        }
    }
}

/// Where a guest that runs is reached.
fn address(
    route: &Route,
    guest: &Guest,
    place: &Place,
    reach: &mut Reach,
    change: u64,
) -> Result<IpAddr, String> {
    if guest.kind == GuestKind::Qemu {
        return Err("has addresses that only it knows: write the route's `host`".to_owned());
    }
    // A UDP server can't be tried: nobody answers an empty datagram.
    let port = match &route.target {
        Target::Http { port, .. } | Target::Tcp { port, .. } => Some(*port),
        Target::Udp { .. } | Target::Files { .. } => None,
    };
    match (guest.addresses.as_slice(), port) {
        ([], _) => Err("has no address yet".to_owned()),
        ([only], _) | ([only, ..], None) => Ok(*only),
        (addresses, Some(port)) => {
            let door = Door { cluster: place.cluster, vmid: place.vmid, port };
            match reach.ask(door, addresses, change) {
                Answer::At(address) => Ok(address),
                Answer::NotYet => Err(format!("has not been tried on port {port} yet")),
                Answer::Nobody => Err(format!("answers on port {port} by none of its addresses")),
                Answer::TooMany => {
                    let why = "has several addresses, and too many guests have: write the \
                               route's `host`";
                    Err(why.to_owned())
                }
            }
        }
    }
}

/// Whether it is what a file's route has unless it says otherwise.
fn is_default(host: &HostName) -> bool {
    matches!(host, HostName::Name(name) if name.as_str() == "localhost")
}

/// Where a route leads, if it leads to a host.
fn host(target: &mut Target) -> Option<&mut HostName> {
    match target {
        Target::Http { host, .. } | Target::Tcp { host, .. } | Target::Udp { host, .. } => {
            Some(host)
        }
        Target::Files { .. } => None,
    }
}

fn set_host(target: &mut Target, to: HostName) {
    if let Some(host) = host(target) {
        *host = to;
    }
}
