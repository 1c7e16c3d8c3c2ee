//! Who is let in at all, by address: asked before anything else is done for a client.
//!
//! **The order.** An address of this machine's neighbourhood (loopback, private, link-local) is let
//! in if `allow_local` says so; then `deny` is looked at, then `allow`, and what stands in neither
//! gets the default. So an address that is in both lists is denied: whoever denies a part of what is
//! allowed means it, and the other way round nothing is lost by writing the lists apart.
//!
//! **Where it is asked.** At every listener, streams among them; for UDP when a client's session
//! begins. Behind a load balancer that tells the client's address in a PROXY header, of that address,
//! and not of the load balancer's ([`crate::ProxyProtocolConfig`]). What `X-Forwarded-For` says is
//! no ground here: it comes with a request, and by then a connection has been served.
//!
//! **Cost.** One look-up in a hash set for each length of prefix in use, whatever their number.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use foldhash::quality::RandomState;
use rutter_route::Prefix;

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclConfig {
    /// Whether an address is let in that no list names.
    pub allow_others: bool,
    /// Whether local addresses are let in before any list is looked at: loopback, private networks
    /// (RFC 1918, RFC 4193) and link-local ones.
    pub allow_local: bool,
    /// Who is let in, unless denied.
    pub allow: Vec<Prefix>,
    /// Who isn't.
    pub deny: Vec<Prefix>,
}

impl Default for AclConfig {
    /// Everybody is let in.
    fn default() -> Self {
        Self { allow_others: true, allow_local: true, allow: Vec::new(), deny: Vec::new() }
    }
}

/// The same, to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Acl {
    allow_others: bool,
    allow_local: bool,
    allow: PrefixSet,
    deny: PrefixSet,
}

impl Acl {
    pub(crate) fn new(config: &AclConfig) -> Self {
        Self {
            allow_others: config.allow_others,
            allow_local: config.allow_local,
            allow: PrefixSet::new(&config.allow),
            deny: PrefixSet::new(&config.deny),
        }
    }

    /// Whether a client of that address is let in.
    pub(crate) fn lets_in(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.allow_local && is_local(address) {
            return true;
        }
        if self.deny.contains(address) {
            return false;
        }
        self.allow_others || self.allow.contains(address)
    }
}

/// Whether an address is of this machine or of a network that isn't the public one.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Prefixes, asked whether one of them holds an address.
#[derive(Debug, Clone)]
struct PrefixSet {
    /// The lengths in use, as those of IPv6.
    lengths: Vec<u8>,
    known: HashSet<(u8, u128), RandomState>,
}

impl PrefixSet {
    fn new(prefixes: &[Prefix]) -> Self {
        let of = |p: &Prefix| (p.mapped_length(), p.mapped_bits());
        let lengths: BTreeSet<u8> = prefixes.iter().map(Prefix::mapped_length).collect();
        Self { lengths: lengths.into_iter().collect(), known: prefixes.iter().map(of).collect() }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let bits = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        // A prefix of length 0 is `::/0`, and holds every address of IPv6 alone.
        let is_v4 = address.is_ipv4();
        self.lengths.iter().any(|length| {
            let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
            (*length >= 96 || !is_v4) && self.known.contains(&(*length, bits & mask))
        })
    }
}

#[cfg(test)]
mod tests;
