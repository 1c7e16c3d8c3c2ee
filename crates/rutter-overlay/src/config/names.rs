//! Names and numbers that a configuration is made of.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::str::FromStr;

use rutter_route::{ClusterId, ParseError, Prefix, SourceId, SourceKind, TableName};
use smol_str::SmolStr;

/// The number of an overlay: 1 to 16777215.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

impl Vni {
    /// A number in range; `None` for another.
    pub fn new(number: u32) -> Option<Self> {
        (1..1 << 24).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The table of its routes in the book.
    pub fn table(self) -> TableName {
        #[allow(clippy::expect_used, reason = "letters, a slash and digits, 16 bytes at most")]
        format!("overlay/{}", self.0).parse().expect("`overlay/<vni>` is a table's name")
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A routing table of the kernel that overlays may fill: 1 to 252, which leaves out its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingTable(u8);

impl RoutingTable {
    /// Where routes go unless something else is said.
    pub const DEFAULT: Self = Self(100);

    /// A number in range; `None` for another.
    pub fn new(number: u8) -> Option<Self> {
        (1..=252).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.into()
    }
}

impl fmt::Display for RoutingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a host among its peers: 1 to 512 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(SmolStr);

impl PeerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The source that a peer of this name is in the tables of its overlays.
    pub fn source(&self) -> SourceId {
        #[allow(clippy::expect_used, reason = "the constructor tried the same")]
        SourceId::new(SourceKind::Peer, &self.0).expect("a peer's name is a source's")
    }

    /// How the host of this name is called in path lists, by itself and by all others: by its name
    /// where a cluster may be called so, else by a digest of it.
    pub fn cluster(&self) -> ClusterId {
        self.0.parse().unwrap_or_else(|_| {
            // SipHash with a fixed key: the same everywhere.
            let mut digest = DefaultHasher::new();
            self.0.as_bytes().hash(&mut digest);
            #[allow(clippy::expect_used, reason = "letters, digits and a hyphen")]
            format!("host-{:016x}", digest.finish()).parse().expect("it is a cluster's name")
        })
    }
}

impl FromStr for PeerName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        SourceId::new(SourceKind::Peer, text).map(|_| Self(text.into()))
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a network interface: what the kernel takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(SmolStr);

impl LinkName {
    /// The kernel's `IFNAMSIZ`, without the byte that ends the name.
    pub const MAX_LEN: usize = 15;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        let length = 1..=Self::MAX_LEN;
        if !length.contains(&text.len()) || text == "." || text == ".." || text.contains(bad) {
            let expected = "1 to 15 bytes without `/`, `:` and spaces, as the kernel takes it";
            return Err(ParseError::new("interface name", text, expected));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address of an interface and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    address: IpAddr,
    network: Prefix,
}

impl InterfaceAddress {
    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The network that it is in.
    pub fn network(&self) -> Prefix {
        self.network
    }
}

impl FromStr for InterfaceAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "an address and a length, such as `10.100.0.1/24`";
        let error = || ParseError::new("interface address", text, expected);
        let (address, length) = text.split_once('/').ok_or_else(error)?;
        let address = address.parse().map_err(|_| error())?;
        if !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let length = length.parse().map_err(|_| error())?;
        Ok(Self { address, network: Prefix::truncated(address, length)? })
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.network.length())
    }
}
