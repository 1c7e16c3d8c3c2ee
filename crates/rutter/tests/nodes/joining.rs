//! How a node comes in, and what it does when it isn't wanted any more.

use crate::net::until;
use crate::scene::{Agent, Controller, LAN, Scene};

#[test]
fn a_node_without_a_token_waits_until_a_person_lets_it_in() {
    let Some(scene) = Scene::new() else { return };
    let controller = Controller::start(&scene, "");
    // The same line without its token: who it is that speaks there is still known by its CA.
    let join = controller.join();
    let (url, token) = join.split_once('#').unwrap();
    let pin = token.split_once('.').unwrap().1;
    let join = format!("{url}#.{pin}");
    let options = ["--join", &join, "--name", "r1", "--advertise-routes", LAN];
    let mut agent = Agent::of_options(&scene, scene.router(1), "r1", &options);
    let asked = agent.process.says("waits for approval");
    assert!(asked.contains("rutter nodes register "), "{asked}");
    let pending = controller.json(&["nodes", "pending"]);
    let key = pending[0]["key"].as_str().unwrap_or_else(|| panic!("{pending}")).to_owned();
    assert!(asked.contains(&key), "it says the command as it is to be typed: {asked}");
    controller.json(&["nodes", "register", &key, "--user", "alice@"]);
    controller.has("r1", LAN, "unapproved");
}

#[test]
fn a_node_that_is_deleted_says_so_keeps_running_and_may_be_let_in_again() {
    let Some(scene) = Scene::new() else { return };
    let controller = Controller::start(&scene, "");
    controller.json(&["users", "create", "alice@"]);
    let made = controller.json(&["preauthkeys", "create", "--user", "alice@"]);
    let join = made["join"].as_str().unwrap().to_owned();
    let routes = format!("advertise_routes: [{LAN}]");
    let mut agent = Agent::start(&scene, scene.router(1), "r1", &join, &routes);
    controller.has("r1", LAN, "unapproved");
    controller.json(&["nodes", "delete", "r1"]);
    agent.process.says("deleted or its key has expired");
    // Its token was spent, which isn't the end of it.
    agent.process.says("the join token is unknown, expired, used up");
    let nodes = || controller.json(&["nodes", "list"]).as_array().map(Vec::len);
    assert_eq!(nodes(), Some(0));
    // With another line it is let in again, as the same process or another.
    let made = controller.json(&["preauthkeys", "create", "--user", "alice@"]);
    agent.process.terminate();
    let join = made["join"].as_str().unwrap();
    let _anew = Agent::start(&scene, scene.router(1), "r1", join, &routes);
    controller.has("r1", LAN, "unapproved");
    until("one node", nodes, |n| *n == Some(1));
}

#[test]
fn an_agent_with_services_is_a_node_by_a_key_of_its_own() {
    let Some(scene) = Scene::new() else { return };
    let controller = Controller::start(&scene, "");
    controller.json(&["users", "create", "alice@"]);
    let made = controller.json(&["tokens", "join"]);
    let join = made["join"].as_str().unwrap();
    let file = scene.path("both.yaml");
    let text = format!(
        "agent:\n  join: '{join}'\n  name: both\n  services: [web=127.0.0.1:3000]\n  \
         address: 10.66.0.1\n  routes: {{advertise_routes: [{LAN}]}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut agent = Agent::of_file(&scene, scene.router(1), "both", &file);
    // The token is the services'; who is a router is for a person to say.
    let asked = agent.process.says("waits for approval");
    let key = asked.split("nodes register ").nth(1).unwrap().split_whitespace().next().unwrap();
    controller.json(&["nodes", "register", key, "--user", "alice@"]);
    controller.has("both", LAN, "unapproved");
    let routes = || controller.json(&["routes", "list"]).to_string();
    until("the service", routes, |routes| routes.contains("web.both.example.test"));
    for name in ["agent-both.key", "node-both.key"] {
        assert!(scene.path("both").join("agent").join(name).exists(), "{name}");
    }
    agent.process.terminate();
}
