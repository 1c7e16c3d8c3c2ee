use super::*;

fn link(index: u32, name: &str, up: bool) -> LinkRow {
    LinkRow { index, name: name.into(), up, carrier: up, loopback: name == "lo" }
}

fn address(link: u32, address: &str, length: u8) -> AddressRow {
    let address = address.parse().unwrap();
    AddressRow { link, address, length, own: address }
}

fn links() -> Links {
    let links = [
        link(1, "lo", true),
        link(2, "eth0", true),
        link(3, "eth1", true),
        link(4, "down0", false),
    ];
    let addresses = [
        address(2, "10.0.0.1", 8),
        address(3, "10.1.0.1", 16),
        address(3, "2001:db8::1", 64),
        address(2, "fe80::1", 64),
        address(4, "10.1.1.1", 24),
        address(4, "10.0.0.1", 8),
    ];
    Links::new(&links, &addresses)
}

fn via(address: &str) -> Hop {
    Hop::via(address.parse().unwrap())
}

#[test]
fn a_hop_is_on_the_link_whose_smallest_network_holds_it() {
    let links = links();
    let eth0 = || "eth0".parse().unwrap();
    let cases = [
        (via("10.2.0.9"), true, Ok(Some(2))),
        (via("10.1.0.9"), true, Ok(Some(3))),
        // One that is down counts where no other has the network: the kernel says what it thinks.
        (via("10.1.1.9"), true, Ok(Some(4))),
        // The kernel decides.
        (via("192.0.2.1"), true, Ok(None)),
        (via("2001:db8::9"), true, Ok(Some(3))),
        (via("2001:db8::9"), false, Ok(Some(3))),
        (via("fe80::9"), false, Ok(None)),
        (via("fe80::9").on(eth0()), false, Ok(Some(2))),
        (Hop::link(eth0()), true, Ok(Some(2))),
        (via("10.1.0.9").on(eth0()), true, Ok(Some(2))),
        (
            via("10.2.0.9"),
            false,
            Err("an IPv6 prefix can't be reached through 10.2.0.9, an IPv4 router"),
        ),
        (Hop::link("nope".parse().unwrap()), true, Err("there is no link `nope`")),
        (
            Hop { onlink: true, ..via("192.0.2.1") },
            true,
            Err("192.0.2.1 is to be on a link, and none is named"),
        ),
    ];
    for (hop, v4, expected) in cases {
        let found = links.resolve(&HopSet::of(hop.clone()), v4);
        let found = found.map(|hops| hops[0].link);
        assert_eq!(found, expected.map_err(str::to_owned), "{hop}");
    }
}

#[test]
fn hops_that_lead_nowhere_are_left_out_where_others_are_left() {
    let nowhere = Hop::link("nope".parse().unwrap());
    let hops = HopSet::new([via("10.1.0.9").weighing(7), nowhere]).unwrap();
    let found = links().resolve(&hops, true).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].link, found[0].weight), (Some(3), 1));
}
