use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use smol_str::SmolStr;

use super::*;
use crate::proxmox::index::Cluster;
use crate::proxmox::inventory::{Guest, GuestKind, Inventory, Node};

/// A guest as tests write it: number, node, name, kind, last parts of its addresses.
type Line<'l> = (u32, &'l str, &'l str, GuestKind, &'l [u8]);

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn inventory(nodes: &[(&str, u8)], guests: &[Line<'_>]) -> Inventory {
    let node = |(name, last): &(&str, u8)| ((*name).into(), Node { address: Some(address(*last)) });
    let guest = |(vmid, node, name, kind, addresses): &Line<'_>| {
        let addresses = addresses.iter().copied().map(address).collect();
        let (node, name) = ((*node).into(), (*name).into());
        (*vmid, Guest { node, name, kind: *kind, status: "running".into(), addresses })
    };
    let nodes: BTreeMap<SmolStr, Node> = nodes.iter().map(node).collect();
    Inventory { nodes, guests: guests.iter().map(guest).collect() }
}

fn index(inventories: Vec<Inventory>) -> Index {
    let cluster = |inventory| Cluster {
        host: "pve.lan".parse().unwrap(),
        port: 8006,
        inventory: Some(Arc::new(inventory)),
    };
    Index::of(inventories.into_iter().map(cluster).collect())
}

fn two_clusters() -> Index {
    use GuestKind::{Lxc, Qemu};
    let home = inventory(
        &[("pve1", 1), ("pve2", 2)],
        &[
            (101, "pve1", "web", Lxc, &[51]),
            (102, "pve1", "db", Lxc, &[52]),
            (103, "pve2", "web", Lxc, &[53]),
            (104, "pve2", "vm", Qemu, &[]),
            (105, "pve2", "far", Lxc, &[]),
        ],
    );
    let away = inventory(
        &[("pve3", 3), ("web", 4)],
        &[(101, "pve3", "db", Lxc, &[51]), (106, "pve3", "far.away.lan", Lxc, &[56])],
    );
    index(vec![home, away])
}

fn written(node: Option<&str>, vmid: Option<u32>, name: Option<&str>) -> Option<ProxmoxLink> {
    let text = |text: Option<&str>| text.map(ToOwned::to_owned);
    Some(ProxmoxLink { node: text(node), vmid, vm_name: text(name) })
}

fn found(host: &str, alias: &str, written: Option<ProxmoxLink>) -> Option<String> {
    let (host, alias) = (host.parse().unwrap(), alias.parse().unwrap());
    let wanted = Wanted { host: &host, alias: &alias, written: written.as_ref() };
    find(&two_clusters(), wanted).map(|Found { place, how }| {
        format!("{}/{}/{} {how:?}", place.cluster, place.node, place.vmid)
    })
}

#[test]
fn what_says_nothing_is_looked_up_by_address_then_host_then_alias_and_nodes_come_first() {
    let cases = [
        // An address comes before the name of a host, and that before the alias.
        ("10.0.0.52", "far", Some("0/pve1/102 Address")),
        ("db.lan", "far", Some("0/pve1/102 HostName")),
        ("localhost", "far", Some("0/pve2/105 Alias")),
        ("elsewhere.lan", "far", Some("0/pve2/105 Alias")),
        ("localhost", "far.away.lan", Some("1/pve3/106 Alias")),
        ("10.0.0.2", "db", Some("0/pve2/0 Address")),
        // A node comes before a guest, in whichever cluster and however it fits.
        ("10.0.0.51", "web", Some("1/web/0 Alias")),
        ("web", "db", Some("1/web/0 HostName")),
        // The clusters' order decides, then the node's name, then the number.
        ("10.0.0.51", "other", Some("0/pve1/101 Address")),
        ("localhost", "db", Some("0/pve1/102 Alias")),
        // Nothing says where a virtual machine is.
        ("vm", "vm", None),
        ("127.0.0.1", "none", None),
        ("0.0.0.0", "none", None),
        ("10.0.0.99", "none", None),
        ("localhost", "*.web", None),
    ];
    for (host, alias, want) in cases {
        assert_eq!(found(host, alias, None).as_deref(), want, "{host} {alias}");
    }
}

#[test]
fn what_was_written_holds_and_the_rest_is_looked_up() {
    let cases = [
        (written(Some("pve2"), Some(0), None), Some("0/pve2/0 Written")),
        (written(Some("PVE3"), Some(0), None), Some("1/pve3/0 Written")),
        (written(Some("pve9"), Some(0), None), None),
        (written(Some("pve1"), Some(102), None), Some("0/pve1/102 Written")),
        (written(Some("pve3"), Some(101), None), Some("1/pve3/101 Written")),
        // It has moved to another node since.
        (written(Some("pve1"), Some(103), None), Some("0/pve2/103 Written")),
        (written(Some("pve1"), Some(106), None), None),
        (written(None, Some(106), None), Some("1/pve3/106 Written")),
        (written(None, Some(104), None), Some("0/pve2/104 Written")),
        (written(None, Some(0), None), Some("1/web/0 HostName")),
        (written(None, None, Some("vm")), Some("0/pve2/104 Written")),
        (written(Some("pve3"), None, Some("DB")), Some("1/pve3/101 Written")),
        (written(Some("pve2"), None, None), Some("0/pve2/103 HostName")),
        (written(Some("pve9"), None, None), None),
        (written(None, None, None), Some("1/web/0 HostName")),
    ];
    for (link, want) in cases {
        let said = format!("{link:?}");
        assert_eq!(found("web.lan", "db", link).as_deref(), want, "{said}");
    }
}

/// Few names and addresses, so that many fit.
fn any_inventory() -> impl Strategy<Value = Vec<(u32, usize, usize, bool, Vec<u8>)>> {
    let addresses = proptest::collection::vec(0_u8..5, 0..3);
    let guest = (1_u32..40, 0_usize..3, 0_usize..4, any::<bool>(), addresses);
    proptest::collection::vec(guest, 0..12)
}

const NAMES: [&str; 4] = ["a", "b", "n0", "N1"];
const NODES: [&str; 3] = ["n0", "n1", "n2"];

fn made(lines: &[(u32, usize, usize, bool, Vec<u8>)]) -> Inventory {
    let kind = |is_lxc: bool| if is_lxc { GuestKind::Lxc } else { GuestKind::Qemu };
    let lines: Vec<Line<'_>> = lines
        .iter()
        .map(|(vmid, node, name, is_lxc, addresses)| {
            (*vmid, NODES[*node], NAMES[*name], kind(*is_lxc), addresses.as_slice())
        })
        .collect();
    inventory(&[("n0", 0), ("n1", 1), ("n2", 7)], &lines)
}

proptest! {
    /// The index finds what looking at everybody finds, and the order of an inventory is nothing.
    #[test]
    fn any_order_of_an_inventory_gives_the_same_link(
        (lines, shuffled) in any_inventory().prop_flat_map(|lines| {
            // A cluster has each number once.
            let by_vmid: BTreeMap<u32, _> = lines.into_iter().map(|line| (line.0, line)).collect();
            let lines: Vec<_> = by_vmid.into_values().collect();
            (Just(lines.clone()), Just(lines).prop_shuffle())
        }),
        more in any_inventory(),
        host in prop_oneof![
            Just("localhost".to_owned()),
            (0_u8..8).prop_map(|last| format!("10.0.0.{last}")),
            (0_usize..4).prop_map(|n| format!("{}.lan", NAMES[n].to_lowercase())),
        ],
        alias in (0_usize..4).prop_map(|n| NAMES[n]),
    ) {
        let (host, alias) = (host.parse().unwrap(), alias.parse().unwrap());
        let wanted = Wanted { host: &host, alias: &alias, written: None };
        let one = index(vec![made(&lines), made(&more)]);
        let other = index(vec![made(&shuffled), made(&more)]);
        let found = find(&one, wanted);
        prop_assert_eq!(&found, &scan(&one, wanted, |_| true));
        prop_assert_eq!(&found, &find(&other, wanted));
        if let Some(Found { place, .. }) = &found {
            prop_assert!(one.is_looked_up(place));
        }
    }
}
