//! The agent as a node: `agent.routes`.

use rutter_agent::ProbeSpec;

use super::{good, told};

const LINE: &str = "http://127.0.0.1:1#rtj_x";

fn file(rest: &str) -> String {
    format!("agent:\n  join: '{LINE}'\n  name: r1\n{rest}")
}

#[test]
fn a_node_has_its_defaults_and_joins_by_the_agents_line_unless_that_is_spent_for_services() {
    let agent = good(&file("  routes: {advertise_routes: [10.1.0.0/24]}\n")).agent.unwrap();
    assert!(agent.of_services().is_none());
    let node = agent.node().unwrap();
    assert!(node.masquerade && !node.accepts_routes && !node.is_exit_node);
    assert_eq!(node.url, LINE.parse().unwrap());

    let services = "  services: [web=127.0.0.1:3000]\n  routes: {accept_routes: true}\n";
    let agent = good(&file(services)).agent.unwrap();
    assert!(agent.of_services().is_some());
    assert!(agent.node().unwrap().url.token.is_none(), "a person lets it in");

    let own = "  services: [web=127.0.0.1:3000]\n  \
               routes: {accept_routes: true, join: 'http://127.0.0.1:1#rtj_y'}\n";
    let node = good(&file(own)).agent.unwrap().node().unwrap();
    assert_eq!(node.url, "http://127.0.0.1:1#rtj_y".parse().unwrap());
    assert!(good(&file("  services: [web=127.0.0.1:3000]\n")).agent.unwrap().node().is_none());
}

#[test]
fn a_probe_has_what_is_written_and_otherwise_its_defaults() {
    let probe = |more: &str| {
        let of = "prefix: 10.1.0.0/24, target: 'icmp://10.1.0.7'";
        let routes = format!("advertise_routes: [10.1.0.0/24], probes: [{{{of}{more}}}]");
        let config = good(&file(&format!("  routes: {{{routes}}}\n")));
        config.agent.unwrap().node().unwrap().probes.remove(0)
    };
    let default =
        ProbeSpec::new("10.1.0.0/24".parse().unwrap(), "icmp://10.1.0.7".parse().unwrap());
    assert_eq!(probe(""), default);
    assert_eq!(
        probe(", interval: 1s, timeout: 500ms, healthy_threshold: 1, unhealthy_threshold: 9"),
        ProbeSpec {
            interval: std::time::Duration::from_secs(1),
            timeout: std::time::Duration::from_millis(500),
            healthy_threshold: 1,
            unhealthy_threshold: 9,
            ..default
        }
    );
}

#[test]
fn mistakes_are_told_at_their_place() {
    let routes = |text: &str| file(&format!("  routes: {{{text}}}\n"));
    let probe =
        |text: &str| routes(&format!("advertise_routes: [10.1.0.0/24], probes: [{{{text}}}]"));
    let cases = [
        (file(""), "the agent has nothing to register"),
        (
            "agent: {join: 'http://127.0.0.1:1', name: a, services: ['127.0.0.1:1']}\n".into(),
            "rutter.yaml:1:15: services are registered by a token: expected `URL#TOKEN`",
        ),
        (routes(""), "neither advertises routes nor takes any"),
        (routes("advertise_routes: [0.0.0.0/0]"), "offers that as an exit node"),
        (routes("advertise_routes: [10.1.0.1/24]"), "did you mean `10.1.0.0/24`?"),
        (routes("advertise_route: [10.1.0.0/24]"), "did you mean `advertise_routes`?"),
        (probe("prefix: 10.1.0.0/24"), "a probe needs `prefix` and `target`"),
        (
            probe("prefix: 10.1.0.0/24, target: nas"),
            "is not a valid probe target: `icmp://ADDRESS`",
        ),
        (probe("prefix: 10.2.0.0/24, target: 'icmp://10.2.0.7'"), "`10.2.0.0/24` isn't advertised"),
        (
            probe("prefix: 10.1.0.0/24, target: 'icmp://10.1.0.7', interval: 10ms"),
            "1 s is the least",
        ),
    ];
    for (text, expected) in cases {
        let said = told(&text);
        assert!(said.contains(expected), "{text}says: {said}\nexpected: {expected}");
    }
}
