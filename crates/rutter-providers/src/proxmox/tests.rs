//! Routes of a file as they become by what clusters have; the clusters themselves are asked in
//! `tests/proxmox.rs`.

use std::sync::Arc;

use super::index::{Cluster, Index};
use super::inventory::{Guest, GuestKind, Inventory, Node};
use super::map::apply;
use super::reach::{Door, Reach};
use crate::godoxy::{Settings, read_file};
use crate::{Route, Target};

fn guest(name: &str, kind: GuestKind, status: &str, addresses: &[[u8; 4]]) -> Guest {
    let addresses = addresses.iter().map(|address| (*address).into()).collect();
    Guest { node: "pve1".into(), name: name.into(), kind, status: status.into(), addresses }
}

fn index() -> Index {
    let one = &[[10, 0, 0, 51]];
    let two = &[[10, 0, 0, 52], [10, 0, 1, 52]];
    let guests = [
        (101, guest("web", GuestKind::Lxc, "running", one)),
        (102, guest("two", GuestKind::Lxc, "running", two)),
        (103, guest("off", GuestKind::Lxc, "stopped", &[[10, 0, 0, 53]])),
        (104, guest("vm", GuestKind::Qemu, "running", &[])),
        (105, guest("new", GuestKind::Lxc, "running", &[])),
    ];
    let node = Node { address: Some([10, 0, 0, 1].into()) };
    let inventory = Inventory { nodes: [("pve1".into(), node)].into(), guests: guests.into() };
    let cluster =
        |host: &str, inventory| Cluster { host: host.parse().unwrap(), port: 8006, inventory };
    Index::of(vec![cluster("api.lan", Some(Arc::new(inventory)))])
}

/// A line about what a route became, and the remark about it.
fn becomes_by(index: &Index, reach: &mut Reach, text: &str) -> (String, Option<String>) {
    let reading = read_file("a.yml", text, &|_| None, &Settings::default()).unwrap();
    assert_eq!(reading.refused, []);
    let mut route = reading.routes.into_iter().next().unwrap();
    let remark = apply(&mut route, index, reach, 0).map(|remark| remark.problem.message);
    (said(&route), remark)
}

fn said(route: &Route) -> String {
    let target = match &route.target {
        Target::Http { scheme, host, port, .. } => {
            format!("{scheme:?} {host}:{port}").to_lowercase()
        }
        Target::Tcp { host, port, .. } => format!("tcp {host}:{port}"),
        Target::Udp { host, port } => format!("udp {host}:{port}"),
        Target::Files { root, .. } => root.clone(),
    };
    let link = route.proxmox.as_ref().map_or_else(
        || "nowhere".to_owned(),
        |link| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{}/{:?}/{}", text(&link.node), link.vmid, text(&link.vm_name))
        },
    );
    match &route.unresolved {
        None => format!("{target} {link}"),
        Some(why) => format!("{target} {link}: {why}"),
    }
}

fn becomes(text: &str) -> String {
    becomes_by(&index(), &mut Reach::default(), text).0
}

#[test]
fn a_node_is_its_api() {
    for text in ["pve1: {port: 80}", "x: {proxmox: {node: pve1, vmid: 0}, port: 80}"] {
        assert_eq!(becomes(text), "https api.lan:8006 pve1/Some(0)/");
    }
    assert_eq!(becomes("x: {host: 10.0.0.1}"), "https 10.0.0.1:8006 pve1/Some(0)/");
    assert_eq!(becomes("x: {host: pve1.lan}"), "https pve1.lan:8006 pve1/Some(0)/");
    // Only the alias fits, and the route says where it leads.
    assert_eq!(becomes("pve1: {host: 10.9.9.9, port: 3000}"), "http 10.9.9.9:3000 pve1/Some(0)/");
    let ssh = "pve1: {scheme: tcp, port: '2222:22'}";
    assert_eq!(becomes(ssh), "tcp api.lan:22 pve1/Some(0)/");
}

#[test]
fn a_guest_is_reached_by_its_address() {
    assert_eq!(becomes("web: {port: 3000}"), "http 10.0.0.51:3000 pve1/Some(101)/web");
    let written = "x: {proxmox: {node: pve1, vmid: 101}, port: 3000}";
    assert_eq!(becomes(written), "http 10.0.0.51:3000 pve1/Some(101)/web");
    // A host that is written stays.
    assert_eq!(becomes("x: {host: 10.0.0.51}"), "http 10.0.0.51:80 pve1/Some(101)/web");
    assert_eq!(becomes("web: {host: 10.9.9.9}"), "http 10.9.9.9:80 pve1/Some(101)/web");
    assert_eq!(becomes("two: {scheme: udp, port: '53:53'}"), "udp 10.0.0.52:53 pve1/Some(102)/two");
    assert_eq!(becomes("web: {scheme: fileserver, root: /srv}"), "/srv nowhere");
}

#[test]
fn of_several_addresses_that_one_which_answers() {
    let (index, mut reach) = (index(), Reach::default());
    let addresses = [[10, 0, 0, 52].into(), [10, 0, 1, 52].into()];
    let door = Door { cluster: 0, vmid: 102, port: 80 };
    let becomes = |reach: &mut Reach| becomes_by(&index, reach, "two: {}").0;
    let link = "http localhost:80 pve1/Some(102)/two: Proxmox container 102 (`two`) on node `pve1`";
    assert_eq!(becomes(&mut reach), format!("{link} has not been tried on port 80 yet"));
    reach.tried(door, &addresses, None);
    assert_eq!(becomes(&mut reach), format!("{link} answers on port 80 by none of its addresses"));
    reach.tried(door, &addresses, Some(addresses[1]));
    assert_eq!(becomes(&mut reach), "http 10.0.1.52:80 pve1/Some(102)/two");
}

#[test]
fn a_guest_that_cant_be_reached_is_unresolved_and_never_this_host() {
    let why = |text| becomes(text).split_once("` on node `pve1` ").map(|(_, why)| why.to_owned());
    let why =
        |text| why(text).or_else(|| becomes(text).split_once(": ").map(|(_, w)| w.to_owned()));
    let cases = [
        ("off: {}", Some("is stopped")),
        ("x: {host: 10.0.0.53}", Some("is stopped")),
        ("x: {host: off.lan}", Some("is stopped")),
        ("new: {}", Some("has no address yet")),
        ("x: {proxmox: {node: pve1, vmid: 104}}", Some("only it knows: write the route's `host`")),
        ("x: {proxmox: {node: pve1, vmid: 999}}", Some("there is no such Proxmox node or guest")),
        ("x: {proxmox: {node: pve1, vmid: 104}, host: 10.9.9.9}", None),
        // The alias alone says nothing of where this leads.
        ("off: {host: 10.9.9.9}", None),
        ("vm: {}", None),
        ("x: {proxmox: {node: pve1, vmid: 999}, host: 10.9.9.9}", None),
    ];
    for (text, want) in cases {
        let why = why(text);
        match want {
            None => assert_eq!(why, None, "{text}"),
            Some(want) => {
                assert!(why.as_ref().is_some_and(|why| why.ends_with(want)), "{text}: {why:?}")
            }
        }
    }
}

#[test]
fn what_was_written_and_is_nowhere_is_remarked() {
    let remark = |index: &Index, text| becomes_by(index, &mut Reach::default(), text).1;
    let text = "x: {proxmox: {vmid: 999}}";
    let said = remark(&index(), text);
    assert_eq!(said.as_deref(), Some("there is no such Proxmox node or guest"));
    assert_eq!(remark(&index(), "none: {}"), None);
    let host = "api.lan".parse().unwrap();
    let silent = Index::of(vec![Cluster { host, port: 8006, inventory: None }]);
    assert_eq!(remark(&silent, text).as_deref(), Some("Proxmox has not answered yet"));
    assert_eq!(
        becomes_by(&silent, &mut Reach::default(), "web: {}").0,
        "http localhost:80 nowhere"
    );
}
