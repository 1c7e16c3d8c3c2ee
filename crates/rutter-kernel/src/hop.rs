//! Next hops: as they are wanted, by address and link name, and as the kernel knows them, by link
//! index.
//!
//! A wanted hop names its link, because a link that is made anew has another index: whoever holds
//! an index holds a route through a link that is gone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use rutter_route::ParseError;

/// The most next hops of one route; what is over it gets no share of the traffic.
pub const MAX_HOPS: usize = 64;

/// The greatest weight that the kernel takes on every version; a set with a greater one is scaled.
const MAX_WEIGHT: u16 = 256;

/// A link's name: 1 to 15 bytes, no `/`, no white space, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(Arc<str>);

impl LinkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let valid = (1..=15).contains(&text.len())
            && !matches!(text, "." | "..")
            && !text.contains(['/', ':', '\0'])
            && !text.contains(char::is_whitespace);
        if !valid {
            return Err(ParseError::new(
                "link name",
                text,
                "1 to 15 bytes without slashes, colons and spaces",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A next hop as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// The router's address; `None`: the destination is on the link itself.
    pub via: Option<IpAddr>,
    /// The link; `None`: the one whose network holds `via`, or as the kernel decides.
    pub link: Option<LinkName>,
    /// The router is on the link though no network of the link holds its address.
    pub onlink: bool,
    /// Its share of the traffic among the route's hops, at least 1.
    pub weight: u16,
}

impl Hop {
    /// A router.
    pub fn via(address: IpAddr) -> Self {
        Self { via: Some(address), link: None, onlink: false, weight: 1 }
    }

    /// A link to which the destination is connected.
    pub fn link(name: LinkName) -> Self {
        Self { via: None, link: Some(name), onlink: false, weight: 1 }
    }

    /// The same on a link.
    pub fn on(self, name: LinkName) -> Self {
        Self { link: Some(name), ..self }
    }

    /// The same with a weight.
    pub fn weighing(self, weight: u16) -> Self {
        Self { weight, ..self }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.via, &self.link) {
            (Some(via), Some(link)) => write!(f, "{via} on {link}"),
            (Some(via), None) => via.fmt(f),
            (None, Some(link)) => link.fmt(f),
            (None, None) => f.write_str("nowhere"),
        }
    }
}

/// The hops of one route: sorted, each once, [`MAX_HOPS`] at most, weights the kernel takes.
/// Cheap to clone: a million routes share a handful.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopSet(Arc<[Hop]>);

impl HopSet {
    /// A set. Of those alike in all but weight the weights are added. `None`: there is no hop.
    pub fn new(hops: impl IntoIterator<Item = Hop>) -> Option<Self> {
        let mut hops: Vec<Hop> = hops.into_iter().take(MAX_HOPS).collect();
        hops.sort();
        hops.dedup_by(|next, kept| {
            let same = (next.via, &next.link, next.onlink) == (kept.via, &kept.link, kept.onlink);
            if same {
                kept.weight = kept.weight.saturating_add(next.weight);
            }
            same
        });
        scale(&mut hops);
        (!hops.is_empty()).then(|| Self(hops.into()))
    }

    /// A set of one.
    pub fn of(hop: Hop) -> Self {
        Self([Hop { weight: 1, ..hop }].into())
    }

    /// The hops in order.
    pub fn iter(&self) -> impl Iterator<Item = &Hop> {
        self.0.iter()
    }
}

/// A sole hop weighs 1; in a set the greatest weight is [`MAX_WEIGHT`] at most, the least 1.
fn scale(hops: &mut [Hop]) {
    let greatest = hops.iter().map(|hop| hop.weight).max().unwrap_or(1);
    if let [sole] = hops {
        sole.weight = 1;
        return;
    }
    for hop in hops {
        if greatest > MAX_WEIGHT {
            let scaled = u32::from(hop.weight) * u32::from(MAX_WEIGHT) / u32::from(greatest);
            hop.weight = u16::try_from(scaled).unwrap_or(MAX_WEIGHT);
        }
        hop.weight = hop.weight.max(1);
    }
}

/// A hop as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KernelHop {
    /// The router's address.
    pub(crate) via: Option<IpAddr>,
    /// The link's index; `None`: the kernel decides, which only a plain route may ask for.
    pub(crate) link: Option<u32>,
    /// The router is on the link in any case.
    pub(crate) onlink: bool,
    /// Whether this is a hop of IPv6: by `via`, and without it by the destination.
    pub(crate) v6: bool,
    /// Its share.
    pub(crate) weight: u16,
}

impl KernelHop {
    /// Whether a hop found in the kernel is this one. The kernel fills in the link that it chose.
    pub(crate) fn is_met_by(&self, found: &Self) -> bool {
        (self.via, self.onlink, self.weight) == (found.via, found.onlink, found.weight)
            && (self.link.is_none() || self.link == found.link)
    }
}

/// Sorted hops as the kernel knows them.
pub(crate) type KernelHops = Arc<[KernelHop]>;

#[cfg(test)]
mod tests;
