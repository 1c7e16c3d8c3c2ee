//! What links are wanted.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rutter_route::{ParseError, Prefix};

use crate::hop::LinkName;

/// The most overlays of one spec; those after it are told as errors.
pub const MAX_OVERLAYS: usize = 1024;

/// The most peers to which one overlay's frames for everybody are copied; an overlay with more
/// isn't made.
pub const MAX_PEERS: usize = 4096;

/// The most bridges that are managed; those after it are told as errors.
pub const MAX_BRIDGES: usize = 1024;

/// All links that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinksSpec {
    /// The overlays; numbers and names of links are each used once.
    pub overlays: Vec<OverlayLink>,
    /// The bridges that are looked after, an overlay's or others. One that is no overlay's isn't
    /// made: whoever has ports on it makes it.
    pub bridges: Vec<ManagedBridge>,
}

/// One overlay's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayLink {
    /// The number of the overlay: 1 to 16777215.
    pub vni: u32,
    /// The VXLAN.
    pub vxlan: Vxlan,
    /// The bridge that it is a port of.
    pub bridge: Bridge,
}

/// A VXLAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vxlan {
    /// The link's name.
    pub name: LinkName,
    /// The UDP port.
    pub port: u16,
    /// The kernel learns addresses from frames.
    pub learning: bool,
    /// The link's MTU. What is more than fits into the underlay's is cut to that, and told;
    /// `None`: what fits, or [`Vxlan::MTU`] where the underlay isn't known.
    pub mtu: Option<u32>,
    /// The link below, whose first address packets bear: of IPv4, else of IPv6 that isn't
    /// link-local. `None`: one of `preferred`.
    pub underlay: Option<LinkName>,
    /// Links that may be below, the most wanted first: the first that is there is. None is: the
    /// kernel chooses for each packet.
    pub preferred: Vec<LinkName>,
    /// IPv6 goes before IPv4 in the underlay.
    pub prefers_v6: bool,
    /// Where frames for everybody go.
    pub flooding: Flooding,
}

impl Vxlan {
    /// The MTU where the underlay's isn't known: an Ethernet's, less the headers of IPv4.
    pub const MTU: u32 = 1450;
}

/// Where broadcast, unknown and multicast frames go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flooding {
    /// A copy to each of these peers, which are well.
    HeadEnd(BTreeSet<Remote>),
    /// To a multicast group.
    Multicast(IpAddr),
}

/// Where a peer's end of the VXLAN is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Its address, of the family of the link's own.
    pub address: IpAddr,
    /// The link that leads there, if it is to be that one.
    pub over: Option<LinkName>,
}

impl From<IpAddr> for Remote {
    fn from(address: IpAddr) -> Self {
        Self { address, over: None }
    }
}

/// An overlay's bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: LinkName,
    /// Addresses that it has; others on it stay.
    pub addresses: Vec<LinkAddress>,
}

/// A bridge that is looked after: also where it wasn't made here it is up and as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedBridge {
    /// Its name.
    pub name: LinkName,
    /// It speaks the spanning tree protocol.
    pub stp: bool,
    /// Its MTU; `None`: whatever it has.
    pub mtu: Option<u32>,
}

/// An address of a link and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAddress {
    address: IpAddr,
    length: u8,
}

impl LinkAddress {
    /// An address and a length.
    ///
    /// # Errors
    /// The length is over the family's.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, ParseError> {
        Prefix::truncated(address, length).map(|_| Self { address, length })
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of the network's prefix, in bits.
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl FromStr for LinkAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "an address and a length, such as `10.100.0.1/24`";
        let error = || ParseError::new("link address", text, expected);
        let (address, length) = text.split_once('/').ok_or_else(error)?;
        if !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let address = address.parse().map_err(|_| error())?;
        Self::new(address, length.parse().map_err(|_| error())?)
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
