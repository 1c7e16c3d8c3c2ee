//! What is lost when a router goes, in each way that one can.

use std::time::Duration;

use crate::net::probe::Lost;
use crate::scene::{LAN, Network, Scene};

/// A goal of the design, and what was measured.
fn tell(what: &str, goal: &str, took: Duration, lost: Lost) {
    println!(
        "{what}: the user's kernel has the other router after {took:?}, pings lost {} of {}, out \
         for {:?}; goal: {goal}",
        lost.lost,
        lost.sent,
        lost.outage()
    );
}

/// What every machine that runs tests keeps, however busy: several times the goal.
const GENEROUS: Duration = Duration::from_secs(10);

#[test]
fn a_router_that_is_killed_with_its_links_is_replaced_in_under_a_second() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |network| {
        network.routers[0].kill();
        std::thread::sleep(Duration::from_millis(50));
        for link in ["eth0", "lan0"] {
            scene.router(1).ip(&format!("link set {link} down"));
        }
    });
    tell("killed with its links", "under 1 s", took, lost);
    assert!(took < GENEROUS && lost.outage() < GENEROUS, "{took:?} {lost:?}");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
    assert_eq!(network.controller.moves(LAN).len(), 2, "to the first, and to the second");
}

#[test]
fn a_router_whose_agent_alone_is_killed_is_replaced_and_no_ping_is_lost() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |network| network.routers[0].kill());
    tell("its agent alone killed", "the primary moves, no ping is lost", took, lost);
    assert!(took < GENEROUS, "{took:?}");
    assert_eq!(lost.lost, 0, "what it had put into the kernel forwards on: {lost:?}");
}

#[test]
fn a_router_whose_agent_hangs_is_replaced_and_no_ping_is_lost() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |network| network.routers[0].process.signal("-STOP"));
    tell("its agent hangs", "under 3.5 s, no ping is lost", took, lost);
    assert!(took < GENEROUS, "{took:?}");
    assert_eq!(lost.lost, 0, "{lost:?}");
    network.routers[0].process.signal("-CONT");
    network.controller.has("r1", LAN, "eligible");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
}

#[test]
fn a_router_that_is_cut_off_half_open_is_replaced_within_its_dead_time() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |_| scene.cut("wire", "r1", true));
    tell("half-open", "under 3.5 s", took, lost);
    assert!(took < GENEROUS && lost.outage() < GENEROUS, "{took:?} {lost:?}");
    // It is back, and takes nothing back: the one that serves stays.
    scene.cut("wire", "r1", false);
    network.controller.has("r1", LAN, "eligible");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
}

#[test]
fn a_router_whose_lan_is_dead_loses_it_to_the_other_by_its_probe() {
    let Some(scene) = Scene::new() else { return };
    let probe = ", probes: [{prefix: 10.1.0.0/24, target: 'icmp://10.1.0.10', interval: 1s, \
                 timeout: 500ms, unhealthy_threshold: 2}]";
    let mut network = Network::start(&scene, "", probe);
    let (took, lost) = network.moves_to(2, |_| scene.cut("lan", "r1", true));
    tell("its LAN dead (asked each 1 s, two failures)", "none named", took, lost);
    assert!(took < GENEROUS && lost.outage() < GENEROUS, "{took:?} {lost:?}");
    network.controller.has("r1", LAN, "unhealthy");
    scene.cut("lan", "r1", false);
    network.controller.has("r1", LAN, "eligible");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
}

#[test]
fn a_router_that_is_drained_hands_over_without_a_gap() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |network| {
        let drained = network.controller.json(&["nodes", "drain", "r1", "--why", "maintenance"]);
        assert_eq!(drained["unconfirmed"], serde_json::json!([]), "{drained}");
        // Whoever was told has it in its kernel by then.
        assert!(scene.way().contains("via 10.66.0.2 "), "{}", scene.way());
    });
    tell("drained", "without a gap", took, lost);
    assert_eq!(lost.lost, 0, "{lost:?}");
    // Its process may go now, its links and all: nobody sends by it.
    let since = network.probe.now();
    network.routers[0].process.terminate();
    scene.router(1).ip("link set eth0 down");
    network.probe.sends(100);
    assert_eq!(network.probe.lost(since).lost, 0);
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
}

#[test]
fn a_router_that_is_restarted_hands_over_without_a_gap_and_keeps_its_approval() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let (took, lost) = network.moves_to(2, |network| {
        network.routers[0].process.terminate();
        network.routers[0].starts_anew();
    });
    tell("restarted", "no ping lost", took, lost);
    assert_eq!(lost.lost, 0, "it forwards on while others turn elsewhere: {lost:?}");
    network.controller.has("r1", LAN, "eligible");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r2"));
    // And the other way, with what was approved still approved.
    let (_, lost) = network.moves_to(1, |network| {
        network.routers[1].process.terminate();
        network.routers[1].starts_anew();
    });
    assert_eq!(lost.lost, 0, "{lost:?}");
}

#[test]
fn pings_go_on_while_the_controller_is_away_and_nothing_moves_when_it_is_back() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    let since = network.probe.now();
    network.controller.process.kill();
    network.probe.sends(200);
    network.controller = crate::scene::Controller::start(&scene, "");
    for name in ["r1", "r2"] {
        network.controller.has(name, LAN, "eligible");
    }
    network.probe.sends(100);
    let lost = network.probe.lost(since);
    println!("the controller killed and started again: pings lost {} of {}", lost.lost, lost.sent);
    assert_eq!(lost.lost, 0, "{lost:?}");
    assert_eq!(network.controller.primary(LAN).as_deref(), Some("r1"));
    assert!(scene.way().contains("via 10.66.0.1 "), "{}", scene.way());
}

#[test]
fn pings_go_on_while_the_controller_is_cut_off_from_everybody() {
    let Some(scene) = Scene::new() else { return };
    let network = Network::start(&scene, "", "");
    let since = network.probe.now();
    scene.cut("wire", "ctl", true);
    // It takes them all for gone meanwhile.
    network.controller.has("r1", LAN, "offline");
    network.probe.sends(100);
    let while_away = network.probe.lost(since);
    assert_eq!(while_away.lost, 0, "nobody was told anything: {while_away:?}");
    scene.cut("wire", "ctl", false);
    for name in ["r1", "r2"] {
        network.controller.has(name, LAN, "eligible");
    }
    network.probe.sends(100);
    let lost = network.probe.lost(since);
    println!("the controller cut off and back: pings lost {} of {}", lost.lost, lost.sent);
    // Who returns before the routers do is told of none, and holds what it had until they are back.
    assert_eq!(lost.lost, 0, "{lost:?}");
}
