//! Next-hop objects (`linux/nexthop.h`): a hop, or a group of them, by a number that routes name.

use std::net::IpAddr;

use netlink_packet_core::{
    DefaultNla, Emitable, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE,
};

use super::{Batch, address, attributes, bytes, kind, u32_at};
use crate::hop::KernelHop;

const ID: u16 = 1;
const GROUP: u16 = 2;
const BLACKHOLE: u16 = 4;
const OIF: u16 = 5;
const GATEWAY: u16 = 6;
const ENCAP_TYPE: u16 = 7;
const FDB: u16 = 11;
const RESILIENT: u16 = 12;

const HEADER: usize = 8;
const MEMBER: usize = 8;
const ONLINK: u32 = 4;

const UNSPEC: u8 = 0;
pub(super) const INET: u8 = 2;
pub(super) const INET6: u8 = 10;

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// One hop; its link is known, its weight says nothing.
    Hop(KernelHop),
    /// Objects of one hop each, and their weights, 1 to 256.
    Group(Vec<(u32, u16)>),
}

/// An object as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    pub(crate) id: u32,
    pub(crate) protocol: u8,
    /// `None`: of a kind that is never made here.
    pub(crate) object: Option<Object>,
}

/// `struct nhmsg` and attributes.
#[derive(Debug)]
struct Message {
    family: u8,
    protocol: u8,
    flags: u32,
    attributes: Vec<DefaultNla>,
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        HEADER + self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        let (header, rest) = buffer.split_at_mut(HEADER);
        let [a, b, c, d] = self.flags.to_ne_bytes();
        header.copy_from_slice(&[self.family, 0, self.protocol, 0, a, b, c, d]);
        self.attributes.as_slice().emit(rest);
    }
}

fn number(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_ne_bytes().to_vec())
}

/// Makes an object, or makes one that is there another one: with it, all routes that name it.
pub(crate) fn put_object(batch: &mut Batch, protocol: u8, id: u32, object: &Object, replace: bool) {
    let mut attributes = vec![number(ID, id)];
    let (mut family, mut flags) = (UNSPEC, 0);
    match object {
        Object::Hop(hop) => {
            family = if hop.v6 { INET6 } else { INET };
            flags = if hop.onlink { ONLINK } else { 0 };
            attributes.extend(hop.link.map(|link| number(OIF, link)));
            attributes.extend(hop.via.map(|via| {
                let via = match via {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                DefaultNla::new(GATEWAY, via)
            }));
        }
        Object::Group(members) => {
            let members = members.iter().flat_map(|(id, weight)| {
                let weight = u8::try_from(weight.saturating_sub(1)).unwrap_or(u8::MAX);
                let [a, b, c, d] = id.to_ne_bytes();
                [a, b, c, d, weight, 0, 0, 0]
            });
            attributes.push(DefaultNla::new(GROUP, members.collect()));
        }
    }
    let message = Message { family, protocol, flags, attributes };
    let how = if replace { NLM_F_REPLACE } else { NLM_F_CREATE | NLM_F_EXCL };
    batch.push(kind::NEW_OBJECT, how, &message);
}

/// Removes an object; the kernel removes all routes that name it too, without a word.
pub(crate) fn delete_object(batch: &mut Batch, id: u32) {
    let attributes = vec![number(ID, id)];
    let message = Message { family: UNSPEC, protocol: 0, flags: 0, attributes };
    batch.push(kind::DEL_OBJECT, 0, &message);
}

/// Lists all objects: the kernel has no filter for their protocol.
pub(crate) fn list_objects(batch: &mut Batch) {
    let message = Message { family: UNSPEC, protocol: 0, flags: 0, attributes: Vec::new() };
    batch.push(kind::GET_OBJECT, NLM_F_DUMP, &message);
}

/// Reads one of a listing or of an event. `None`: it is malformed.
pub(crate) fn object_row(payload: &[u8]) -> Option<ObjectRow> {
    let [family, _, protocol, _] = bytes(payload, 0);
    let onlink = u32_at(payload, 4) & ONLINK != 0;
    let mut id = None;
    let (mut via, mut link, mut group, mut other) = (None, None, None, false);
    for (kind, value) in attributes(payload, HEADER) {
        match kind {
            ID => id = Some(u32_at(value, 0)),
            OIF => link = Some(u32_at(value, 0)),
            GATEWAY => via = address(value),
            GROUP => group = Some(members(value)),
            BLACKHOLE | ENCAP_TYPE | FDB | RESILIENT => other = true,
            // Newer kernels tell more of the same.
            _ => {}
        }
    }
    let v6 = family == INET6;
    let object = match (other, group) {
        (true, _) => None,
        (false, Some(members)) => Some(Object::Group(members)),
        (false, None) => Some(Object::Hop(KernelHop { via, link, onlink, v6, weight: 1 })),
    };
    Some(ObjectRow { id: id?, protocol, object })
}

fn members(value: &[u8]) -> Vec<(u32, u16)> {
    let members = value.chunks_exact(MEMBER);
    members.map(|m| (u32_at(m, 0), u16::from(bytes::<1>(m, 4)[0]) + 1)).collect()
}
