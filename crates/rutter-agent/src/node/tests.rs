use std::collections::{BTreeMap, BTreeSet};

use rutter_link::{MapChange, MapExit, MapPeer};
use rutter_route::{NodeId, Prefix};

use super::told::Told;
use super::ways::{Here, Ways, ways};
use super::*;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn prefixes(texts: &[&str]) -> BTreeSet<Prefix> {
    texts.iter().map(|text| prefix(text)).collect()
}

fn peer(name: &str, endpoints: &[&str]) -> Option<MapPeer> {
    let endpoints = endpoints.iter().map(|at| at.parse().unwrap()).collect();
    Some(MapPeer { name: name.into(), addresses: Vec::new(), endpoints })
}

/// Node 1 is this one, 2 and 3 are routers, 4 is an exit.
fn change() -> MapChange {
    let peers = [
        (NodeId(1), peer("r1", &["10.66.0.1"])),
        (NodeId(2), peer("r2", &["198.51.100.2", "10.66.0.2", "fd66::2"])),
        (NodeId(3), peer("r3", &["10.66.0.3"])),
        (NodeId(4), peer("out", &["10.66.0.4", "fd66::4"])),
    ];
    let routes = [("10.1.0.0/24", 2), ("10.3.0.0/24", 3), ("10.9.0.0/24", 1), ("fd01::/64", 2)];
    MapChange {
        peers: peers.into(),
        routes: routes.map(|(to, node)| (prefix(to), Some(NodeId(node)))).into(),
        exits: [(NodeId(4), Some(MapExit { v4: true, v6: true }))].into(),
    }
}

fn told(change: MapChange) -> Told {
    let mut told = Told::default();
    told.take(true, false, change);
    told
}

fn here() -> Here {
    Here {
        id: Some(NodeId(1)),
        connected: prefixes(&["10.66.0.0/24", "fd66::/64"]),
        fixed: prefixes(&["0.0.0.0/0"]),
        controller: vec!["10.66.0.100".parse().unwrap()],
        accepts_routes: true,
        ..Here::default()
    }
}

fn shown(ways: &Ways) -> Vec<String> {
    let routes = ways.routes.iter().map(|(prefix, via)| format!("{prefix} by {via}"));
    let passed = ways.passed_over.iter().map(|(prefix, why)| format!("{prefix}: {why}"));
    routes.chain(passed).collect()
}

#[test]
fn each_prefix_leads_to_its_router_where_this_host_sees_it() {
    let expected = ["10.1.0.0/24 by 10.66.0.2", "10.3.0.0/24 by 10.66.0.3", "fd01::/64 by fd66::2"];
    assert_eq!(shown(&ways(&told(change()), &here())), expected);
    let nothing = Here { accepts_routes: false, ..here() };
    assert_eq!(ways(&told(change()), &nothing), Ways::default());
}

#[test]
fn a_change_is_taken_over_and_a_snapshot_is_all_there_is() {
    let mut told = told(change());
    let moved = MapChange {
        peers: [(NodeId(3), None)].into(),
        routes: [
            (prefix("10.1.0.0/24"), Some(NodeId(4))),
            (prefix("10.3.0.0/24"), None),
            (prefix("fd01::/64"), None),
        ]
        .into(),
        exits: BTreeMap::new(),
    };
    told.take(false, false, moved);
    // Of the two that were taken back one has a router that is a peer still.
    let expected = ["10.1.0.0/24 by 10.66.0.4", "fd01::/64 by fd66::2"];
    assert_eq!(
        (shown(&ways(&told, &here())), told.holds()),
        (expected.map(Into::into).into(), true)
    );
    told.let_go();
    assert_eq!(shown(&ways(&told, &here())), expected[..1]);
    told.take(true, false, MapChange::default());
    assert_eq!(told, Told::default());
}

#[test]
fn what_a_sessions_first_map_leaves_out_is_held_while_its_router_is_a_peer() {
    let peers = |but: u64| change().peers.into_iter().filter(move |(id, _)| id.0 != but).collect();
    let bare = |but| MapChange { peers: peers(but), ..MapChange::default() };
    let before = told(change());
    let mut held = before.clone();
    held.take(true, true, bare(0));
    assert!(held.holds());
    assert_eq!((&held.routes, &held.exits), (&before.routes, &before.exits));
    // Another way ends it; that there is none is the same word again. And so does a peer's end.
    let word = |node: Option<u64>| MapChange {
        routes: [(prefix("10.1.0.0/24"), node.map(NodeId))].into(),
        ..MapChange::default()
    };
    held.take(false, false, word(Some(3)));
    assert_eq!(held.routes[&prefix("10.1.0.0/24")], NodeId(3));
    held.take(false, false, word(None));
    assert_eq!(held.routes[&prefix("10.1.0.0/24")], NodeId(3), "it is held as it was then");
    let gone = MapChange { peers: [(NodeId(4), None)].into(), ..MapChange::default() };
    held.take(false, false, gone);
    assert!(held.exits.is_empty() && held.holds());
    held.let_go();
    assert!(held.routes.is_empty() && !held.holds());
    // Another session in between changes nothing; one whose map knows no such peer does.
    let mut again = before.clone();
    again.take(true, true, bare(0));
    again.take(true, true, bare(2));
    let left: Vec<String> = again.routes.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["10.3.0.0/24", "10.9.0.0/24"]);
    // Within a session a snapshot is all there is, but for what is held.
    again.take(true, false, bare(0));
    assert_eq!((again.routes.len(), again.exits.len()), (2, 1));
    again.let_go();
    again.take(true, false, change());
    again.take(true, false, bare(0));
    assert!(again.routes.is_empty() && !again.holds());
}

#[test]
fn neither_own_networks_nor_advertised_ones_lead_elsewhere() {
    let mut change = change();
    for (to, node) in [("10.66.0.128/25", 2), ("10.66.0.0/16", 2), ("10.1.0.0/25", 2)] {
        change.routes.insert(prefix(to), Some(NodeId(node)));
    }
    for (to, node) in [("0.0.0.0/0", 2), ("169.254.7.0/24", 2), ("fe80::/64", 2)] {
        change.routes.insert(prefix(to), Some(NodeId(node)));
    }
    let here = Here { advertised: prefixes(&["10.1.0.0/24"]), ..here() };
    let expected = [
        // It holds an own network, which says more.
        "10.66.0.0/16 by 10.66.0.2",
        "10.3.0.0/24 by 10.66.0.3",
        "fd01::/64 by fd66::2",
        "0.0.0.0/0: everywhere is led to by an exit node, if one is chosen",
        "10.1.0.0/24: this node advertises 10.1.0.0/24 itself",
        "10.1.0.0/25: this node advertises 10.1.0.0/24 itself",
        "10.66.0.128/25: this host is in 10.66.0.0/24 itself",
        "169.254.7.0/24: its addresses mean something else on each link",
        "fe80::/64: its addresses mean something else on each link",
    ];
    let mut shown = shown(&ways(&told(change), &here));
    shown.sort_by_key(|line| expected.iter().position(|expected| expected == line));
    assert_eq!(shown, expected);
}

#[test]
fn the_way_to_the_controller_and_to_routers_stays_what_it_is() {
    let mut change = change();
    change.routes.insert(prefix("203.0.113.0/24"), Some(NodeId(2)));
    change.routes.insert(prefix("198.51.100.0/24"), Some(NodeId(3)));
    let far = Here { controller: vec!["203.0.113.9".parse().unwrap()], ..here() };
    let now = ways(&told(change.clone()), &far);
    let why = |to: &str| now.passed_over.get(&prefix(to)).map(String::as_str);
    let controller = "the way to the controller at 203.0.113.9 would go there too";
    assert_eq!(why("203.0.113.0/24"), Some(controller));
    assert_eq!(why("198.51.100.0/24"), Some("the way to `r2` at 198.51.100.2 would go there too"));
    // With ways of its own there, no shorter than what is told, there is nothing to fear.
    let fixed = prefixes(&["203.0.113.9/32", "198.51.100.0/24"]);
    let now = ways(&told(change), &Here { fixed, ..far });
    assert_eq!(now.passed_over, BTreeMap::new());
    assert!(now.routes.contains_key(&prefix("203.0.113.0/24")));
}

#[test]
fn an_exit_node_takes_both_halves_of_everywhere_or_nothing() {
    let exit = |name: &str| Here { exit_node: Some(name.into()), accepts_routes: false, ..here() };
    let expected = [
        "0.0.0.0/1 by 10.66.0.4",
        "128.0.0.0/1 by 10.66.0.4",
        "::/1 by fd66::4",
        "8000::/1 by fd66::4",
    ];
    // The other address of `r2` lies elsewhere, and would be sought by way of the exit.
    let mut near = change();
    near.peers.insert(NodeId(2), peer("r2", &["10.66.0.2", "fd66::2"]));
    assert_eq!(shown(&ways(&told(near.clone()), &exit("out"))), expected);
    let now = ways(&told(near.clone()), &exit("r3"));
    let why = "`r3` is no exit node that this node may use now";
    assert_eq!(shown(&now), [format!("0.0.0.0/0: {why}"), format!("::/0: {why}")]);
    near.exits.insert(NodeId(4), Some(MapExit { v4: true, v6: false }));
    assert_eq!(shown(&ways(&told(near.clone()), &exit("out"))), expected[..2]);
    let far = Here { controller: vec!["203.0.113.9".parse().unwrap()], ..exit("out") };
    let now = ways(&told(near), &far);
    let why = "0.0.0.0/0: the way to the controller at 203.0.113.9 would go there too: give that a \
               route of its own";
    assert_eq!(shown(&now), [why]);
}

fn config() -> NodeConfig {
    NodeConfig {
        url: "http://h:1#rtj_x".parse().unwrap(),
        name: "r1".parse().unwrap(),
        state_dir: "/x".into(),
        advertised: prefixes(&["10.1.0.0/24"]),
        is_exit_node: false,
        accepts_routes: false,
        exit_node: None,
        masquerade: true,
        addresses: Vec::new(),
        probes: Vec::new(),
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    Node::new(config()).unwrap();
    let target: ProbeTarget = "icmp://10.1.0.7".parse().unwrap();
    let probe = |to: &str| ProbeSpec::new(prefix(to), target.clone());
    let (ok, ms) = (probe("10.1.0.0/24"), Duration::from_millis);
    let with = |probes: &[ProbeSpec]| NodeConfig { probes: probes.to_vec(), ..config() };
    let all = prefixes(&["10.1.0.0/24", "0.0.0.0/0"]);
    let cases = [
        (NodeConfig { advertised: BTreeSet::new(), ..config() }, "neither advertises routes nor"),
        (NodeConfig { advertised: all, ..config() }, "offers that as an exit node"),
        (with(&[probe("10.2.0.0/24")]), "isn't advertised"),
        (with(&[ok.clone(), ok.clone()]), "has two probes"),
        (with(&[ProbeSpec { interval: ms(900), ..ok.clone() }]), "1 s is the least"),
        (with(&[ProbeSpec { timeout: ms(5001), ..ok.clone() }]), "ends before the next begins"),
        (with(&[ProbeSpec { timeout: ms(0), ..ok.clone() }]), "ends before the next begins"),
        (with(&[ProbeSpec { healthy_threshold: 0, ..ok }]), "threshold of 0"),
    ];
    for (config, why) in cases {
        let error = Node::new(config).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let exit = NodeConfig { advertised: BTreeSet::new(), is_exit_node: true, ..config() };
    assert_eq!(exit.prefixes(), prefixes(&["0.0.0.0/0", "::/0"]));
}

#[test]
fn each_prefix_is_said_with_the_address_of_its_family_where_there_is_one() {
    use rutter_link::{AnyBatch, Tell};
    let at = |text: &str| -> std::net::IpAddr { text.parse().unwrap() };
    let hops = |addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|text| at(text)).collect();
        let all = prefixes(&["10.1.0.0/24", "fd01::/64"]);
        let update = said::update(NodeId(7), &all, &addresses).unwrap();
        let AnyBatch::Prefix(batch) = update.batch else { panic!("it is of prefixes") };
        let hop = |tell: Tell<Prefix>| match tell {
            Tell::Advertise { routes, .. } => routes[0].attributes.next_hop.to_string(),
            Tell::Withdraw { .. } => panic!("nothing is withdrawn"),
        };
        batch.tells.into_iter().map(hop).collect::<Vec<_>>()
    };
    assert_eq!(hops(&["10.66.0.1", "fd66::1"]), ["10.66.0.1", "fd66::1"]);
    assert_eq!(hops(&["fd66::1", "10.66.0.1"]), ["10.66.0.1", "fd66::1"]);
    assert_eq!(hops(&["10.66.0.1"]), ["10.66.0.1", "10.66.0.1"]);
}
