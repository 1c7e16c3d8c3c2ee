//! IP prefixes, both families in one small type.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::ParseError;
use crate::parse::serde_by_text;

/// An IPv4 or IPv6 prefix without host bits.
///
/// It is held as 16 bytes and a length, an IPv4 prefix in the space of IPv4-mapped addresses
/// (`::ffff:0:0/96`, RFC 4291 2.5.5.2), so that one type without padding serves both families: a
/// million routes pay 17 bytes each for the key. An IPv6 prefix inside that space is refused,
/// since no network routes it and it would be taken for IPv4.
///
/// Ordered by family (IPv4 first), address, then length, so a prefix stands before those in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    address: [u8; 16],
    length: u8,
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Prefix {
    /// The default route of IPv4, `0.0.0.0/0`.
    pub const DEFAULT_V4: Self =
        Self { address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0], length: 96 };
    /// The default route of IPv6, `::/0`.
    pub const DEFAULT_V6: Self = Self { address: [0; 16], length: 0 };

    /// A prefix; host bits, a length over the family's and IPv4-mapped IPv6 are refused.
    ///
    /// # Errors
    /// Says which of these it is; for host bits it names the prefix that was probably meant.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, ParseError> {
        let error = |why: String| ParseError::new("prefix", &format!("{address}/{length}"), why);
        let prefix = Self::truncated(address, length).map_err(|e| error(e.expected))?;
        if prefix.address() != address {
            return Err(error(format!("it has host bits set, did you mean `{prefix}`?")));
        }
        Ok(prefix)
    }

    /// As [`Prefix::new`], but host bits are cleared.
    ///
    /// # Errors
    /// A length over the family's, and IPv4-mapped IPv6.
    pub fn truncated(address: IpAddr, length: u8) -> Result<Self, ParseError> {
        let error = |why: &str| Err(ParseError::new("prefix", &format!("{address}/{length}"), why));
        let (bits, total) = match address {
            IpAddr::V4(_) if length > 32 => return error("an IPv4 length is 0 to 32"),
            IpAddr::V6(_) if length > 128 => return error("an IPv6 length is 0 to 128"),
            IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), length + 96),
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && length >= 96 => {
                return error("IPv4-mapped IPv6 is not routed, write it as IPv4");
            }
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        Ok(Self { address: (bits & mask(total)).to_be_bytes(), length: total })
    }

    /// The prefix of one address.
    pub fn host(address: IpAddr) -> Self {
        let v6 = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { address: v6.octets(), length: 128 }
    }

    /// Whether this is an IPv4 prefix.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.length >= 96 && self.address[..12] == MAPPED
    }

    /// The network's address.
    pub fn address(&self) -> IpAddr {
        address_of(self.address, self.is_v4())
    }

    /// The length in bits, 0 to 32 or 0 to 128.
    pub fn length(&self) -> u8 {
        if self.is_v4() { self.length - 96 } else { self.length }
    }

    /// The length as held: an IPv4 length plus 96. What a table that serves both families in one
    /// space counts by.
    #[inline]
    pub fn mapped_length(&self) -> u8 {
        self.length
    }

    /// The address as held, an IPv4 one IPv4-mapped.
    #[inline]
    pub fn mapped_bits(&self) -> u128 {
        u128::from_be_bytes(self.address)
    }

    /// The prefix of `mapped_length` bits around an address, both as held. `None` if the length
    /// is over 128 or it would cut into the IPv4 space from outside it.
    #[inline]
    pub fn from_mapped(bits: u128, mapped_length: u8) -> Option<Self> {
        if mapped_length > 128 {
            return None;
        }
        Some(Self { address: (bits & mask(mapped_length)).to_be_bytes(), length: mapped_length })
    }

    /// Whether `other` lies in this prefix or is it. Families never contain each other.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_v4() == other.is_v4()
            && self.length <= other.length
            && (self.mapped_bits() ^ other.mapped_bits()) & mask(self.length) == 0
    }

    /// Whether the address lies in this prefix.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        self.contains(&Self::host(address))
    }

    /// Whether one contains the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether this is `0.0.0.0/0` or `::/0`: an exit route.
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT_V4 || *self == Self::DEFAULT_V6
    }

    /// The last address of the prefix.
    pub fn last_address(&self) -> IpAddr {
        address_of((self.mapped_bits() | !mask(self.length)).to_be_bytes(), self.is_v4())
    }
}

fn address_of(bytes: [u8; 16], v4: bool) -> IpAddr {
    if v4 {
        let [.., a, b, c, d] = bytes;
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    IpAddr::V6(Ipv6Addr::from(bytes))
}

const fn mask(length: u8) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - length as u32) }
}

impl std::hash::Hash for Prefix {
    /// An IPv4 prefix is written as one integer: hashing is on the path of every update.
    #[inline]
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let bits = self.mapped_bits();
        if self.is_v4() {
            state.write_u64((bits as u32 as u64) << 8 | u64::from(self.length));
        } else {
            state.write_u128(bits);
            state.write_u8(self.length);
        }
    }
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .is_v4()
            .cmp(&self.is_v4())
            .then(self.address.cmp(&other.address))
            .then(self.length.cmp(&other.length))
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why: &str| ParseError::new("prefix", text, why);
        let expected = "expected an address and a length, such as `10.0.0.0/8` or `2001:db8::/32`";
        let Some((address, length)) = text.split_once('/') else {
            return Err(error(expected));
        };
        let address = address.parse::<IpAddr>().map_err(|_| error(expected))?;
        let plain = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = length.len() > 1 && length.starts_with('0');
        if !plain || leading_zero {
            return Err(error("the length is a plain number"));
        }
        let length = length
            .parse::<u8>()
            .map_err(|_| error("an IPv4 length is 0 to 32, an IPv6 length 0 to 128"))?;
        Self::new(address, length)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_by_text!(Prefix);
