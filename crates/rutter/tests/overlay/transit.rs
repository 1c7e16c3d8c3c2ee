//! Hosts that reach each other through another.

use std::time::Duration;

use crate::host::{Host, Says};
use crate::probe::Probe;
use crate::scene::Scene;

/// A host that knows some of the others, in a topology.
fn says(n: usize, peers: &[usize], topology: &str) -> Says {
    Says {
        peers: peers.to_vec(),
        more: format!("topology: {{{topology}}}\nrutter: {{insecure: true}}\n"),
        ..Says::of(n, 3)
    }
}

/// S13, its second half: spokes learn each other's networks from a hub that allows transit, as leading to
/// itself, and packets pass; who is denied learns nothing.
#[test]
fn s13_a_hub_that_allows_transit_joins_its_spokes_but_for_those_it_denies() {
    let Some(scene) = Scene::new(3) else { return };
    let spokes = [1, 3].map(|n| Host::start(scene.place(n), says(n, &[2], "mode: hub-spoke")));
    let hub = says(2, &[1, 3], "mode: hub-spoke, transit: allow");
    let hub = Host::start(scene.place(2), hub);
    spokes[0].learns(&["172.16.20.0/24", "172.16.30.0/24"]);
    spokes[1].learns(&["172.16.10.0/24", "172.16.20.0/24"]);
    let line = spokes[0].learned().into_iter().find(|line| line.starts_with("172.16.30."));
    assert!(line.as_ref().is_some_and(|line| line.contains("via 10.100.0.2 ")), "{line:?}");
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(3).lan], "172.16.30.2");
    probe.flows();
    let denies = "mode: hub-spoke, transit: allow, \
                  transit_policy: {denied_transit_peers: [host-3]}";
    let _hub = hub.starts_anew(|to| to.more = says(2, &[1, 3], denies).more);
    spokes[1].learns(&["172.16.20.0/24"]);
}

/// S14: a ring in which each passes on what it hears; what its origin withdraws is gone everywhere, soon
/// and for good.
#[test]
fn s14_in_a_ring_what_is_withdrawn_goes_everywhere_and_stays_away() {
    let Some(scene) = Scene::new(3) else { return };
    let topology = "mode: static, transit: allow";
    let mut origin = Host::start(scene.place(1), says(1, &[2, 3], topology));
    let others = [
        Host::start(scene.place(2), says(2, &[1, 3], topology)),
        Host::start(scene.place(3), says(3, &[1, 2], topology)),
    ];
    others[0].learns(&["172.16.10.0/24", "172.16.30.0/24"]);
    others[1].learns(&["172.16.10.0/24", "172.16.20.0/24"]);
    origin.learns(&["172.16.20.0/24", "172.16.30.0/24"]);
    origin.reloads(|says| says.networks.clear());
    let took = [others[0].learns(&["172.16.30.0/24"]), others[1].learns(&["172.16.20.0/24"])];
    println!("S14: withdrawn everywhere after {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(1)), "{took:?}");
    let told = others[0].command(&["overlay", "routes", "--output", "json"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(!told.contains("172.16.10.0/24"), "{told}");
}

/// A peer that can't be reached directly is reached through another, and directly again when it can.
#[test]
fn a_peer_that_is_cut_off_from_one_is_reached_through_another() {
    let Some(scene) = Scene::new(3) else { return };
    let direct = "mode: direct-preferred, transit: allow";
    let all = [1, 2, 3].map(|n| {
        let others: Vec<usize> = (1..=3).filter(|other| *other != n).collect();
        Host::start(scene.place(n), says(n, &others, direct))
    });
    let way = || all[0].learned().into_iter().find(|line| line.starts_with("172.16.30."));
    let leads_to = |n: usize| {
        let via = format!("via 10.100.0.{n} ");
        crate::until("the way", way, |way| way.as_ref().is_some_and(|way| way.contains(&via)))
    };
    leads_to(3);
    // Between 1 and 3 nothing passes any more, either way.
    for (place, other) in [(1, 3), (3, 1)] {
        scene.place(place).inside.ip(&format!("route add blackhole 10.66.0.{other}"));
    }
    let took = leads_to(2);
    println!("relay: through the other after {took:?}");
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(3).lan], "172.16.30.2");
    probe.flows();
    for (place, other) in [(1, 3), (3, 1)] {
        scene.place(place).inside.ip(&format!("route del blackhole 10.66.0.{other}"));
    }
    leads_to(3);
}
