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
    assert!(way.contains("via 10.66.0.1 ") && way.contains("proto 83"), "{way}");
    let since = network.probe.now();
    network.user.starts_anew();
    network.user.process.says("has begun");
    network.probe.sends(100);
    assert_eq!(network.probe.lost(since).lost, 0);
    assert_eq!(scene.way(), way);
    // What is gone meanwhile goes with the first map: nothing is left of what nobody told.
    network.user.kill();
    network.user.process.end();
    scene.user.ip("route add 10.99.0.0/24 via 10.66.0.1 proto 83 metric 500");
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
        assert_eq!(scene.router(n).ip("route show proto 83"), [""; 0]);
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

#[test]
fn ipv6_goes_by_the_routers_addresses_of_ipv6() {
    let Some(scene) = Scene::new() else { return };
    let controller = Controller::start(&scene, "");
    let join = controller.join();
    let mut routers = Vec::new();
    for n in [1, 2] {
        let name = format!("r{n}");
        let routes = format!("advertise_routes: ['fd01::/64'], addresses: ['fd66::{n}']");
        routers.push(Agent::start(&scene, scene.router(n), &name, &join, &routes));
        controller.has(&name, "fd01::/64", "unapproved");
        controller.json(&["nodes", "approve", &name, "fd01::/64"]);
        controller.has(&name, "fd01::/64", "eligible");
    }
    let _user = Agent::start(&scene, &scene.user, "user", &join, "accept_routes: true");
    let way = || scene.user.ip("-6 route show fd01::/64").join("");
    until("the way", way, |way| way.contains("via fd66::1 "));
    let probe = Probe::pings(&scene.user, &scene.host, "[fd01::10]");
    probe.flows();
    let since = probe.now();
    routers[0].kill();
    until("the way by the other", way, |way| way.contains("via fd66::2 "));
    probe.sends(50);
    assert_eq!(probe.lost(since).lost, 0);
}
