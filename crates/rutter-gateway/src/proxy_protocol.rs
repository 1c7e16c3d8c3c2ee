//! PROXY headers: a client's address, told by the one before us and to the one behind us.
//!
//! A load balancer that passes on bytes can't put the client's address into a request, so it sends
//! it in front of everything (HAProxy's `proxy-protocol.txt`), as a line of text (version 1) or in
//! binary form (version 2).
//!
//! **Whom it is believed from.** From `trusted` peers and nobody else: whoever may send such a header
//! can be any client it likes to be, for the access log, the address lists and the balancer. From
//! others a header is never looked for; where one is required they are cut off, and elsewhere its
//! bytes are what the protocol behind makes of them (HTTP: 400).
//!
//! **What it says counts for everything**: `X-Forwarded-For`, the access log, `max_connections_per_client`,
//! the ACL, the choice of a member by address, and the header that an upstream is sent. A header that
//! names no address (`UNKNOWN`, `LOCAL`: the load balancer speaks for itself, as when it asks whether
//! we are there) leaves the peer's own.
//!
//! This room is pure: how many bytes are the header's, what they say, and how one is written.
//! [`crate::server`] reads them, and never a byte more, since what follows is TLS or HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ppp::{v1, v2};
use rutter_route::{Prefix, ProxyHeader};

/// How PROXY headers are taken from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocolMode {
    /// None is looked for.
    #[default]
    Off,
    /// Trusted peers may send one.
    Mixed,
    /// Everybody is a trusted peer and sends one, or is cut off.
    Required,
}

/// Whose PROXY headers are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyProtocolConfig {
    /// Whether headers are looked for, at every listener that speaks TCP.
    pub mode: ProxyProtocolMode,
    /// From whom.
    pub trusted: Vec<Prefix>,
}

/// What a peer sends before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing of the kind.
    None,
    /// A header, or if it isn't required perhaps one.
    Header {
        /// Whether there must be one.
        required: bool,
    },
    /// It would have to send a header, and may not.
    Untrusted,
}

impl ProxyProtocolConfig {
    /// What whoever connects from there sends first.
    pub(crate) fn header_of(&self, peer: IpAddr) -> Expected {
        if self.mode == ProxyProtocolMode::Off {
            return Expected::None;
        }
        let peer = peer.to_canonical();
        let required = self.mode == ProxyProtocolMode::Required;
        match self.trusted.iter().any(|p| p.contains_address(peer)) {
            true => Expected::Header { required },
            false if required => Expected::Untrusted,
            false => Expected::None,
        }
    }
}

/// A connection between the two addresses that a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// The client.
    pub(crate) client: SocketAddr,
    /// Where it connected to.
    pub(crate) to: SocketAddr,
}

/// The longest header of version 1, its line end included (`proxy-protocol.txt` 2.1).
pub(crate) const MAX_V1: usize = 107;

/// The fixed part of a header of version 2, the last two bytes of which count the rest.
pub(crate) const V2_FIXED: usize = 16;

/// The most that may follow it. Addresses take 216 bytes at most; beyond them stand extensions, such
/// as a client's certificate, which nobody needs here.
pub(crate) const MAX_V2_REST: usize = 2048;

/// How many bytes tell what a connection begins with.
pub(crate) const TELLING: usize = V2_SIGNATURE.len();

const V1_PREFIX: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;

/// Version 2 and the command by which a load balancer speaks for itself.
const LOCAL: u8 = v2::Version::Two as u8;

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// More bytes are needed to say.
    Unclear,
    /// A header of this version.
    With(ProxyHeader),
    /// Something else.
    Otherwise,
}

/// A header that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the PROXY header can't be read")]
pub(crate) struct BadHeader;

/// What these first bytes are the beginning of.
pub(crate) fn begins(bytes: &[u8]) -> Begins {
    for (start, version) in [(V1_PREFIX, ProxyHeader::V1), (V2_SIGNATURE, ProxyHeader::V2)] {
        if bytes.starts_with(start) {
            return Begins::With(version);
        }
        if start.starts_with(bytes) {
            return Begins::Unclear;
        }
    }
    Begins::Otherwise
}

/// How many bytes follow the fixed part of a header of version 2.
///
/// # Errors
/// They are too many, or the fixed part isn't whole.
pub(crate) fn v2_rest(fixed: &[u8]) -> Result<usize, BadHeader> {
    let length: [u8; 2] =
        fixed.get(V2_FIXED - 2..V2_FIXED).and_then(|b| b.try_into().ok()).ok_or(BadHeader)?;
    let length = usize::from(u16::from_be_bytes(length));
    (length <= MAX_V2_REST).then_some(length).ok_or(BadHeader)
}

/// What a whole header says; `None`: it names no address.
///
/// # Errors
/// It isn't one.
pub(crate) fn parse(header: &[u8], version: ProxyHeader) -> Result<Option<Told>, BadHeader> {
    match version {
        ProxyHeader::V1 => parse_v1(header),
        ProxyHeader::V2 => parse_v2(header),
    }
}

fn parse_v1(header: &[u8]) -> Result<Option<Told>, BadHeader> {
    let header = v1::Header::try_from(header).map_err(|_| BadHeader)?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(pair) => Some(told(
            (pair.source_address, pair.source_port),
            (pair.destination_address, pair.destination_port),
        )),
        v1::Addresses::Tcp6(pair) => Some(told(
            (pair.source_address, pair.source_port),
            (pair.destination_address, pair.destination_port),
        )),
    })
}

fn parse_v2(header: &[u8]) -> Result<Option<Told>, BadHeader> {
    // What follows such a command is to be skipped, whatever it is (2.2).
    if header.get(TELLING) == Some(&LOCAL) {
        return Ok(None);
    }
    let header = v2::Header::try_from(header).map_err(|_| BadHeader)?;
    Ok(match header.addresses {
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        v2::Addresses::IPv4(pair) => Some(told(
            (pair.source_address, pair.source_port),
            (pair.destination_address, pair.destination_port),
        )),
        v2::Addresses::IPv6(pair) => Some(told(
            (pair.source_address, pair.source_port),
            (pair.destination_address, pair.destination_port),
        )),
    })
}

fn told<A: Into<IpAddr>>(client: (A, u16), to: (A, u16)) -> Told {
    let socket = |(ip, port): (A, u16)| SocketAddr::new(ip.into().to_canonical(), port);
    Told { client: socket(client), to: socket(to) }
}

/// A header that says so.
pub(crate) fn write(version: ProxyHeader, told: Told) -> Vec<u8> {
    // A listener of both families gives addresses of IPv4 as IPv6. On the wire both are of one
    // family; where they differ IPv4 is written as IPv6.
    let [client, to] =
        [told.client, told.to].map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()));
    let (client, to) = match (client.is_ipv4(), to.is_ipv4()) {
        (true, false) => (as_v6(client), to),
        (false, true) => (client, as_v6(to)),
        _ => (client, to),
    };
    match version {
        ProxyHeader::V1 => v1::Addresses::from((client, to)).to_string().into_bytes(),
        ProxyHeader::V2 => {
            let command = v2::Version::Two | v2::Command::Proxy;
            let addresses = v2::Addresses::from((client, to));
            let built = v2::Builder::with_addresses(command, v2::Protocol::Stream, addresses);
            // Two addresses are never longer than a header may be.
            built.build().unwrap_or_default()
        }
    }
}

fn as_v6(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(Ipv4Addr::to_ipv6_mapped(&v4).into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests;
