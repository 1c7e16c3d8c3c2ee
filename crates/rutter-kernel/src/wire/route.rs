//! Routes.

use std::net::IpAddr;
use std::sync::Arc;

use netlink_packet_core::{
    Emitable, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, Parseable,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteScope, RouteType, RouteVia,
};
use rutter_route::Prefix;

use super::{Batch, attributes, bytes, kind, u32_at};
use crate::fib::To;
use crate::hop::KernelHop;

const TABLE: u16 = 15;
const HEADER: usize = 12;

/// How a route is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Only where there is none of the same destination and priority.
    Add,
    /// In the place of the one that is there; there must be one.
    Replace,
}

impl How {
    fn flags(self) -> u16 {
        match self {
            Self::Add => NLM_F_CREATE | NLM_F_EXCL,
            Self::Replace => NLM_F_REPLACE,
        }
    }
}

/// A route as the kernel lists it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RouteRow {
    pub(crate) prefix: Prefix,
    pub(crate) priority: u32,
    pub(crate) protocol: u8,
    /// It is for packets of one type of service only, or from one source: never ours, and never in
    /// the way of ours.
    pub(crate) special: bool,
    pub(crate) to: To,
    /// The message that puts it again; only of others' routes, and where it was asked for.
    pub(crate) again: Option<Arc<[u8]>>,
}

fn message(table: u32, protocol: u8, prefix: &Prefix, priority: u32) -> RouteMessage {
    let mut message = of_table(table, prefix.is_v4());
    message.header.protocol = protocol.into();
    message.header.destination_prefix_length = prefix.length();
    message.attributes.push(RouteAttribute::Destination(prefix.address().into()));
    if priority != 0 {
        message.attributes.push(RouteAttribute::Priority(priority));
    }
    message
}

fn of_table(table: u32, v4: bool) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = if v4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    // The header has room for 255 only; the attribute is what counts.
    message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RouteAttribute::Table(table));
    message
}

/// Puts a route.
pub(crate) fn put_route(
    batch: &mut Batch,
    (table, protocol): (u32, u8),
    prefix: &Prefix,
    priority: u32,
    to: &To,
    how: How,
) {
    let mut message = message(table, protocol, prefix, priority);
    message.header.kind = match to {
        To::Object(_) | To::Hops(_) => RouteType::Unicast,
        To::Unreachable => RouteType::Unreachable,
        To::Prohibit => RouteType::Prohibit,
        To::Blackhole => RouteType::BlackHole,
        // No route of ours leads there; were one to, the kernel would refuse this type.
        To::Other => RouteType::Other(u8::MAX),
    };
    match to {
        To::Object(id) => message.attributes.push(RouteAttribute::NhId(*id)),
        To::Hops(hops) => {
            // A destination that is on the link itself is nearer than one behind a router.
            if prefix.is_v4() && hops.iter().all(|hop| hop.via.is_none()) {
                message.header.scope = RouteScope::Link;
            }
            put_hops(&mut message, prefix.is_v4(), hops);
        }
        _ => {}
    }
    batch.push(kind::NEW_ROUTE, how.flags(), &message);
}

fn put_hops(message: &mut RouteMessage, v4: bool, hops: &[KernelHop]) {
    if let [hop] = hops {
        message.attributes.extend(gateway(v4, hop));
        message.attributes.extend(hop.link.map(RouteAttribute::Oif));
        if hop.onlink {
            message.header.flags |= RouteFlags::Onlink;
        }
        return;
    }
    let hops = hops.iter().map(|hop| {
        let mut next = RouteNextHop::default();
        next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        next.interface_index = hop.link.unwrap_or(0);
        next.attributes.extend(gateway(v4, hop));
        if hop.onlink {
            next.flags |= RouteNextHopFlags::Onlink;
        }
        next
    });
    message.attributes.push(RouteAttribute::MultiPath(hops.collect()));
}

/// An IPv4 route through an IPv6 router has it in another attribute (`RTA_VIA`).
fn gateway(v4: bool, hop: &KernelHop) -> Option<RouteAttribute> {
    Some(match hop.via? {
        IpAddr::V6(via) if v4 => RouteAttribute::Via(RouteVia::Inet6(via)),
        via => RouteAttribute::Gateway(via.into()),
    })
}

/// Removes the route of that destination and priority with our protocol number, wherever it leads.
pub(crate) fn delete_route(
    batch: &mut Batch,
    (table, protocol): (u32, u8),
    prefix: &Prefix,
    priority: u32,
) {
    let mut message = message(table, protocol, prefix, priority);
    // Of any scope and type.
    message.header.scope = RouteScope::NoWhere;
    batch.push(kind::DEL_ROUTE, 0, &message);
}

/// Lists the routes of one table and family, of one protocol or of all. The kernel filters, on a
/// socket with `NETLINK_GET_STRICT_CHK`.
pub(crate) fn list_routes(batch: &mut Batch, table: u32, v4: bool, protocol: Option<u8>) {
    let mut message = of_table(table, v4);
    message.header.protocol = protocol.unwrap_or(0).into();
    batch.push(kind::GET_ROUTE, NLM_F_DUMP, &message);
}

/// Reads one of a listing. `None`: it is a cached copy, or of a kind that can't be read; one that
/// is in the way of ours is then told by the kernel, when ours is added.
pub(crate) fn route_row(payload: &[u8]) -> Option<RouteRow> {
    if payload.len() < HEADER {
        return None;
    }
    let message = RouteMessage::parse(payload).ok()?;
    let header = &message.header;
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let v4 = match header.address_family {
        AddressFamily::Inet => true,
        AddressFamily::Inet6 => false,
        _ => return None,
    };
    let mut address = if v4 { Prefix::DEFAULT_V4.address() } else { Prefix::DEFAULT_V6.address() };
    let mut priority = 0;
    let mut found = Found { onlink: header.flags.contains(RouteFlags::Onlink), ..Found::default() };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => address = (*v4).into(),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => address = (*v6).into(),
            RouteAttribute::Priority(p) => priority = *p,
            other => found.take(v4, other),
        }
    }
    let prefix = Prefix::new(address, header.destination_prefix_length).ok()?;
    let to = match header.kind {
        RouteType::Unicast => found.to(v4),
        RouteType::Unreachable => To::Unreachable,
        RouteType::Prohibit => To::Prohibit,
        RouteType::BlackHole => To::Blackhole,
        _ => To::Other,
    };
    let special = header.tos != 0 || header.source_prefix_length != 0;
    let protocol = header.protocol.into();
    Some(RouteRow { prefix, priority, protocol, special, to, again: None })
}

/// The message that puts a listed route again, without what the kernel tells and doesn't take.
/// `None`: it can't be read whole.
pub(crate) fn again(payload: &[u8]) -> Option<Arc<[u8]>> {
    let mut message = RouteMessage::parse(payload).ok()?;
    message.header.flags &= RouteFlags::Onlink;
    let by_object = message.attributes.iter().any(|a| matches!(a, RouteAttribute::NhId(_)));
    message.attributes.retain(|attribute| match attribute {
        RouteAttribute::CacheInfo(_) => false,
        // In compatibility mode the kernel lists the object's hops too, and takes either.
        RouteAttribute::Gateway(_)
        | RouteAttribute::Via(_)
        | RouteAttribute::Oif(_)
        | RouteAttribute::MultiPath(_) => !by_object,
        _ => true,
    });
    for attribute in &mut message.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            for hop in hops {
                hop.flags &= RouteNextHopFlags::Onlink;
            }
        }
    }
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    Some(bytes.into())
}

/// Another's route as it was.
#[derive(Debug)]
struct Again<'a>(&'a [u8]);

impl Emitable for Again<'_> {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.0);
    }
}

/// Puts another's route again, as [`again`] gave it.
pub(crate) fn put_again(batch: &mut Batch, message: &[u8], how: How) {
    batch.push(kind::NEW_ROUTE, how.flags(), &Again(message));
}

/// What a listed route says of where it leads.
#[derive(Default)]
struct Found {
    object: Option<u32>,
    via: Option<IpAddr>,
    link: Option<u32>,
    onlink: bool,
    hops: Vec<KernelHop>,
    /// It has what no route of ours has.
    other: bool,
}

impl Found {
    fn take(&mut self, v4: bool, attribute: &RouteAttribute) {
        match attribute {
            RouteAttribute::NhId(id) => self.object = Some(*id),
            RouteAttribute::Oif(link) => self.link = Some(*link),
            RouteAttribute::Gateway(via) => self.via = address_of(via),
            RouteAttribute::Via(RouteVia::Inet6(via)) => self.via = Some((*via).into()),
            RouteAttribute::MultiPath(hops) => {
                self.hops = hops.iter().map(|hop| kernel_hop(v4, hop)).collect();
            }
            RouteAttribute::Encap(_) | RouteAttribute::Metrics(_) => self.other = true,
            _ => {}
        }
    }

    fn to(self, v4: bool) -> To {
        if let Some(id) = self.object {
            return To::Object(id);
        }
        if self.other {
            return To::Other;
        }
        let mut hops = self.hops;
        if hops.is_empty() {
            let v6 = self.via.map_or(!v4, |via| via.is_ipv6());
            let (via, link, onlink) = (self.via, self.link, self.onlink);
            hops = vec![KernelHop { via, link, onlink, v6, weight: 1 }];
        }
        hops.sort();
        To::Hops(Arc::from(hops))
    }
}

fn kernel_hop(v4: bool, hop: &RouteNextHop) -> KernelHop {
    let mut found = Found::default();
    for attribute in &hop.attributes {
        found.take(v4, attribute);
    }
    KernelHop {
        via: found.via,
        link: Some(hop.interface_index),
        onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
        v6: found.via.map_or(!v4, |via| via.is_ipv6()),
        weight: u16::from(hop.hops) + 1,
    }
}

fn address_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

/// The table of an event, without reading the whole: it is asked of every event of the machine.
pub(crate) fn route_event_table(payload: &[u8]) -> u32 {
    let [in_header] = bytes(payload, 4);
    let mut attributes = attributes(payload, HEADER);
    let table = attributes.find(|(kind, _)| *kind == TABLE);
    table.map_or(u32::from(in_header), |(_, value)| u32_at(value, 0))
}

/// Who has put the route of an event, likewise.
pub(crate) fn route_event_protocol(payload: &[u8]) -> u8 {
    let [protocol] = bytes(payload, 5);
    protocol
}
