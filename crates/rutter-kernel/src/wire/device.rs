//! Links as they are made and kept: bridges and VXLANs (`linux/if_link.h`).
//!
//! Written by `netlink-packet-route`; read by hand like all listings of links (see
//! [`crate::wire`]).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};

use super::link::{LinkRow, link_row};
use super::{Batch, address, attributes, bytes, kind, u32_at};

const MAC: u16 = 1;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const ALIAS: u16 = 20;

const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;

const BRIDGE_STP: u16 = 5;

const VXLAN_ID: u16 = 1;
const VXLAN_GROUP: u16 = 2;
const VXLAN_LINK: u16 = 3;
const VXLAN_LOCAL: u16 = 4;
const VXLAN_LEARNING: u16 = 7;
const VXLAN_PORT: u16 = 15;
const VXLAN_GROUP6: u16 = 16;
const VXLAN_LOCAL6: u16 = 17;

const HEADER: usize = 16;

/// A link with what bridges and VXLANs are kept by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub(crate) link: LinkRow,
    /// Its address, if it is of Ethernet.
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: u32,
    /// The bridge that it is a port of.
    pub(crate) master: Option<u32>,
    /// What somebody noted on it.
    pub(crate) note: String,
    pub(crate) what: Device,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// A bridge.
    Bridge {
        /// It speaks the spanning tree protocol.
        stp: bool,
    },
    /// A VXLAN.
    Vxlan(VxlanDevice),
    /// Anything else: its kind, empty for hardware.
    Other(String),
}

/// What a VXLAN is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VxlanDevice {
    pub(crate) vni: u32,
    pub(crate) port: u16,
    pub(crate) learning: bool,
    /// The address that packets bear. An unspecified one, by which the family is said when a link
    /// is made, isn't listed.
    pub(crate) local: Option<IpAddr>,
    /// Where frames for everybody go by themselves: a multicast group, or another's one remote end.
    pub(crate) group: Option<IpAddr>,
    /// The link below.
    pub(crate) below: Option<u32>,
}

/// Reads one of a listing. `None`: it has no name.
pub(crate) fn device_row(payload: &[u8]) -> Option<DeviceRow> {
    let link = link_row(payload)?;
    let (mut mac, mut mtu, mut master, mut note) = (None, 0, None, String::new());
    let mut what = Device::Other(String::new());
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            MAC => mac = value.try_into().ok(),
            MTU => mtu = u32_at(value, 0),
            MASTER => master = Some(u32_at(value, 0)),
            ALIAS => note = text(value),
            LINK_INFO => what = device(value),
            _ => {}
        }
    }
    Some(DeviceRow { link, mac, mtu, master, note, what })
}

fn device(info: &[u8]) -> Device {
    let of = |wanted| attributes(info, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let name = of(INFO_KIND).map(text).unwrap_or_default();
    let data = of(INFO_DATA).unwrap_or_default();
    match name.as_str() {
        "bridge" => {
            let mut all = attributes(data, 0);
            let stp = all.find(|(kind, _)| *kind == BRIDGE_STP);
            Device::Bridge { stp: stp.is_some_and(|(_, value)| u32_at(value, 0) != 0) }
        }
        "vxlan" => Device::Vxlan(vxlan(data)),
        _ => Device::Other(name),
    }
}

fn vxlan(data: &[u8]) -> VxlanDevice {
    let mut found =
        VxlanDevice { vni: 0, port: 0, learning: false, local: None, group: None, below: None };
    for (kind, value) in attributes(data, 0) {
        match kind {
            VXLAN_ID => found.vni = u32_at(value, 0),
            VXLAN_PORT => found.port = u16::from_be_bytes(bytes(value, 0)),
            VXLAN_LEARNING => found.learning = bytes(value, 0) != [0u8],
            VXLAN_LINK => found.below = Some(u32_at(value, 0)).filter(|index| *index != 0),
            VXLAN_LOCAL | VXLAN_LOCAL6 => found.local = address(value),
            VXLAN_GROUP | VXLAN_GROUP6 => found.group = address(value),
            _ => {}
        }
    }
    found
}

fn text(value: &[u8]) -> String {
    let end = value.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(end).into_owned()
}

/// Makes a bridge with an address of its own; there must be no link of that name.
pub(crate) fn make_bridge(batch: &mut Batch, name: &str, mtu: u32, stp: bool, mac: [u8; 6]) {
    let mut message = named(name);
    message.attributes.push(LinkAttribute::Address(mac.to_vec()));
    message.attributes.push(LinkAttribute::Mtu(mtu));
    message.attributes.push(bridge_info(stp));
    batch.push(kind::NEW_LINK, NLM_F_CREATE | NLM_F_EXCL, &message);
}

/// Makes a VXLAN; there must be no link of that name.
pub(crate) fn make_vxlan(batch: &mut Batch, name: &str, mtu: u32, vxlan: &VxlanDevice) {
    let mut data = vec![InfoVxlan::Id(vxlan.vni), InfoVxlan::Port(vxlan.port)];
    data.push(InfoVxlan::Learning(vxlan.learning));
    data.extend(vxlan.below.map(InfoVxlan::Link));
    data.extend(vxlan.local.map(local));
    data.extend(vxlan.group.map(|group| match group {
        IpAddr::V4(group) => InfoVxlan::Group(group),
        IpAddr::V6(group) => InfoVxlan::Group6(group),
    }));
    let mut message = named(name);
    message.attributes.push(LinkAttribute::Mtu(mtu));
    message.attributes.push(vxlan_info(data));
    batch.push(kind::NEW_LINK, NLM_F_CREATE | NLM_F_EXCL, &message);
}

/// Asks for a link of a kind by a name that no link can have: whether the kernel knows the kind is
/// what it looks at before.
pub(crate) fn try_kind(batch: &mut Batch, what: InfoKind) {
    let mut message = named(".");
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(what)]));
    batch.push(kind::NEW_LINK, NLM_F_CREATE | NLM_F_EXCL, &message);
}

/// Notes on the link of that name who made it. The kernel takes no note while it makes a link.
pub(crate) fn note(batch: &mut Batch, name: &str, note: &str) {
    let mut message = named(name);
    message.attributes.push(LinkAttribute::IfAlias(note.to_owned()));
    batch.push(kind::SET_LINK, 0, &message);
}

/// Changes what a VXLAN can change while it lives.
pub(crate) fn change_vxlan(batch: &mut Batch, index: u32, vxlan: &VxlanDevice) {
    let mut data = vec![InfoVxlan::Learning(vxlan.learning)];
    data.push(InfoVxlan::Link(vxlan.below.unwrap_or(0)));
    data.extend(vxlan.local.map(local));
    let mut message = indexed(index);
    message.attributes.push(vxlan_info(data));
    batch.push(kind::NEW_LINK, 0, &message);
}

/// Has a bridge speak the spanning tree protocol, or not.
pub(crate) fn change_stp(batch: &mut Batch, index: u32, stp: bool) {
    let mut message = indexed(index);
    message.attributes.push(bridge_info(stp));
    batch.push(kind::NEW_LINK, 0, &message);
}

/// Sets a link's MTU.
pub(crate) fn change_mtu(batch: &mut Batch, index: u32, mtu: u32) {
    let mut message = indexed(index);
    message.attributes.push(LinkAttribute::Mtu(mtu));
    batch.push(kind::SET_LINK, 0, &message);
}

/// Makes a link a port of a bridge.
pub(crate) fn change_master(batch: &mut Batch, index: u32, master: u32) {
    let mut message = indexed(index);
    message.attributes.push(LinkAttribute::Controller(master));
    batch.push(kind::SET_LINK, 0, &message);
}

/// Sets a link up.
pub(crate) fn set_up(batch: &mut Batch, index: u32) {
    let mut message = indexed(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    batch.push(kind::SET_LINK, 0, &message);
}

/// Removes a link.
pub(crate) fn delete_link(batch: &mut Batch, index: u32) {
    batch.push(kind::DEL_LINK, 0, &indexed(index));
}

/// Gives a link an address.
pub(crate) fn add_address(batch: &mut Batch, index: u32, address: IpAddr, length: u8) {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = length;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    if let IpAddr::V4(v4) = address
        && length < 31
    {
        let host_bits = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        message.attributes.push(AddressAttribute::Broadcast((v4.to_bits() | host_bits).into()));
    }
    batch.push(kind::NEW_ADDRESS, NLM_F_CREATE | NLM_F_EXCL, &message);
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn indexed(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn bridge_info(stp: bool) -> LinkAttribute {
    let state = if stp { BridgeStpState::KernelStp } else { BridgeStpState::Disabled };
    let data = InfoData::Bridge(vec![InfoBridge::StpState(state)]);
    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)])
}

fn vxlan_info(data: Vec<InfoVxlan>) -> LinkAttribute {
    let data = InfoData::Vxlan(data);
    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(data)])
}

fn local(address: IpAddr) -> InfoVxlan {
    match address {
        IpAddr::V4(address) => InfoVxlan::Local(address),
        IpAddr::V6(address) => InfoVxlan::Local6(address),
    }
}
