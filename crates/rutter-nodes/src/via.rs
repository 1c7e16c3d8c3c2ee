//! 4via6: IPv4 networks of many sites that overlap, each under an IPv6 prefix of its own.
//!
//! ```text
//!   fd7a:115c:a1e0:0b1a : 0000:ssss : aaaa:aaaa
//!   64 bits, fixed        site        IPv4 address        a /n of IPv4 is a /(96+n)
//! ```
//!
//! A router of the site advertises the IPv6 prefix like any other, so approval, election and
//! policy need to know nothing of it. What is here is arithmetic and names; who translates is the
//! router. The address plan is Tailscale's, so prefixes that are in use stay as they are.
//!
//! The field of the site has 32 bits, of which Tailscale takes 16; so do we, and a prefix with more
//! is refused as not ours, since its routers would drop what is sent there.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rutter_route::{NodeId, ParseError, Prefix};

/// The first 64 bits of every 4via6 address.
const PLAN: u128 = 0xfd7a_115c_a1e0_0b1a << 64;

/// The number of a site, 0 to 65535. 0 is taken, but better left alone: a forgotten number looks
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u16);

impl FromStr for SiteId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hex = text.strip_prefix("0x").map(|digits| u16::from_str_radix(digits, 16));
        let plain = || text.bytes().all(|b| b.is_ascii_digit());
        let number = hex.or_else(|| plain().then(|| text.parse())).and_then(Result::ok);
        let expected = "a number from 0 to 65535, such as `7` or `0xbb`";
        number.map(Self).ok_or_else(|| ParseError::new("site", text, expected))
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An IPv4 network of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Via {
    site: SiteId,
    network: Prefix,
}

impl Via {
    /// A network of a site.
    ///
    /// # Errors
    /// The network is not IPv4.
    pub fn new(site: SiteId, network: Prefix) -> Result<Self, ParseError> {
        if !network.is_v4() {
            let expected = "an IPv4 network, such as `10.1.1.0/24`";
            return Err(ParseError::new("network of a site", &network.to_string(), expected));
        }
        Ok(Self { site, network })
    }

    /// The site.
    pub fn site(&self) -> SiteId {
        self.site
    }

    /// The IPv4 network.
    pub fn network(&self) -> Prefix {
        self.network
    }

    /// The prefix under which it is advertised.
    pub fn prefix(&self) -> Prefix {
        let address = match self.network.address() {
            IpAddr::V4(v4) => address(self.site, v4),
            IpAddr::V6(v6) => v6,
        };
        #[allow(clippy::expect_used, reason = "an IPv4 length is 32 at most, and 128 is a length")]
        Prefix::truncated(address.into(), 96 + self.network.length()).expect("at most 128")
    }

    /// The network that a prefix stands for.
    ///
    /// # Errors
    /// A prefix that is none of the plan, is shorter than a site, or names a site over 65535.
    pub fn of_prefix(prefix: &Prefix) -> Result<Self, ParseError> {
        let error = |why: &str| ParseError::new("4via6 prefix", &prefix.to_string(), why);
        let bits = prefix.mapped_bits();
        if prefix.is_v4() || bits >> 64 != PLAN >> 64 {
            return Err(error("it lies in `fd7a:115c:a1e0:b1a::/64`"));
        }
        let Some(length) = prefix.length().checked_sub(96) else {
            return Err(error("a length of 96 to 128: a shorter one is many sites"));
        };
        let site = u16::try_from((bits >> 32) as u32);
        let site = site.map_err(|_| error("a site is a number from 0 to 65535"))?;
        let network = Prefix::truncated(Ipv4Addr::from(bits as u32).into(), length)?;
        Self::new(SiteId(site), network)
    }
}

/// Reads a prefix of the plan.
impl FromStr for Via {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::of_prefix(&text.parse()?)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prefix().fmt(f)
    }
}

/// The address of one IPv4 address of a site.
pub fn address(site: SiteId, v4: Ipv4Addr) -> Ipv6Addr {
    let (site, v4) = (u128::from(site.0), u128::from(u32::from(v4)));
    Ipv6Addr::from(PLAN | site << 32 | v4)
}

/// The name of one IPv4 address of a site, such as `10-1-1-16-via-7`.
pub fn name(site: SiteId, v4: Ipv4Addr) -> String {
    let [a, b, c, d] = v4.octets();
    format!("{a}-{b}-{c}-{d}-via-{site}")
}

/// The address that such a name stands for. The domain behind it, if there is one, is the caller's.
///
/// # Errors
/// Any other name; numbers are plain, so a name has one form.
pub fn resolve(text: &str) -> Result<Ipv6Addr, ParseError> {
    let error = || ParseError::new("4via6 name", text, "a name such as `10-1-1-16-via-7`");
    let (host, site) = text.split_once("-via-").ok_or_else(error)?;
    let v4: Ipv4Addr = host.replace('-', ".").parse().map_err(|_| error())?;
    let site: SiteId = site.parse().map_err(|_| error())?;
    if name(site, v4) != text {
        return Err(error());
    }
    Ok(address(site, v4))
}

/// What looks wrong with what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// One site is announced for different networks by routers that share none: two places may
    /// have taken one number.
    SiteTwice {
        /// The site.
        site: SiteId,
        /// Who announces which of its networks.
        announced: BTreeMap<NodeId, Vec<Prefix>>,
    },
    /// Site 0 is used.
    SiteZero {
        /// By whom.
        node: NodeId,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SiteTwice { site, announced } => {
                write!(f, "site {site} is announced for different networks:")?;
                for (node, networks) in announced {
                    let networks: Vec<String> = networks.iter().map(Prefix::to_string).collect();
                    write!(f, " node {} has {};", node.0, networks.join(", "))?;
                }
                f.write_str(" give each place a number of its own")
            }
            Self::SiteZero { node } => {
                write!(f, "node {} announces site 0, which a forgotten number looks like", node.0)
            }
        }
    }
}

/// Looks over what nodes announce; prefixes that are none of the plan are passed over.
///
/// Routers of one place may announce parts of its networks, so two that have any address in common
/// are taken for one place.
pub fn check(announced: impl IntoIterator<Item = (NodeId, Prefix)>) -> Vec<Warning> {
    let mut sites: BTreeMap<SiteId, BTreeMap<NodeId, Vec<Prefix>>> = BTreeMap::new();
    for (node, prefix) in announced {
        if let Ok(via) = Via::of_prefix(&prefix) {
            sites.entry(via.site).or_default().entry(node).or_default().push(via.network);
        }
    }
    let mut warnings = Vec::new();
    for (site, announced) in sites {
        if site.0 == 0 {
            warnings.extend(announced.keys().map(|node| Warning::SiteZero { node: *node }));
        }
        let networks: Vec<&Vec<Prefix>> = announced.values().collect();
        let shares = |a: &[Prefix], b: &[Prefix]| a.iter().any(|p| b.iter().any(|q| p.overlaps(q)));
        let mut pairs = networks
            .iter()
            .enumerate()
            .flat_map(|(at, a)| networks.iter().skip(at + 1).map(move |b| (a, b)));
        if pairs.any(|(a, b)| !shares(a, b)) {
            warnings.push(Warning::SiteTwice { site, announced });
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
