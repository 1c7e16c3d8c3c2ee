use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use rutter_route::Prefix;

use super::{Acl, AclConfig, PrefixSet};

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn local_comes_first_then_deny_then_allow_then_the_default() {
    let (v4, v6) = ("198.51.100.0/24", "2001:db8::/32");
    let config = |allow_others, allow_local| AclConfig {
        allow_others,
        allow_local,
        allow: prefixes(&[v4, v6, "10.0.0.0/8"]),
        deny: prefixes(&["198.51.100.7/32", "2001:db8:bad::/48", "127.0.0.0/8", "10.6.0.0/16"]),
    };
    // The address, and whether it is let in: by default or not, local or not.
    let cases = [
        ("198.51.100.1", [true, true, true, true]),
        ("198.51.100.7", [false, false, false, false]),
        ("::ffff:198.51.100.7", [false, false, false, false]),
        ("203.0.113.1", [true, true, false, false]),
        ("2001:db8::1", [true, true, true, true]),
        ("2001:db8:bad::1", [false, false, false, false]),
        ("2001:db9::1", [true, true, false, false]),
        ("127.0.0.1", [true, false, true, false]),
        ("10.6.0.1", [true, false, true, false]),
        ("10.7.0.1", [true, true, true, true]),
        ("fe80::1", [true, true, true, false]),
    ];
    for (address, wanted) in cases {
        let settings = [(true, true), (true, false), (false, true), (false, false)];
        for ((others, local), wanted) in settings.into_iter().zip(wanted) {
            let acl = Acl::new(&config(others, local));
            let let_in = acl.lets_in(address.parse().unwrap());
            assert_eq!(let_in, wanted, "{address}, others {others}, local {local}");
        }
    }
}

#[test]
fn by_default_everybody_is_let_in() {
    let acl = Acl::new(&AclConfig::default());
    assert!(acl.lets_in("203.0.113.1".parse().unwrap()));
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        // Few bits vary, so that prefixes and addresses meet.
        (0_u32..16, 0_u32..16).prop_map(|(a, b)| Ipv4Addr::from_bits(a << 28 | b).into()),
        (0_u128..16, 0_u128..16).prop_map(|(a, b)| Ipv6Addr::from_bits(a << 124 | b).into()),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (address(), 0_u8..=128).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        Prefix::truncated(address, length.min(most)).unwrap()
    })
}

proptest! {
    #[test]
    fn a_set_holds_what_one_of_its_prefixes_holds(
        prefixes in prop::collection::vec(prefix(), 0..8), address in address(),
    ) {
        let one_by_one = prefixes.iter().any(|p| p.contains_address(address));
        prop_assert_eq!(PrefixSet::new(&prefixes).contains(address), one_by_one);
    }
}
