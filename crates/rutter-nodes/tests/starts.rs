//! What outlives a start: primaries, rows and words.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use rutter_nodes::RouteRow;
use rutter_nodes::election::Settings;
use rutter_route::*;
use scene::{Scene, WALL, prefix};

const P: &str = "192.168.1.0/24";

#[test]
fn after_a_start_the_stored_primary_is_kept_until_it_is_back_or_the_grace_ends() {
    let restarted = || {
        let mut scene = Scene::new(Settings::default());
        let [a, b] = [scene.add("user1@"), scene.add("user1@")];
        for id in [a, b] {
            scene.announce(id, &[P]);
            scene.approve(id, P).unwrap();
        }
        scene.settle();
        scene.disconnect(a);
        scene.settle();
        scene.announce(a, &[P]);
        scene.settle();
        assert_eq!(scene.primary(P), Some(b));
        let mut new = Scene::new(Settings::default());
        new.incarnations = scene.incarnations;
        let grace = new.settings.restart_grace;
        for id in [a, b] {
            let stored = scene.nodes.stored(&scene.table, id).unwrap();
            new.nodes.restore(new.now, &mut new.table, &stored, grace).unwrap();
        }
        new.settle();
        assert_eq!(new.primary(P), Some(b), "nobody is there, and nothing moved");
        (new, a, b)
    };
    let (mut scene, a, b) = restarted();
    scene.announce(a, &[P]);
    scene.settle();
    assert_eq!(scene.primary(P), Some(b), "who is back first doesn't get it");
    scene.pass(14_000);
    scene.announce(b, &[P]);
    scene.settle();
    scene.pass(60_000);
    scene.settle();
    assert_eq!(scene.primary(P), Some(b));

    let (mut scene, a, _) = restarted();
    scene.announce(a, &[P]);
    scene.pass(15_000);
    scene.settle();
    assert_eq!(scene.primary(P), Some(a), "the grace is over");

    let (mut scene, a, b) = restarted();
    scene.announce(a, &[P]);
    scene.announce(b, &[]);
    scene.settle();
    assert_eq!(scene.primary(P), Some(a), "it is back, without the route");

    let (mut scene, a, b) = restarted();
    scene.announce(a, &[P]);
    scene.revoke(b, P);
    scene.settle();
    assert_eq!(scene.primary(P), Some(a), "nobody waits for what may not be used");
}

#[test]
fn every_word_outlives_a_start_with_its_author_and_time() {
    let mut scene = Scene::new(Settings::default());
    let a = scene.add("user1@");
    scene.announce(a, &[P, "192.168.2.0/24"]);
    scene.approve(a, P).unwrap();
    scene.revoke(a, "192.168.2.0/24");
    let source = SourceId::node(a.0);
    let words = [
        (Some(P), Decision::Prefer(200)),
        (None, Decision::Prefer(50)),
        (None, Decision::Drain),
        (None, Decision::Approve),
    ];
    for (on, what) in words {
        scene.pass(1000);
        let (on, by) = (on.map(prefix), By::Person("bob".into()));
        scene.table.decide(scene.now, &source, on.as_ref(), what, by, "because").unwrap();
    }
    scene.settle();
    let stored = scene.nodes.stored(&scene.table, a).unwrap();
    let mut new = Scene::new(Settings::default());
    new.pass(99_000);
    new.nodes.restore(new.now, &mut new.table, &stored, new.settings.restart_grace).unwrap();
    new.settle();
    assert_eq!(new.table.counts().decisions, scene.table.counts().decisions);
    let said = |row: RouteRow| (row.approval, row.preference, row.drain);
    for route in [P, "192.168.2.0/24", "192.168.3.0/24"] {
        let words = |s: &Scene| s.table.decisions(&source, Some(&prefix(route)));
        assert_eq!(words(&new), words(&scene), "{route}");
        assert_eq!(words(&new).drain.unwrap().at.0, WALL + 3000);
    }
    assert_eq!(said(new.row(a, P)), said(scene.row(a, P)));
    assert_eq!(new.table.decisions(&source, None), scene.table.decisions(&source, None));

    // A key that expired meanwhile: the node is there, its routes and approvals are not.
    let mut stored = stored;
    stored.node.expiry = Some(Wall(WALL));
    let mut new = Scene::new(Settings::default());
    new.nodes.restore(new.now, &mut new.table, &stored, new.settings.restart_grace).unwrap();
    new.settle();
    assert_eq!((new.primary(P), new.table.counts().routes), (None, 0));
    let whole = new.row(a, P).approval.map(|w| w.by.to_string());
    assert_eq!(
        whole.as_deref(),
        Some("bob"),
        "ann's word ended with the route, bob's is of the node"
    );
}
