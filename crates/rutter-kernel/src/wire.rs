//! Netlink's bytes: what is asked of the kernel, and what it answers and lists.
//!
//! Routes, rules, links and forwarding entries are encoded by `netlink-packet-route`, nftables by
//! `netlink-packet-netfilter`. Next-hop objects, which neither has, are written here by hand on
//! `netlink-packet-core`, and links, addresses and forwarding entries are read by hand: of their
//! hundreds of attributes a dozen are needed, and one that a newer kernel writes differently must
//! not cost the listing.
//!
//! Nothing here does I/O.

mod answer;
mod batch;
mod device;
mod flood;
mod link;
mod nft;
mod object;
mod route;
mod rule;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answer, answer, dump_end, error};
pub(crate) use batch::Batch;
pub(crate) use device::{
    Device, DeviceRow, VxlanDevice, add_address, change_master, change_mtu, change_stp,
    change_vxlan, delete_link, device_row, make_bridge, make_vxlan, note, set_up, try_kind,
};
pub(crate) use flood::{FloodRow, add_flood, delete_flood, flood_row, list_flood};
pub(crate) use link::{AddressRow, LinkRow, address_row, link_row, list_addresses, list_links};
pub(crate) use nft::{
    NftChain, NftRow, NftRule, NftTable, NftVerdict, delete_nft_table, list_nft_rules,
    nft_event_is_of, nft_row, put_nft_table,
};
pub(crate) use object::{Object, ObjectRow, delete_object, list_objects, object_row, put_object};
pub(crate) use route::{
    How, RouteRow, again, delete_route, list_routes, put_again, put_route, route_event_protocol,
    route_event_table, route_row,
};
pub(crate) use rule::{delete_rule, list_rules, put_rule, rule_row};

/// Message types of rtnetlink (`linux/rtnetlink.h`).
pub(crate) mod kind {
    pub(crate) const NEW_LINK: u16 = 16;
    pub(crate) const DEL_LINK: u16 = 17;
    pub(crate) const GET_LINK: u16 = 18;
    pub(crate) const SET_LINK: u16 = 19;
    pub(crate) const NEW_ADDRESS: u16 = 20;
    pub(crate) const DEL_ADDRESS: u16 = 21;
    pub(crate) const GET_ADDRESS: u16 = 22;
    pub(crate) const NEW_ROUTE: u16 = 24;
    pub(crate) const DEL_ROUTE: u16 = 25;
    pub(crate) const GET_ROUTE: u16 = 26;
    pub(crate) const NEW_NEIGHBOUR: u16 = 28;
    pub(crate) const DEL_NEIGHBOUR: u16 = 29;
    pub(crate) const GET_NEIGHBOUR: u16 = 30;
    pub(crate) const NEW_RULE: u16 = 32;
    pub(crate) const DEL_RULE: u16 = 33;
    pub(crate) const GET_RULE: u16 = 34;
    pub(crate) const NEW_OBJECT: u16 = 104;
    pub(crate) const DEL_OBJECT: u16 = 105;
    pub(crate) const GET_OBJECT: u16 = 106;
}

/// A part of a foreign message from `at`, zeroes where it is short.
fn bytes<const N: usize>(payload: &[u8], at: usize) -> [u8; N] {
    let part = payload.get(at..at + N).and_then(|part| part.try_into().ok());
    part.unwrap_or([0; N])
}

fn u32_at(payload: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes(payload, at))
}

/// An address of an attribute, told by its length.
fn address(value: &[u8]) -> Option<std::net::IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(value).ok().map(Into::into)
}

/// The attributes behind a header of `header` bytes; those after a malformed one are left out.
fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let rest = payload.get(header..).unwrap_or_default();
    let attributes = netlink_packet_core::NlasIterator::new(rest);
    attributes.map_while(Result::ok).map(|nla| (nla.kind(), nla_value(nla)))
}

fn nla_value<'a>(nla: netlink_packet_core::NlaBuffer<&'a [u8]>) -> &'a [u8] {
    let whole: &'a [u8] = nla.into_inner();
    let length = usize::from(u16::from_ne_bytes(bytes(whole, 0)));
    whole.get(netlink_packet_core::NLA_HEADER_SIZE..length).unwrap_or_default()
}
