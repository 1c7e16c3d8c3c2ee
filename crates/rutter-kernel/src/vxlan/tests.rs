mod kernel;
mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::plan::{self, Machine, Plan, Request};
use super::*;
use crate::wire::{AddressRow, Device, DeviceRow, FloodRow, LinkRow, VxlanDevice};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn head_end(peers: &[&str]) -> Flooding {
    Flooding::HeadEnd(peers.iter().map(|peer| ip(peer).into()).collect())
}

fn row(index: u32, name: &str, mtu: u32, what: Device) -> DeviceRow {
    let link = LinkRow { index, name: name.into(), up: true, carrier: true, loopback: false };
    DeviceRow { link, mac: None, mtu, master: None, note: String::new(), what }
}

/// `eth0` (index 2) with 10.66.0.1, 10.66.0.9 and two addresses of IPv6, `br100` (3), `vx100` (4)
/// as it is wanted with one peer.
fn machine() -> Machine {
    let there = VxlanDevice {
        vni: 100,
        port: 4789,
        learning: false,
        local: Some(ip("10.66.0.1")),
        group: None,
        below: Some(2),
    };
    let vx100 = DeviceRow { master: Some(3), ..row(4, "vx100", 1450, Device::Vxlan(there)) };
    let devices = [
        row(2, "eth0", 1500, Device::Other(String::new())),
        row(3, "br100", 1450, Device::Bridge { stp: false }),
        vx100,
        row(5, "bare0", 1500, Device::Other("veth".into())),
    ];
    let own = ["fe80::1", "10.66.0.1", "10.66.0.9", "2001:db8::1", "2001:db8::9"];
    let address = |own: &str| {
        let address = ip(own);
        let length = if address.is_ipv4() { 24 } else { 64 };
        AddressRow { link: 2, address, length, own: address }
    };
    let mut addresses: Vec<AddressRow> = own.into_iter().map(address).collect();
    addresses.push(AddressRow { link: 3, ..address("10.100.0.1") });
    Machine {
        devices: devices.into_iter().map(|row| (row.link.name.clone(), row)).collect(),
        addresses,
        flood: BTreeMap::from([(4, BTreeSet::from([FloodRow::to(ip("10.66.0.2"))]))]),
        were_up: BTreeSet::new(),
    }
}

fn wanted() -> OverlayLink {
    OverlayLink {
        vni: 100,
        vxlan: Vxlan {
            name: "vx100".parse().unwrap(),
            port: 4789,
            learning: false,
            mtu: Some(1450),
            underlay: Some("eth0".parse().unwrap()),
            preferred: Vec::new(),
            prefers_v6: false,
            flooding: head_end(&["10.66.0.2"]),
        },
        bridge: Bridge {
            name: "br100".parse().unwrap(),
            addresses: vec!["10.100.0.1/24".parse().unwrap()],
        },
    }
}

fn planned(wanted: &OverlayLink, machine: &Machine) -> Plan {
    plan::overlay(wanted, None, machine, false)
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.requests.iter().map(Request::what).collect()
}

fn vxlan_mut(machine: &mut Machine) -> &mut VxlanDevice {
    match &mut machine.devices.get_mut("vx100").unwrap().what {
        Device::Vxlan(vxlan) => vxlan,
        _ => unreachable!(),
    }
}

#[test]
fn what_is_right_is_left_as_it_is() {
    let plan = planned(&wanted(), &machine());
    assert_eq!(shown(&plan), Vec::<String>::new());
    assert_eq!((plan.mistake, plan.remark), (None, None));
    assert_eq!((plan.has_bridge, plan.has_vxlan, plan.n_flood), (true, true, 1));
    assert_eq!(plan.mtu, Some(1450));
}

#[test]
fn what_differs_is_changed_while_the_link_lives_or_the_link_is_made_anew() {
    type Change = fn(&mut VxlanDevice);
    let anew = ["remove `vx100`", "make the VXLAN `vx100`"];
    let in_place = ["change the VXLAN `vx100`"];
    let cases: [(Change, &[&str]); 9] = [
        (|vxlan| vxlan.vni = 101, &anew),
        (|vxlan| vxlan.port = 8472, &anew),
        (|vxlan| vxlan.group = Some(ip("10.66.0.2")), &anew),
        (|vxlan| vxlan.local = Some(ip("2001:db8::1")), &anew),
        (|vxlan| vxlan.learning = true, &in_place),
        (|vxlan| vxlan.local = Some(ip("10.66.0.77")), &in_place),
        (|vxlan| vxlan.local = None, &in_place),
        (|vxlan| vxlan.below = None, &in_place),
        // Another of the underlay's addresses is as good.
        (|vxlan| vxlan.local = Some(ip("10.66.0.9")), &[]),
    ];
    for (change, expected) in cases {
        let mut machine = machine();
        change(vxlan_mut(&mut machine));
        let before = format!("{:?}", vxlan_mut(&mut machine));
        assert_eq!(shown(&planned(&wanted(), &machine)), expected, "{before}");
        if expected == in_place {
            let refused = plan::overlay(&wanted(), None, &machine, true);
            assert_eq!(shown(&refused), anew, "the kernel refused: {before}");
        }
    }
}

#[test]
fn the_links_address_is_the_first_of_the_underlay_by_family() {
    let made = |wanted: &OverlayLink, machine: &Machine| {
        let mut machine = machine.clone();
        machine.devices.remove("vx100");
        let plan = planned(wanted, &machine);
        match plan.requests.as_slice() {
            [Request::MakeVxlan { mtu, vxlan, .. }] => Ok((vxlan.local, *mtu)),
            _ => Err(plan.mistake),
        }
    };
    let mut no_mtu = wanted();
    no_mtu.vxlan.mtu = None;
    assert_eq!(made(&no_mtu, &machine()), Ok((Some(ip("10.66.0.1")), 1450)));
    no_mtu.vxlan.prefers_v6 = true;
    assert_eq!(made(&no_mtu, &machine()), Ok((Some(ip("2001:db8::1")), 1430)));
    no_mtu.vxlan.prefers_v6 = false;
    let mut only_v6 = machine();
    only_v6.addresses.retain(|row| row.link != 2 || row.own.is_ipv6());
    assert_eq!(made(&no_mtu, &only_v6), Ok((Some(ip("2001:db8::1")), 1430)));
    let mut only_local = machine();
    only_local.addresses.retain(|row| row.link != 2 || row.own == ip("fe80::1"));
    let why = "`eth0`, the link below it, has no address".to_owned();
    assert_eq!(made(&no_mtu, &only_local), Err(Some(why)));
    // A group of the other family is never reached from there.
    let mut group = no_mtu.clone();
    group.vxlan.flooding = Flooding::Multicast(ip("ff05::100"));
    assert_eq!(made(&group, &machine()), Ok((Some(ip("2001:db8::1")), 1430)));
    // Without an underlay the kernel chooses.
    let mut any = no_mtu.clone();
    any.vxlan.underlay = None;
    assert_eq!(made(&any, &machine()), Ok((None, 1450)));
    any.vxlan.prefers_v6 = true;
    assert_eq!(made(&any, &machine()), Ok((Some(ip("::")), 1450)));
    // But for one that is preferred: the first that is there.
    any.vxlan.prefers_v6 = false;
    any.vxlan.preferred = vec!["eth9".parse().unwrap(), "eth0".parse().unwrap()];
    assert_eq!(made(&any, &machine()), Ok((Some(ip("10.66.0.1")), 1450)));
}

#[test]
fn an_mtu_that_does_not_fit_is_cut_and_told() {
    let mut machine = machine();
    machine.devices.get_mut("eth0").unwrap().mtu = 1400;
    let plan = planned(&wanted(), &machine);
    assert_eq!(shown(&plan), ["set the MTU of `vx100` to 1350"]);
    let remark = "an MTU of 1450 doesn't fit: `eth0` has 1400 and VXLAN takes 50, so it is 1350";
    assert_eq!(plan.remark.as_deref(), Some(remark));
    // A smaller one than fits is what was asked for.
    machine.devices.get_mut("eth0").unwrap().mtu = 9000;
    let plan = planned(&wanted(), &machine);
    assert_eq!((shown(&plan), plan.remark), (vec![], None));
}

#[test]
fn entries_follow_the_peers_and_what_is_odd_goes() {
    let mut machine = machine();
    let odd = FloodRow { port: Some(1), ..FloodRow::to(ip("10.66.0.3")) };
    machine.flood.get_mut(&4).unwrap().insert(odd);
    let mut two = wanted();
    two.vxlan.flooding = head_end(&["10.66.0.3", "10.66.0.4"]);
    let plan = planned(&two, &machine);
    let expected = [
        "have `vx100` copy frames to 10.66.0.3",
        "have `vx100` copy frames to 10.66.0.4",
        "have `vx100` copy no frames to 10.66.0.2",
        "have `vx100` copy no frames to 10.66.0.3",
    ];
    assert_eq!(shown(&plan), expected);
    assert_eq!(plan.n_flood, 0);
    // One is reached over another link, of one the link is gone; the rest goes on.
    let over = |address, link: &str| Remote { address, over: Some(link.parse().unwrap()) };
    let peers = [over(ip("10.66.0.2"), "bare0"), over(ip("10.66.0.5"), "gone0")];
    two.vxlan.flooding = Flooding::HeadEnd(BTreeSet::from(peers));
    let plan = planned(&two, &machine);
    assert_eq!(plan.mistake.as_deref(), Some("there is no link `gone0` to 10.66.0.5"));
    let entry = FloodRow { below: Some(5), ..FloodRow::to(ip("10.66.0.2")) };
    assert!(matches!(plan.requests[0], Request::AddFlood { row, .. } if row == entry));
    assert_eq!(plan.requests.len(), 3);
    // In a multicast overlay entries are the kernel's.
    vxlan_mut(&mut machine).group = Some(ip("239.0.0.1"));
    two.vxlan.flooding = Flooding::Multicast(ip("239.0.0.1"));
    assert_eq!(shown(&planned(&two, &machine)), Vec::<String>::new());
    let many =
        (0..=u32::try_from(MAX_PEERS).unwrap()).map(|n| IpAddr::from(n.to_be_bytes()).into());
    two = wanted();
    two.vxlan.flooding = Flooding::HeadEnd(many.collect());
    let plan = planned(&two, &self::machine());
    assert_eq!(plan.mistake.as_deref(), Some("there are 4097 peers, and 4096 at most"));
    assert_eq!(plan.requests, []);
}

#[test]
fn a_bridge_that_others_made_gets_addresses_and_nothing_else_unless_it_is_managed() {
    let mut found = machine();
    let bridge = found.devices.get_mut("br100").unwrap();
    (bridge.link.up, bridge.mtu) = (false, 1500);
    found.addresses.retain(|row| row.link != 3);
    let plan = planned(&wanted(), &found);
    assert_eq!(shown(&plan), ["give `br100` 10.100.0.1/24"]);
    let remark = "the bridge `br100` is down, and is left so: others made it";
    assert_eq!(plan.remark.as_deref(), Some(remark));

    let managed = ManagedBridge { name: "br100".parse().unwrap(), stp: true, mtu: Some(1400) };
    let plan = plan::overlay(&wanted(), Some(&managed), &found, false);
    assert_eq!((shown(&plan).len(), plan.remark), (1, None));
    let expected =
        ["set the spanning tree of `br100`", "set the MTU of `br100` to 1400", "set `br100` up"];
    assert_eq!(shown(&plan::bridge(&managed, &found, true)), expected);

    // One that was up carries the overlay, whoever made it.
    found.were_up.insert(3);
    let plan = planned(&wanted(), &found);
    assert_eq!(shown(&plan), ["set `br100` up", "give `br100` 10.100.0.1/24"]);
    found.were_up.clear();

    // One that was made here is set up again.
    found.devices.get_mut("br100").unwrap().note = NOTE.into();
    let plan = planned(&wanted(), &found);
    assert_eq!(shown(&plan), ["set `br100` up", "give `br100` 10.100.0.1/24"]);
}

#[test]
fn a_link_of_another_kind_is_left_alone() {
    type Change = fn(&mut OverlayLink);
    let mistake = |change: Change| {
        let mut wanted = wanted();
        change(&mut wanted);
        let plan = planned(&wanted, &machine());
        (plan.mistake.clone().unwrap(), shown(&plan))
    };
    let cases: [(Change, &str); 4] = [
        (
            |wanted| wanted.vxlan.name = "bare0".parse().unwrap(),
            "`bare0` is no VXLAN but a link of kind `veth`, and is left alone",
        ),
        (
            |wanted| wanted.vxlan.name = "br100".parse().unwrap(),
            "`br100` is no VXLAN but a bridge, and is left alone",
        ),
        (
            |wanted| wanted.bridge.name = "eth0".parse().unwrap(),
            "`eth0` is no bridge but hardware, and is left alone",
        ),
        (
            |wanted| wanted.vxlan.underlay = Some("eth9".parse().unwrap()),
            "there is no link `eth9` below it",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(mistake(change), (expected.to_owned(), vec![]));
    }
    let managed = |name: &str| ManagedBridge { name: name.parse().unwrap(), stp: false, mtu: None };
    let plan = plan::bridge(&managed("eth0"), &machine(), false);
    assert!(plan.mistake.is_some_and(|why| why.starts_with("`eth0` is no bridge")));
    let plan = plan::bridge(&managed("br7"), &machine(), false);
    assert_eq!(plan.mistake.as_deref(), Some("there is no bridge `br7` to manage"));
    assert_eq!(plan::bridge(&managed("br7"), &machine(), true), Plan::default());
}
