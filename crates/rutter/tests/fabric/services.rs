//! A service of A at D's gateway, over two ways.

use std::time::{Duration, Instant};

use crate::cluster::HOST;
use crate::load::{Load, ask, serve};
use crate::scene::Scene;

/// How soon requests go the other way. Of the cuts the fastest counts: others may have the machine's
/// cores in one of them, and then this is how long it may take.
const GOAL: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_secs(3);

#[test]
fn a_service_moves_in_under_a_second_when_a_way_is_cut_and_no_request_fails() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, _b, _c, d] = scene.start();
    let inside = &d.place.inside;
    crate::until("D serves it", || ask(inside, d.gateway(), HOST, "").0, |status| *status == 200);
    let load = Load::start(inside, d.gateway(), HOST);
    load.goes_on(200);
    let mut fastest = Duration::MAX;
    // Whichever way is the best: each is cut in turn, first next to D and then next to A.
    for (one, other) in [("b", "d"), ("c", "d"), ("a", "b"), ("a", "c")] {
        let used = d.best();
        let cut = Instant::now();
        scene.cut(one, other, true);
        let left = if one == "b" || other == "b" { "c" } else { "b" };
        d.has_ways(&[left]);
        let moved = cut.elapsed();
        load.goes_on(200);
        let longest = load.none_failed(&format!("{one}-{other} is cut"), cut);
        println!("  D has the other way alone after {moved:?}");
        assert!(longest < BUSY, "{longest:?}");
        // Only where requests went that way did they move.
        if used == one || used == other {
            fastest = fastest.min(moved.max(longest));
        }
        let mended = Instant::now();
        scene.cut(one, other, false);
        d.has_ways(&["b", "c"]);
        load.goes_on(200);
        load.none_failed(&format!("{one}-{other} is mended"), mended);
    }
    assert!(fastest < GOAL, "{fastest:?}");
}

#[test]
fn a_forged_visited_header_is_dropped_and_the_host_is_kept() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, _b, _c, d] = scene.start();
    let inside = &d.place.inside;
    crate::until("D serves it", || ask(inside, d.gateway(), HOST, "").0, |status| *status == 200);
    for forged in ["0; b, c", "5; a", "rubbish"] {
        let header = format!("Rutter-Via: {forged}\r\n");
        let (status, body) = ask(inside, d.gateway(), HOST, &header);
        assert_eq!(status, 200, "{forged}: {body}");
        assert!(body.starts_with("a\n") && body.contains(&format!("host: {HOST}\n")), "{body}");
        assert!(!body.contains("rutter-via"), "{body}");
    }
    // Nobody but a neighbour is let in where neighbours are.
    let neighbours = format!("10.0.0.{}:8443", d.place.n).parse().unwrap();
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ask(inside, neighbours, HOST, "")
    }));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn explain_at_the_far_end_names_each_table() {
    let Some(scene) = Scene::new() else { return };
    serve(&scene.place("a").lan, "172.16.10.2:8000", "a");
    let [_a, _b, _c, d] = scene.start();
    let inside = &d.place.inside;
    crate::until("D serves it", || ask(inside, d.gateway(), HOST, "").0, |status| *status == 200);
    let told = d.text(&["routes", "explain", HOST]);
    for word in ["neighbour/b", "neighbour/c", "cluster:a", "fabric: a by neighbour/"] {
        assert!(told.contains(word), "`{word}` isn't in:\n{told}");
    }
    let told = d.text(&["routes", "explain", "172.16.10.0/24", "--table", "overlay/100"]);
    for word in ["cluster:a", "fabric: a by neighbour/", "via 10."] {
        assert!(told.contains(word), "`{word}` isn't in:\n{told}");
    }
}
