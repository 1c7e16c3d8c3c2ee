//! What someone else does to our part of the kernel.

use std::time::Duration;

use crate::host::{Host, Says};
use crate::probe::Probe;
use crate::scene::{Place, Scene};

/// How soon it is put right. Of [`TRIES`] the fastest counts: others may have the machine's cores in
/// one of them.
const GOAL: Duration = Duration::from_secs(1);
const TRIES: usize = 3;

/// Does harm until what was there before is back soon enough.
fn is_repaired(what: &str, place: &Place, harm: impl Fn()) {
    let state = || (place.table(100), place.rules());
    let before = state();
    assert_eq!(before.0.len(), 1, "{before:?}");
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        harm();
        fastest = fastest.min(crate::until(what, state, |seen| *seen == before));
        if fastest < GOAL {
            println!("S7, {what}: back after {fastest:?}");
            return;
        }
    }
    panic!("{what}: back after {fastest:?} only");
}

/// S7 and S25.
#[test]
fn s7_s25_whatever_others_remove_is_back_in_under_a_second_and_counted() {
    let Some(scene) = Scene::new(2) else { return };
    let host = Host::start(scene.place(1), Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    host.learns(&["172.16.20.0/24"]);
    let place = scene.place(1);
    let ip = |arguments: &str| drop(place.inside.ip(arguments));
    is_repaired("ip route flush table 100", place, || ip("route flush table 100"));
    is_repaired("ip rule del", place, || {
        ip("rule del priority 100");
        ip("rule del priority 101");
    });
    // S25: all of them at once, as a restart of systemd-networkd does.
    is_repaired("rules and routes wiped", place, || {
        ip("route flush table 100");
        for priority in [100, 101, 4800] {
            ip(&format!("rule del priority {priority}"));
        }
    });
    is_repaired("bridge down and up", place, || {
        ip("link set br-prod down");
        ip("link set br-prod up");
    });
    is_repaired("address removed and put again", place, || {
        ip("address del 10.100.0.1/24 dev br-prod");
        ip("address add 10.100.0.1/24 dev br-prod");
    });
    is_repaired("VXLAN removed", place, || ip("link del vx100"));
    let drift = host.status()["overlays"][0]["kernel"]["drift"].as_u64().unwrap();
    assert!(drift >= 5, "{drift}");
}

/// S23: who is gone gets no copies of what is for everybody, and is sent them again when it is back.
#[test]
fn s23_frames_for_everybody_go_to_the_peers_that_are_well() {
    let Some(scene) = Scene::new(3) else { return };
    let host = Host::start(scene.place(1), Says::of(1, 3));
    let others = [2, 3].map(|n| Host::start(scene.place(n), Says::of(n, 3)));
    host.learns(&["172.16.20.0/24", "172.16.30.0/24"]);
    let copies = || {
        let (_, lines) = scene.place(1).inside.try_run("bridge", "fdb show dev vx100");
        let to = |line: &String| {
            let line = line.strip_prefix("00:00:00:00:00:00 dst ")?;
            line.split(' ').next().map(str::to_owned)
        };
        let mut to: Vec<String> = lines.iter().filter_map(to).collect();
        to.sort();
        to
    };
    crate::until("both", copies, |to| *to == ["10.66.0.2", "10.66.0.3"]);
    let [second, third] = others;
    drop(third);
    crate::until("one", copies, |to| *to == ["10.66.0.2"]);
    let _third = Host::start(scene.place(3), Says::of(3, 3));
    crate::until("both again", copies, |to| *to == ["10.66.0.2", "10.66.0.3"]);
    drop(second);
}

/// S13, its first half: with `transit: deny` nothing passes between two peers, however they send it, and
/// what is dropped is counted; with `allow` it passes.
#[test]
fn s13_packets_between_peers_are_dropped_and_counted_unless_transit_is_allowed() {
    let Some(scene) = Scene::new(3) else { return };
    let others = [1, 3].map(|n| Host::start(scene.place(n), Says::of(n, 3)));
    let hub = Host::start(scene.place(2), Says::of(2, 3));
    for host in &others {
        host.sees(2, "there");
    }
    crate::until("the way", || others[0].learned(), |lines| lines.len() == 2);
    // By hand, around what the hosts would do: a's packets to c go by the hub.
    scene.place(1).inside.ip("rule add to 172.16.30.0/24 lookup 77 priority 10");
    scene.place(1).inside.ip("route add 172.16.30.0/24 via 10.100.0.2 table 77");
    let probe = Probe::start(&scene.place(1).lan, &[&scene.place(3).lan], "172.16.30.2");
    let dropped = || hub.status()["transit"].clone();
    crate::until("packets are dropped", dropped, |transit| {
        let counted = transit["dropped_packets"].as_u64();
        if counted.is_none() {
            println!("S13: counter: unavailable, this kernel has no nftables");
        }
        transit["denied"] == true && counted.is_none_or(|n| n > 10)
    });
    let lost = probe.lost(0);
    assert_eq!(lost.lost, lost.sent, "none arrives");
    let more = "topology: {transit: allow}\nrutter: {insecure: true}\n";
    let _hub = hub.starts_anew(|says| says.more = more.into());
    probe.flows();
}
