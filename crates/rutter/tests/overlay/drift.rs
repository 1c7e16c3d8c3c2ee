//! What someone else does to our part of the kernel.

use std::time::Duration;

use crate::host::{Host, Says};
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
    scene.place(1).links_by_hand(100, &[2]);
    scene.place(2).links_by_hand(100, &[1]);
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
    let drift = host.status()["overlays"][0]["kernel"]["drift"].as_u64().unwrap();
    assert!(drift >= 5, "{drift}");
}
