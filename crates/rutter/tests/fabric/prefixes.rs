//! A network behind A in D's overlay, over two ways.

use std::time::Instant;

use crate::probe::Probe;
use crate::scene::Scene;

#[test]
fn a_network_of_another_cluster_is_reached_over_both_ways_and_moves_when_one_is_cut() {
    let Some(scene) = Scene::new() else { return };
    let clusters = scene.start();
    let (a, d) = (scene.place("a"), scene.place("d"));
    let route = || d.table().into_iter().find(|line| line.starts_with("172.16.10.0/24"));
    crate::until("D's kernel has the way", route, Option::is_some);
    let back = || a.table().into_iter().find(|line| line.starts_with("172.16.40.0/24"));
    crate::until("A's kernel has the way back", back, Option::is_some);
    let probe = Probe::pings(&d.lan, &a.lan, "172.16.10.2");
    probe.flows();
    for (cut, left, via) in [("b", "c", "via 10.4.0.1 "), ("c", "b", "via 10.3.0.1 ")] {
        let (before, began) = (probe.now(), Instant::now());
        scene.cut(cut, "d", true);
        let moved = || route().is_some_and(|line| line.contains(via));
        crate::until("D's route moves", moved, |moved| *moved);
        let took = began.elapsed();
        crate::until("A's route moves", back, |line| {
            let away = if cut == "b" { "via 10.1.0.2 " } else { "via 10.2.0.2 " };
            line.as_ref().is_some_and(|line| !line.contains(away))
        });
        probe.flows();
        let lost = probe.lost(before);
        println!("{cut}-d is cut: D's kernel goes over {left} after {took:?}; {lost:?}");
        scene.cut(cut, "d", false);
        let [_, _, _, process] = &clusters;
        process.has_ways(&["b", "c"]);
        probe.flows();
    }
}
