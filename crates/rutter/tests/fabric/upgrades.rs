//! Clusters whose program is replaced by another one, under requests.

use std::time::Instant;

use crate::cluster::{Cluster, HOST, Says};
use crate::load::{Load, ask, serve};
use crate::scene::Scene;
use crate::support::heir::Heir;
use crate::support::stderr;

/// An overlay isn't handed over.
fn alone() -> Says {
    Says { without_overlay: true, ..Says::default() }
}

#[test]
fn those_on_the_way_and_who_asks_are_upgraded_and_no_request_fails() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, b, c, d] = scene.start_saying(&alone());
    let load = under_load(&d);
    let mut heirs = Vec::new();
    for cluster in [&b, &c, &d, &b] {
        let (name, began) = (cluster.place.name(), Instant::now());
        heirs.push(upgrade(cluster));
        load.goes_on(200);
        d.has_ways(&["b", "c"]);
        load.goes_on(200);
        load.none_failed(&format!("{name} is upgraded"), began);
    }
}

/// Others have it as stale for a moment, and may look for a way to it through each other then.
#[test]
fn a_cluster_is_upgraded_and_its_own_clients_see_nothing_of_it_and_others_find_it_again() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [a, _b, _c, d] = scene.start_saying(&alone());
    let (load, began) = (under_load(&a), Instant::now());
    let mut heirs = Vec::new();
    for _ in 0..2 {
        heirs.push(upgrade(&a));
        load.goes_on(200);
        d.has_ways(&["b", "c"]);
        let status = || ask(&d.place.inside, d.gateway(), HOST, "").0;
        crate::until("D serves it again", status, |status| *status == 200);
    }
    load.none_failed("a is upgraded twice", began);
}

#[test]
fn a_program_that_cannot_take_over_leaves_all_as_it_was() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, b, _c, d] = scene.start_saying(&alone());
    let load = under_load(&d);
    let began = Instant::now();
    // Its fabric is there by then, and hasn't said a word.
    b.is_rewritten("http: '10.0.0.2:8080'", "http: '10.9.9.9:8080'");
    for _ in 0..2 {
        let refused = b.command(&["upgrade"]);
        assert!(!refused.status.success());
        let why = stderr(&refused);
        assert!(why.contains("not handed over, all goes on as before"), "{why}");
        assert!(why.contains("10.9.9.9:8080"), "{why}");
        load.goes_on(200);
        d.has_ways(&["b", "c"]);
    }
    load.goes_on(200);
    load.none_failed("two programs can't take over", began);
    // It still hears neighbours and is heard: a key is rotated, and known to all.
    let rotated = b.json(&["fabric", "keys", "rotate", "--overlap", "1h"]);
    let key = rotated["key_id"].as_str().expect("a key").to_owned();
    let knows = || d.json(&["fabric", "keys", "list"]).to_string();
    crate::until("D knows B's new key", knows, |known| known.contains(&key));
}

/// Replaces the program of a cluster by the same one.
fn upgrade(cluster: &Cluster<'_>) -> Heir {
    let before = boot(cluster);
    let upgraded = cluster.json(&["upgrade"]);
    let name = cluster.place.name();
    println!("{name} is upgraded in {} ms", upgraded["took_ms"]);
    assert!(boot(cluster) > before, "{name} is another boot to its neighbours");
    Heir(upgraded["pid"].as_u64().expect("a pid"))
}

/// Requests at a cluster's gateway, which are answered.
fn under_load(at: &Cluster<'_>) -> Load {
    let inside = &at.place.inside;
    let status = || ask(inside, at.gateway(), HOST, "").0;
    crate::until("it is served", status, |status| *status == 200);
    // A kept connection may end at any time while nothing is under way, and does at an upgrade of D.
    let load = Load::start_anew(inside, at.gateway(), HOST);
    load.goes_on(200);
    load
}

/// The number of a cluster's boot.
fn boot(of: &Cluster<'_>) -> u64 {
    of.json(&["fabric", "status"])["incarnation"].as_u64().expect("a number")
}
