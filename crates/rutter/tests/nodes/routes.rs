//! What a node brings into its kernel, and what it leaves alone.

use crate::net::probe::Probe;
use crate::net::until;
use crate::scene::{Agent, Controller, HOST, LAN, Network, Scene};

#[test]
fn a_killed_nodes_routes_stay_and_the_next_takes_them_on() {
    let Some(scene) = Scene::new() else { return };
    let mut network = Network::start(&scene, "", "");
    network.user.kill();
    network.user.process.end();
    let way = scene.way();
    assert!(way.contains("via 10.66.0.1 ") && way.contains("proto 82"), "{way}");
    let since = network.probe.now();
    network.user.starts_anew();
    network.user.process.says("has begun");
    network.probe.sends(100);
    assert_eq!(network.probe.lost(since).lost, 0);
    assert_eq!(scene.way(), way);
    // What is gone meanwhile goes with the first map: nothing is left of what nobody told.
    network.user.kill();
    network.user.process.end();
    scene.user.ip("route add 10.99.0.0/24 via 10.66.0.1 proto 82 metric 500");
    network.user.starts_anew();
    let stale = || scene.user.ip("route show 10.99.0.0/24");
    until("what nobody told of goes", stale, Vec::is_empty);
    assert_eq!(scene.way(), way);
    // One that is ended takes its own along, and nothing else.
    network.user.process.terminate();
    assert_eq!(scene.way(), "");
    assert!(!scene.user.ip("route show 10.66.0.0/24").is_empty());
}

#[test]
fn routers_take_no_route_to_a_network_of_their_own() {
    let Some(scene) = Scene::new() else { return };
    let network = Network::start(&scene, "", ", accept_routes: true");
    for n in [1, 2] {
        let ways = scene.router(n).ip(&format!("route show {LAN}"));
        assert_eq!(ways.len(), 1, "{ways:?}");
        assert!(ways[0].contains("dev lan0 proto kernel"), "{ways:?}");
        assert_eq!(scene.router(n).ip("route show proto 82"), [""; 0]);
    }
    drop(network);
}

#[test]
fn an_exit_node_leads_everywhere_else_and_the_way_to_the_controller_stays() {
    let Some(scene) = Scene::new() else { return };
    let controller = Controller::start(&scene, "");
    let join = controller.join();
    // Its LAN is the world beyond: nobody advertises it.
    let exit = Agent::start(&scene, scene.router(1), "r1", &join, "advertise_exit_node: true");
    controller.has("r1", "0.0.0.0/0", "unapproved");
    controller.json(&["nodes", "approve", "r1", "0.0.0.0/0"]);
    // Both families together.
    controller.has("r1", "::/0", "eligible");
    let mut user = Agent::start(&scene, &scene.user, "user", &join, "exit_node: r1");
    let half = || scene.user.ip("route show 0.0.0.0/1").join("");
    until("the way out", half, |way| way.contains("via 10.66.0.1 "));
    let probe = Probe::pings(&scene.user, &scene.host, HOST);
    probe.flows();
    drop(probe);
    // Another exit is chosen by name; without it there is no way out, and none is left.
    user.process.terminate();
    assert_eq!(half(), "");
    let other = Agent::start(&scene, &scene.user, "user", &join, "exit_node: r9");
    let mut other = other;
    other.process.says("`r9` is no exit node that this node may use now");
    assert_eq!(half(), "");
    drop(exit);
}
