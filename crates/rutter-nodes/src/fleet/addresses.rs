//! Addresses in the mesh: a node's number, counted within the prefixes that they are given from.
//!
//! So a node's address says which node it is as long as nobody else has it, and one that is free
//! again isn't given to the next who comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rutter_route::{NodeId, Prefix};

/// What may not be a node's: Tailscale's resolver, which clients know by heart.
const RESERVED: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(100, 100, 100, 100))];

/// How many addresses are tried before a prefix counts as full.
const TRIES: u128 = 1 << 17;

/// An address of each prefix for a node, the first from its number on that isn't taken; of a prefix
/// that is full none.
pub(super) fn of(
    id: NodeId,
    prefixes: &[Prefix],
    is_taken: impl Fn(&IpAddr) -> bool,
) -> Vec<IpAddr> {
    prefixes.iter().filter_map(|prefix| within(prefix, id, &is_taken)).collect()
}

fn within(prefix: &Prefix, id: NodeId, is_taken: impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let bits = if prefix.is_v4() { 32 } else { 128 };
    let host_bits = bits - u32::from(prefix.length());
    let size = 1u128.checked_shl(host_bits).unwrap_or(u128::MAX);
    let free = |address: &IpAddr| !RESERVED.contains(address) && !is_taken(address);
    // The first address is the network's.
    let mut numbers = (0..TRIES.min(size)).map(|n| (u128::from(id.0) + n) % size);
    numbers.by_ref().filter(|n| *n > 0).map(|n| at(prefix.address(), n)).find(free)
}

fn at(base: IpAddr, number: u128) -> IpAddr {
    match base {
        // Less than the prefix has, so it fits.
        IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() | number as u32).into(),
        IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() | number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_number_and_pass_over_what_is_taken() {
        let prefixes = ["100.64.0.0/10".parse().unwrap(), "fd7a:115c:a1e0::/48".parse().unwrap()];
        let text = |id, taken: &[&str]| -> Vec<String> {
            let taken: Vec<IpAddr> = taken.iter().map(|a| a.parse().unwrap()).collect();
            let given = of(NodeId(id), &prefixes, |a| taken.contains(a));
            given.iter().map(ToString::to_string).collect()
        };
        assert_eq!(text(1, &[]), ["100.64.0.1", "fd7a:115c:a1e0::1"]);
        assert_eq!(text(1, &["100.64.0.1", "100.64.0.2"]), ["100.64.0.3", "fd7a:115c:a1e0::1"]);
        // 100.100.100.100 is number 2,384,996 of its prefix.
        assert_eq!(text(2_384_996, &[])[0], "100.100.100.101");
        // Numbers go round in a prefix that is small, and one that is full gives none.
        let small: Prefix = "10.0.0.0/30".parse().unwrap();
        assert_eq!(of(NodeId(4), &[small], |_| false), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert!(of(NodeId(4), &[small], |_| true).is_empty());
    }
}
