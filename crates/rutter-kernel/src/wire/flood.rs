//! Where a VXLAN sends frames for everybody: entries of its forwarding database with a MAC address
//! of all zeroes (`linux/neighbour.h`).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::{Batch, address, attributes, bytes, kind, u32_at};

const DESTINATION: u16 = 1;
const MAC: u16 = 2;
const PORT: u16 = 6;
const VNI: u16 = 7;
const LINK: u16 = 8;

const HEADER: usize = 12;
/// `AF_BRIDGE`.
const BRIDGE: u8 = 7;
/// `NTF_SELF`: the entry is the link's own, not its bridge's.
const SELF: u8 = 2;

const EVERYBODY: [u8; 6] = [0; 6];

/// An entry as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FloodRow {
    pub(crate) to: IpAddr,
    /// Where it differs from its link's own: UDP port, VNI, link below. Of ours only the last does.
    pub(crate) port: Option<u16>,
    pub(crate) vni: Option<u32>,
    pub(crate) below: Option<u32>,
}

impl FloodRow {
    /// An entry that differs from its link in nothing.
    pub(crate) fn to(to: IpAddr) -> Self {
        Self { to, port: None, vni: None, below: None }
    }
}

/// Lists the forwarding database of one link.
pub(crate) fn list_flood(batch: &mut Batch, link: u32) {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = link;
    batch.push(kind::GET_NEIGHBOUR, NLM_F_DUMP, &message);
}

/// Adds an entry to those that are there.
pub(crate) fn add_flood(batch: &mut Batch, link: u32, row: &FloodRow) {
    let mut message = message(link, row);
    // Both: it doesn't age, and it isn't asked for by ARP. There is no name for the two together.
    message.header.state = NeighbourState::Other(0x80 | 0x40);
    batch.push(kind::NEW_NEIGHBOUR, NLM_F_CREATE | NLM_F_APPEND, &message);
}

/// Removes an entry.
pub(crate) fn delete_flood(batch: &mut Batch, link: u32, row: &FloodRow) {
    batch.push(kind::DEL_NEIGHBOUR, 0, &message(link, row));
}

fn message(link: u32, row: &FloodRow) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = link;
    message.header.flags = NeighbourFlags::Own;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(EVERYBODY.to_vec()));
    message.attributes.push(NeighbourAttribute::Destination(row.to.into()));
    message.attributes.extend(row.port.map(NeighbourAttribute::Port));
    message.attributes.extend(row.vni.map(NeighbourAttribute::Vni));
    message.attributes.extend(row.below.map(NeighbourAttribute::IfIndex));
    message
}

/// Reads one of a listing or of an event, and the link that it is of. `None`: it is no entry for
/// everybody, or leads nowhere.
pub(crate) fn flood_row(payload: &[u8]) -> Option<(u32, FloodRow)> {
    let [family] = bytes(payload, 0);
    let [flags] = bytes(payload, 10);
    if family != BRIDGE || flags & SELF == 0 {
        return None;
    }
    let (mut to, mut everybody) = (None, false);
    let (mut port, mut vni, mut below) = (None, None, None);
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            DESTINATION => to = address(value),
            MAC => everybody = value == EVERYBODY,
            PORT => port = Some(u16::from_be_bytes(bytes(value, 0))),
            VNI => vni = Some(u32_at(value, 0)),
            LINK => below = Some(u32_at(value, 0)),
            _ => {}
        }
    }
    let row = FloodRow { to: to.filter(|_| everybody)?, port, vni, below };
    Some((u32_at(payload, 4), row))
}
