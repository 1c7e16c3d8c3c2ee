//! Clusters that are killed and started again, and keys that are changed, under requests.

use std::time::Instant;

use crate::cluster::{Cluster, HOST};
use crate::load::{Load, ask, serve};
use crate::scene::Scene;

#[test]
fn a_cluster_on_the_way_is_killed_and_comes_back_and_no_request_fails() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, mut b, mut c, d] = scene.start();
    let inside = &d.place.inside;
    crate::until("D serves it", || ask(inside, d.gateway(), HOST, "").0, |status| *status == 200);
    let load = Load::start(inside, d.gateway(), HOST);
    load.goes_on(200);
    let known =
        |cluster: &Cluster<'_>| cluster.json(&["fabric", "keys", "list"])["clusters"].clone();
    let before = known(&b);
    for name in ["b", "c"] {
        let killed = Instant::now();
        let victim = if name == "b" { &mut b } else { &mut c };
        victim.process.kill();
        d.has_ways(&[if name == "b" { "c" } else { "b" }]);
        load.goes_on(200);
        match name {
            "b" => b = b.starts_anew(),
            _ => c = c.starts_anew(),
        }
        d.has_ways(&["b", "c"]);
        load.goes_on(200);
        load.none_failed(&format!("{name} is killed and comes back"), killed);
    }
    assert_eq!(known(&b), before, "what it knew of keys, it knows");
}

#[test]
fn the_owner_and_who_asks_are_killed_and_know_what_was_acknowledged() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [mut a, _b, _c, mut d] = scene.start();
    crate::until("D serves it", || status(&d), |status| *status == 200);
    for name in ["a", "d"] {
        let end = if name == "a" { &mut a } else { &mut d };
        // What it answered to that is on disk, if it dies in the next moment.
        end.text(&["fabric", "keys", "rotate", "--overlap", "1h"]);
        let rotated = end.json(&["fabric", "keys", "list"])["clusters"].clone();
        end.process.kill();
        match name {
            "a" => a = a.starts_anew(),
            _ => d = d.starts_anew(),
        }
        let end = if name == "a" { &a } else { &d };
        assert_eq!(end.json(&["fabric", "keys", "list"])["clusters"], rotated, "{name}");
        d.has_ways(&["b", "c"]);
        crate::until("D serves it again", || status(&d), |status| *status == 200);
    }
}

#[test]
fn a_cluster_that_is_restored_from_its_backup_is_the_same_to_its_neighbours() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [mut a, _b, _c, d] = scene.start();
    a.text(&["fabric", "keys", "rotate", "--overlap", "1s"]);
    let backup = scene.keys.path().join("a.backup").to_string_lossy().into_owned();
    a.text(&["backup", &backup]);
    a.process.kill();
    a.loses_its_data();
    a.text(&["restore", &backup]);
    let _a = a.starts_anew();
    d.has_ways(&["b", "c"]);
    crate::until("D serves it again", || status(&d), |status| *status == 200);
}

/// What a client of a cluster's gateway gets.
fn status(at: &Cluster<'_>) -> u16 {
    ask(&at.place.inside, at.gateway(), HOST, "").0
}

#[test]
fn a_key_is_rotated_at_each_cluster_in_turn_and_no_request_fails() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [a, b, c, d] = scene.start();
    let inside = &d.place.inside;
    crate::until("D serves it", || ask(inside, d.gateway(), HOST, "").0, |status| *status == 200);
    let load = Load::start(inside, d.gateway(), HOST);
    load.goes_on(100);
    for cluster in [&a, &b, &c, &d] {
        let (name, rotated) = (cluster.place.name(), Instant::now());
        cluster.text(&["fabric", "keys", "rotate", "--overlap", "3s"]);
        load.goes_on(200);
        d.has_ways(&["b", "c"]);
        load.none_failed(&format!("{name} has a new key"), rotated);
    }
    // Past the overlap none of the first keys counts any more.
    let began = Instant::now();
    std::thread::sleep(std::time::Duration::from_secs(4));
    d.has_ways(&["b", "c"]);
    load.goes_on(200);
    load.none_failed("the old keys have ended", began);
}
