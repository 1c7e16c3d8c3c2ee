//! Links and addresses: the few of their attributes that decide where a next hop is.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NLM_F_DUMP};

use super::{Batch, address, attributes, bytes, kind, u32_at};

const LINK_NAME: u16 = 3;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

/// `IFF_UP`, `IFF_LOOPBACK`, `IFF_LOWER_UP`.
const UP: u32 = 1;
const LOOPBACK: u32 = 1 << 3;
const CARRIER: u32 = 1 << 16;

/// A header of zeroes: all of a kind.
struct All<const N: usize>;

impl<const N: usize> Emitable for All<N> {
    fn buffer_len(&self) -> usize {
        N
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// A link as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkRow {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Someone has set it up.
    pub(crate) up: bool,
    /// The other end is there.
    pub(crate) carrier: bool,
    /// It leads back to this host.
    pub(crate) loopback: bool,
}

/// An address as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressRow {
    pub(crate) link: u32,
    /// An address of the network that is on the link: the own one, or on a point-to-point link the
    /// peer's.
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
    /// This host's own address.
    pub(crate) own: IpAddr,
}

/// Lists all links.
pub(crate) fn list_links(batch: &mut Batch) {
    batch.push(kind::GET_LINK, NLM_F_DUMP, &All::<16>);
}

/// Lists all addresses.
pub(crate) fn list_addresses(batch: &mut Batch) {
    batch.push(kind::GET_ADDRESS, NLM_F_DUMP, &All::<8>);
}

/// Reads one of a listing. `None`: it has no name.
pub(crate) fn link_row(payload: &[u8]) -> Option<LinkRow> {
    let index = u32_at(payload, 4);
    let flags = u32_at(payload, 8);
    let (_, name) = attributes(payload, 16).find(|(kind, _)| *kind == LINK_NAME)?;
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    Some(LinkRow {
        index,
        name,
        up: flags & UP != 0,
        carrier: flags & CARRIER != 0,
        loopback: flags & LOOPBACK != 0,
    })
}

/// Reads one of a listing. `None`: it has no address.
pub(crate) fn address_row(payload: &[u8]) -> Option<AddressRow> {
    let [_, length, _, _] = bytes(payload, 0);
    let link = u32_at(payload, 4);
    let of = |wanted| {
        let mut all = attributes(payload, 8);
        all.find(|(kind, _)| *kind == wanted).and_then(|(_, value)| address(value))
    };
    // `ADDRESS` is the peer's where there is one; IPv6 has no `LOCAL` without a peer.
    let address = of(ADDRESS).or_else(|| of(LOCAL))?;
    let own = of(LOCAL).unwrap_or(address);
    Some(AddressRow { link, address, length, own })
}
