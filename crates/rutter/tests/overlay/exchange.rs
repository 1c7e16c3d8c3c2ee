//! Hosts that learn from each other, and what the kernel has of it.

use std::time::Duration;

use crate::host::{Host, Says};
use crate::probe::Probe;
use crate::scene::Scene;

/// So soon a host knows what another tells.
const SOON: Duration = Duration::from_secs(1);

/// S9.
#[test]
fn s9_hosts_know_each_other_in_whatever_order_they_start() {
    let Some(scene) = Scene::new(2) else { return };
    let first = Host::start(scene.place(1), Says::of(1, 2));
    assert_eq!(first.learned(), Vec::<String>::new());
    let second = Host::start(scene.place(2), Says::of(2, 2));
    let took = [second.learns(&["172.16.10.0/24"]), first.learns(&["172.16.20.0/24"])];
    println!("S9: after the second has started: {took:?}");
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();

    // Both at once.
    drop((first, second));
    let hosts = std::thread::scope(|scope| {
        let start = |n| {
            let place = scene.place(n);
            scope.spawn(move || Host::start(place, Says::of(n, 2)))
        };
        let (first, second) = (start(1), start(2));
        [first.join().unwrap(), second.join().unwrap()]
    });
    let took = [hosts[0].learns(&["172.16.20.0/24"]), hosts[1].learns(&["172.16.10.0/24"])];
    println!("S9: after both have started: {took:?}");
    assert!(took.iter().all(|took| *took < SOON * 3), "{took:?}");
}

/// The documentation's example: exactly its learned lines, and its two rules.
#[test]
fn the_three_hosts_of_the_documentation_have_its_routes_and_rules() {
    let Some(scene) = Scene::new(3) else { return };
    let hosts: Vec<_> = (1..=3).map(|n| Host::start(scene.place(n), Says::of(n, 3))).collect();
    hosts[0].learns(&["172.16.20.0/24", "172.16.30.0/24"]);
    hosts[1].learns(&["172.16.10.0/24", "172.16.30.0/24"]);
    hosts[2].learns(&["172.16.10.0/24", "172.16.20.0/24"]);
    let expected = [
        "172.16.20.0/24 via 10.100.0.2 dev br-prod proto openr metric 100",
        "172.16.30.0/24 via 10.100.0.3 dev br-prod proto openr metric 100",
    ];
    assert_eq!(scene.place(1).table(100), expected);
    let rules = scene.place(1).rules();
    for rule in ["100: from all iif br-prod lookup 100", "101: from all oif br-prod lookup 100"] {
        assert!(rules.iter().any(|line| line == rule), "{rules:?}");
    }
    // `ip route flush` works as people know it: plain routes.
    assert_eq!(scene.place(1).inside.ip("nexthop show"), Vec::<String>::new());
}

/// S24: what the host itself sends, and what comes from its network; the original's rules see neither.
#[test]
fn s24_packets_of_the_host_and_of_its_network_find_what_was_learned() {
    let Some(scene) = Scene::new(2) else { return };
    let hosts =
        [Host::start(scene.place(1), Says::of(1, 2)), Host::start(scene.place(2), Says::of(2, 2))];
    hosts[0].learns(&["172.16.20.0/24"]);
    hosts[1].learns(&["172.16.10.0/24"]);
    let far = &scene.place(2).lan;
    let of_the_host = Probe::start(&scene.place(1).inside, &[far], "172.16.20.2");
    of_the_host.flows();
    drop(of_the_host);
    let of_the_lan = Probe::start(&scene.place(1).lan, &[far], "172.16.20.2");
    of_the_lan.flows();
    let get = scene.place(1).inside.ip("route get 172.16.20.2");
    assert!(get[0].contains("via 10.100.0.2 dev br-prod table 100"), "{get:?}");
}

/// S24, its danger: what is learned takes neither the host's own network nor the way to its peers.
#[test]
fn a_wide_network_that_is_learned_takes_nothing_of_the_hosts_own() {
    let Some(scene) = Scene::new(2) else { return };
    let mut wide = Says::of(2, 2);
    wide.networks = vec!["172.16.0.0/12".into(), "10.0.0.0/8".into()];
    let mut takes = Says::of(1, 2);
    takes.import = "accept_all: true".into();
    let hosts = [Host::start(scene.place(1), takes), Host::start(scene.place(2), wide)];
    hosts[0].learns(&["172.16.0.0/12", "10.0.0.0/8"]);
    let place = scene.place(1);
    for (own, dev) in [("172.16.10.2", "lan0"), ("10.66.0.2", "eth0"), ("10.100.0.2", "br-prod")] {
        let get = place.inside.ip(&format!("route get {own}"));
        assert!(get[0].contains(&format!("{own} dev {dev} ")), "{get:?}");
    }
    // From the overlay too: the rule of its bridge comes behind the guard.
    let get = place.inside.ip("route get 172.16.10.2 from 10.100.0.2 iif br-prod");
    assert!(get[0].contains("dev lan0"), "{get:?}");
    // And it goes on learning.
    hosts[0].sees(2, "there");
}

/// S11: an underlay and an overlay of IPv6 alone, and IPv4 behind the hosts all the same.
#[test]
fn s11_over_ipv6_alone_ipv4_goes_by_routers_of_ipv6() {
    let Some(scene) = Scene::new(2) else { return };
    let hosts = [1, 2].map(|n| {
        let place = scene.place(n);
        place.inside.ip(&format!("address delete 10.66.0.{n}/24 dev eth0"));
        let more =
            "security: {control_plane: {listen: {address: '::'}}}\nrutter: {insecure: true}\n";
        Host::start(place, Says { only_v6: true, more: more.into(), ..Says::of(n, 2) })
    });
    let table = || scene.place(1).table(100);
    crate::until("the way", table, |lines| !lines.is_empty());
    let expected = "172.16.20.0/24 via inet6 fd64:100::2 dev br-prod proto openr metric 100";
    assert_eq!(table(), [expected]);
    let there = || scene.place(2).table(100);
    crate::until("the way back", there, |lines| !lines.is_empty());
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();
    drop(hosts);
}

/// S11: networks of IPv6.
#[test]
fn s11_ipv6_networks_are_installed() {
    let Some(scene) = Scene::new(2) else { return };
    let hosts: Vec<_> = [1, 2]
        .into_iter()
        .map(|n| {
            let mut says = Says::of(n, 2);
            says.networks.push(format!("fd16:{n}::/64"));
            Host::start(scene.place(n), says)
        })
        .collect();
    hosts[0].learns(&["172.16.20.0/24"]);
    crate::until("IPv6", || scene.place(1).table_v6(100), |lines| !lines.is_empty());
    let expected = "fd16:2::/64 via fd64:100::2 dev br-prod proto openr metric 100 pref medium";
    assert_eq!(scene.place(1).table_v6(100), [expected]);
    crate::until("IPv6", || scene.place(2).table_v6(100), |lines| !lines.is_empty());
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "[fd16:2::2]");
    probe.flows();
}

/// S18.
#[test]
fn s18_a_network_of_two_overlays_stays_in_the_one_when_it_leaves_the_other() {
    let Some(scene) = Scene::new(2) else { return };
    let says = |n, vnis: &[u32]| Says { vnis: vnis.to_vec(), ..Says::of(n, 2) };
    let listens = Host::start(scene.place(1), says(1, &[100, 200]));
    let tells = Host::start(scene.place(2), says(2, &[100, 200]));
    listens.learns(&["172.16.20.0/24"]);
    let table = |number| scene.place(1).table(number);
    crate::until("table 200", || table(200), |lines| lines.len() == 1);
    assert_eq!(table(200), ["172.16.20.0/24 via 10.200.0.2 dev br200 proto openr metric 100"]);
    // It leaves overlay 200, and says so.
    let mut tells = tells;
    assert!(tells.process.terminate().success());
    let _tells = tells.starts_anew(|says| says.vnis = vec![100]);
    crate::until("table 200", || table(200), Vec::is_empty);
    listens.learns(&["172.16.20.0/24"]);
}

/// S10 for a minute: a lease of 5 s never ends while its peer is there. `rutter-overlay` has the ten
/// minutes, under a clock that is set.
#[test]
fn s10_a_short_lease_never_ends_while_its_peer_is_there() {
    let Some(scene) = Scene::new(2) else { return };
    let short = |n| Says { install: ", route_lease_seconds: 5".into(), ..Says::of(n, 2) };
    let hosts = [Host::start(scene.place(1), short(1)), Host::start(scene.place(2), short(2))];
    hosts[0].learns(&["172.16.20.0/24"]);
    hosts[1].learns(&["172.16.10.0/24"]);
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();
    let since = probe.now();
    probe.sends(6000);
    let lost = probe.lost(since);
    println!("S10: {lost:?}");
    assert_eq!(lost.lost, 0, "{lost:?}");
}

/// S12: hosts that share no network below, only a router.
#[test]
fn s12_hosts_behind_a_router_exchange_all_the_same() {
    let Some(scene) = Scene::new(2) else { return };
    scene.route_the_wire();
    let says = |n| Says { routed: true, ..Says::of(n, 2) };
    let hosts = [1, 2].map(|n| Host::start(scene.place(n), says(n)));
    hosts[0].learns(&["172.16.20.0/24"]);
    hosts[1].learns(&["172.16.10.0/24"]);
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(2).lan], "172.16.20.2");
    probe.flows();
}
