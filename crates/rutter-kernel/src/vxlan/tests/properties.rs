//! Whatever is there and whatever is wanted: in a few rounds it is so, or it is said why not.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::kernel::Kernel;
use super::*;

/// As many as the keeper makes.
const ROUNDS: usize = 6;

fn any_vxlan() -> impl Strategy<Value = Device> {
    let local = prop_oneof![
        3 => Just(Some(ip("10.66.0.1"))),
        1 => Just(Some(ip("10.66.0.77"))),
        1 => Just(Some(ip("2001:db8::1"))),
        1 => Just(None),
    ];
    let group = prop_oneof![4 => Just(None), 1 => Just(Some(ip("239.0.0.1")))];
    let below = prop_oneof![3 => Just(Some(2)), 1 => Just(Some(5)), 1 => Just(None)];
    let vni = prop_oneof![4 => Just(100u32), 1 => Just(7)];
    (vni, prop_oneof![4 => Just(4789u16), 1 => Just(8472)], any::<bool>(), local, group, below)
        .prop_map(|(vni, port, learning, local, group, below)| {
            Device::Vxlan(VxlanDevice { vni, port, learning, local, group, below })
        })
}

fn any_device(index: u32, name: &'static str) -> impl Strategy<Value = Option<DeviceRow>> {
    let bridge = any::<bool>().prop_map(|stp| Device::Bridge { stp });
    let what = prop_oneof![
        4 => any_vxlan(),
        4 => bridge,
        1 => Just(Device::Other("veth".into())),
    ];
    let mtu = prop_oneof![Just(1450u32), Just(1400), Just(1500)];
    let master = prop_oneof![Just(None), Just(Some(3)), Just(Some(6))];
    let there = (what, mtu, master, any::<bool>(), any::<bool>());
    proptest::option::weighted(0.7, there).prop_map(move |there| {
        let (what, mtu, master, up, ours) = there?;
        let mut device = row(index, name, mtu, what);
        device.link.up = up;
        device.master = master.filter(|_| !matches!(device.what, Device::Bridge { .. }));
        device.note = if ours { NOTE.into() } else { String::new() };
        Some(device)
    })
}

fn any_machine() -> impl Strategy<Value = Machine> {
    let flood = proptest::collection::btree_set(
        prop_oneof![
            Just(FloodRow::to(ip("10.66.0.2"))),
            Just(FloodRow::to(ip("10.66.0.3"))),
            Just(FloodRow { port: Some(9), ..FloodRow::to(ip("10.66.0.2")) }),
        ],
        0..3,
    );
    let below_mtu = prop_oneof![2 => Just(1500u32), 1 => Just(1400)];
    let some = (any_device(4, "vx100"), any_device(3, "br100"), flood, below_mtu, any::<bool>());
    some.prop_map(|(vxlan, bridge, flood, below_mtu, has_address)| {
        let mut machine = machine();
        machine.devices.retain(|name, _| !["vx100", "br100"].contains(&name.as_str()));
        for device in [vxlan, bridge].into_iter().flatten() {
            machine.devices.insert(device.link.name.clone(), device);
        }
        machine.devices.get_mut("eth0").unwrap().mtu = below_mtu;
        machine.flood = [(4, flood)].into();
        if !has_address {
            machine.addresses.retain(|row| row.link != 3);
        }
        machine
    })
}

fn any_wanted() -> impl Strategy<Value = (OverlayLink, Option<ManagedBridge>)> {
    let flooding = prop_oneof![
        4 => Just(head_end(&["10.66.0.2", "10.66.0.4"])),
        1 => Just(head_end(&[])),
        1 => Just(Flooding::Multicast(ip("239.0.0.1"))),
    ];
    let underlay = prop_oneof![
        5 => Just(Some("eth0".parse().unwrap())),
        1 => Just(None),
        1 => Just(Some("gone0".parse().unwrap())),
    ];
    let mtu = prop_oneof![Just(None), Just(Some(1450u32)), Just(Some(1300))];
    let managed = proptest::option::of((any::<bool>(), mtu.clone()));
    (flooding, underlay, mtu, any::<bool>(), any::<bool>(), managed).prop_map(
        |(flooding, underlay, mtu, learning, prefers_v6, managed)| {
            let mut wanted = wanted();
            let vxlan = Vxlan { flooding, underlay, mtu, learning, prefers_v6, ..wanted.vxlan };
            wanted.vxlan = vxlan;
            let name = wanted.bridge.name.clone();
            (wanted, managed.map(|(stp, mtu)| ManagedBridge { name, stp, mtu }))
        },
    )
}

/// Plans and does until nothing is left to do. Says what is wrong by itself, and whether a VXLAN
/// was made anew.
fn settle(
    kernel: &mut Kernel,
    wanted: &OverlayLink,
    managed: Option<&ManagedBridge>,
) -> (Option<String>, bool) {
    let (mut anew, mut was_deleted) = (false, false);
    for _ in 0..ROUNDS {
        let plan = plan::overlay(wanted, managed, &kernel.machine, anew);
        let mut requests = plan.requests;
        if let Some(managed) = managed {
            requests.extend(plan::bridge(managed, &kernel.machine, true).requests);
        }
        if requests.is_empty() {
            return (plan.mistake, was_deleted);
        }
        for request in &requests {
            was_deleted |= matches!(request, Request::Delete { .. });
            anew |= !kernel.take(request);
        }
    }
    panic!("it doesn't settle: {:?}", kernel.machine);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever links are there: in the end they are what is wanted, or it is said why not; links of
    /// other kinds are as they were, and so are bridges that others made, but for addresses.
    #[test]
    fn links_end_as_they_are_wanted(
        machine in any_machine(),
        (wanted, managed) in any_wanted(),
        rigid in any::<bool>(),
    ) {
        let before = machine.clone();
        let mut kernel = Kernel::new(machine, rigid);
        let (mistake, was_deleted) = settle(&mut kernel, &wanted, managed.as_ref());
        let now = &kernel.machine;

        for (name, device) in &before.devices {
            let kept = now.devices.get(name);
            match (&device.what, name.as_str()) {
                (Device::Bridge { .. }, "br100") if managed.is_some() || device.note == NOTE => {
                    prop_assert_eq!(kept.map(|kept| kept.link.index), Some(device.link.index));
                }
                (Device::Vxlan(_), "vx100") => {}
                _ => prop_assert_eq!(kept, Some(device)),
            }
        }
        for row in &before.addresses {
            prop_assert!(now.addresses.contains(row), "an address is removed");
        }
        let plan = plan::overlay(&wanted, managed.as_ref(), now, false);
        prop_assert_eq!(&plan.requests, &[]);
        if mistake.is_some() {
            return Ok(());
        }

        let (vxlan, bridge) = (&now.devices["vx100"], &now.devices["br100"]);
        prop_assert_eq!(vxlan.master, Some(bridge.link.index));
        prop_assert!(vxlan.link.up);
        let fits = wanted.vxlan.underlay.as_ref().map(|_| now.devices["eth0"].mtu - 50);
        prop_assert!(fits.is_none_or(|fits| vxlan.mtu <= fits), "more than fits below");
        let Device::Vxlan(is) = &vxlan.what else { panic!("no VXLAN") };
        prop_assert_eq!((is.vni, is.port, is.learning), (100, 4789, wanted.vxlan.learning));
        let own = kernel.addresses_of(bridge.link.index);
        prop_assert!(own.contains(&(ip("10.100.0.1"), 24)));
        if let Flooding::HeadEnd(peers) = &wanted.vxlan.flooding {
            let entries = now.flood.get(&vxlan.link.index).cloned().unwrap_or_default();
            let peers: BTreeSet<FloodRow> =
                peers.iter().map(|peer| FloodRow::to(peer.address)).collect();
            prop_assert_eq!(entries, peers);
        }
        // What was there is there still, unless it couldn't become what is wanted.
        let was_there = before.devices.get("vx100").map(|device| device.link.index);
        prop_assert_eq!(was_there.is_some_and(|index| index != vxlan.link.index), was_deleted);
        // And nothing is left to do a second time.
        let again = settle(&mut kernel, &wanted, managed.as_ref());
        prop_assert_eq!(again, (None, false));
    }
}
