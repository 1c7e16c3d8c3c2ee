use std::collections::BTreeSet;
use std::net::IpAddr;

use super::pick::{connected, once_each, route};
use super::*;
use crate::fib::To;
use crate::hop::KernelHop;
use crate::wire::{AddressRow, LinkRow, RouteRow};

fn links() -> Vec<LinkRow> {
    let all = [("lo", 1, true), ("eth0", 2, true), ("br100", 3, true), ("off0", 4, false)];
    let row = |(name, index, up): (&str, u32, bool)| {
        let (name, loopback) = (name.to_owned(), name == "lo");
        LinkRow { index, name, up, carrier: up, loopback }
    };
    all.into_iter().map(row).collect()
}

fn address(link: u32, address: &str, length: u8) -> AddressRow {
    let address = address.parse().unwrap();
    AddressRow { link, address, length, own: address }
}

fn everything() -> SourceSpec {
    SourceSpec {
        connected: true,
        fixed: true,
        all: true,
        not_on: BTreeSet::from(["br100".parse().unwrap()]),
        not_of: BTreeSet::from([82, 99]),
    }
}

fn own(prefix: &str, origin: Origin, metric: u32) -> OwnPrefix {
    OwnPrefix { prefix: prefix.parse().unwrap(), origin, metric }
}

#[test]
fn connected_networks_are_those_of_links_that_are_up() {
    let addresses = [
        address(1, "127.0.0.1", 8),
        address(1, "192.0.2.1", 32),
        address(2, "10.1.2.3", 24),
        address(2, "169.254.7.7", 16),
        address(2, "2001:db8::1", 64),
        address(2, "fe80::1", 64),
        address(3, "10.100.0.1", 24),
        address(4, "10.4.0.1", 24),
        address(9, "10.9.0.1", 24),
    ];
    let expected =
        [own("10.1.2.0/24", Origin::Connected, 0), own("2001:db8::/64", Origin::Connected, 0)];
    assert_eq!(connected(&everything(), &links(), &addresses), expected);
    let fixed = SourceSpec { connected: false, all: false, ..everything() };
    assert_eq!(connected(&fixed, &links(), &addresses), []);
    let with_bridges = SourceSpec { not_on: BTreeSet::new(), ..everything() };
    assert_eq!(connected(&with_bridges, &links(), &addresses).len(), 3);
}

#[test]
fn routes_are_told_by_who_put_them_and_where_they_lead() {
    let over = |link: u32| {
        let via: IpAddr = "10.1.2.9".parse().unwrap();
        KernelHop { via: Some(via), link: Some(link), onlink: false, v6: false, weight: 1 }
    };
    let hops = |links: &[u32]| To::Hops(links.iter().map(|link| over(*link)).collect());
    let row = |prefix: &str, protocol, to| RouteRow {
        prefix: prefix.parse().unwrap(),
        priority: 100,
        protocol,
        special: false,
        to,
        again: None,
    };
    let p = "10.7.0.0/16";
    let cases = [
        (row(p, 4, hops(&[2])), Some(Origin::Static), Some(Origin::Static)),
        (row(p, 3, hops(&[2])), Some(Origin::Static), Some(Origin::Static)),
        (row("0.0.0.0/0", 16, hops(&[2])), Some(Origin::Static), Some(Origin::Static)),
        // Of another daemon.
        (row(p, 186, hops(&[2])), Some(Origin::Other), None),
        (row(p, 186, To::Object(7)), Some(Origin::Other), None),
        // Ours.
        (row(p, 82, hops(&[2])), None, None),
        (row(p, 99, hops(&[2])), None, None),
        // Read from addresses.
        (row(p, 2, hops(&[2])), None, None),
        // Over a link that is left out, and not over it alone.
        (row(p, 4, hops(&[3])), None, None),
        (row(p, 4, hops(&[2, 3])), Some(Origin::Static), Some(Origin::Static)),
        (row(p, 4, hops(&[1])), None, None),
        (row(p, 4, To::Blackhole), None, None),
        (row("fe80::/64", 4, hops(&[2])), None, None),
        (RouteRow { special: true, ..row(p, 4, hops(&[2])) }, None, None),
    ];
    let fixed = SourceSpec { all: false, ..everything() };
    for (row, all, only_fixed) in cases {
        let told = |spec: &SourceSpec| route(spec, &links(), &row).map(|own| own.origin);
        assert_eq!((told(&everything()), told(&fixed)), (all, only_fixed), "{row:?}");
    }
}

#[test]
fn a_prefix_is_told_once_and_not_more_than_fit() {
    let picked = vec![
        own("10.0.0.0/8", Origin::Other, 1),
        own("10.0.0.0/8", Origin::Static, 200),
        own("10.0.0.0/8", Origin::Static, 100),
        own("10.1.0.0/16", Origin::Connected, 0),
        own("10.1.0.0/16", Origin::Static, 0),
    ];
    let expected =
        [own("10.0.0.0/8", Origin::Static, 100), own("10.1.0.0/16", Origin::Connected, 0)];
    assert_eq!(once_each(picked), (BTreeSet::from(expected), 0));
    let n = u32::try_from(MAX_FOUND).unwrap() + 2;
    let many = (0..n).map(|n| {
        let prefix = Prefix::host(IpAddr::from(n.to_be_bytes()));
        OwnPrefix { prefix, origin: Origin::Other, metric: 0 }
    });
    let (told, n_left_out) = once_each(many.collect());
    assert_eq!((told.len(), n_left_out), (MAX_FOUND, 2));
}
