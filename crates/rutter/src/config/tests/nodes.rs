//! The section `nodes`, its policy file, and what of it changes while the program runs.

use std::path::Path;

use super::{diff, good, told};

#[test]
fn the_section_brings_the_table_and_the_defaults() {
    let config = good("controller:\nnodes:\n");
    assert!(config.tables.keys().any(|table| table.as_str() == "nodes"));
    let nodes = config.nodes.unwrap();
    let prefixes: Vec<_> = nodes.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]);
    assert!(nodes.preempt && nodes.sticky && !nodes.strict && nodes.policy.is_none());
    assert_eq!(nodes.damping.unwrap().suppress, 2500);
    assert!(good("controller:\n").nodes.is_none());
    let calm = good("controller:\nnodes: {damping: {enabled: false}, ha: {probe_interval: 0s}}\n");
    assert_eq!(calm.nodes.unwrap().damping, None);
}

#[test]
fn mistakes_are_told_at_their_place() {
    let cases = [
        (
            "gateway: {mesh_router: {backend: 'http://a:1'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\nnodes:\n",
            "rutter.yaml:3:6: nodes speak with the controller of their file (write `controller:` beside it)",
        ),
        ("controller:\nnodes: {polcy: x}\n", "unknown key `polcy` (did you mean `policy`?)"),
        ("controller:\nnodes: {on_withdraw: forget}\n", "rutter.yaml:2:22: "),
        (
            "controller:\nnodes:\ntables:\n  nodes:\n    policy: {approval: none}\n",
            "rutter.yaml:5:5: the section `nodes` says the policy of this table (leave it out",
        ),
        (
            "controller:\nnodes: {prefixes: []}\n",
            "expected one IPv4 network, one IPv6 network, or both",
        ),
        (
            "controller:\nnodes: {prefixes: [10.0.0.0/8, 11.0.0.0/8]}\n",
            "rutter.yaml:2:9: expected one IPv4 network, one IPv6 network, or both",
        ),
        ("controller:\nnodes: {prefixes: [10.0.0.0/30]}\n", "expected a network of /8 to /24"),
        ("controller:\nnodes: {restart_grace: 1h}\n", "rutter.yaml:2:24: expected at most 10m"),
        (
            "controller:\nnodes: {keepalive: 2s}\n",
            "rutter.yaml:2:20: a node that says something each 2s would count as gone after 3s",
        ),
        ("controller:\nnodes: {dead: 1s}\n", "write a `dead` of at least 2s"),
        ("controller:\nnodes: {keepalive: 1ms}\n", "expected 50ms to 1m"),
        ("controller:\nnodes: {ephemeral_timeout: 1s}\n", "expected at least `nodes.dead`, 3s"),
        (
            "controller:\nnodes: {damping: {reuse: 5000}}\n",
            "rutter.yaml:2:26: expected above 0 and below `suppress`",
        ),
        ("controller:\nnodes: {damping: {half_life: 500ms}}\n", "expected at least 1 second"),
        ("controller:\nnodes: {ha: {probe_interval: 1s}}\n", "expected at least 2s, or `0s`"),
        ("controller:\nnodes: {ha: {probe_timeout: 500ms}}\n", "expected at least 1s"),
        (
            "controller:\nnodes: {ha: {probe_interval: 4s}}\n",
            "rutter.yaml:2:30: a ping waited for 5s isn't over when the next begins, after 4s",
        ),
        (
            "controller:\nnodes: {policy: /nowhere/policy.hujson}\n",
            "rutter.yaml:2:17: /nowhere/policy.hujson",
        ),
    ];
    for (text, expected) in cases {
        let told = told(text);
        assert!(told.contains(expected), "{text}\nsays: {told}\nexpected: {expected}");
    }
}

fn with_policy(file: &Path, text: &str) -> String {
    std::fs::write(file, text).unwrap();
    format!("controller:\nnodes: {{policy: '{}'}}\n", file.display())
}

#[test]
fn a_policy_with_a_mistake_is_refused_at_both_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.hujson");
    let told = told(&with_policy(&file, "{\n  \"gruops\": {},\n}"));
    assert!(told.contains("rutter.yaml:2:17: "), "{told}");
    assert!(told.contains("policy.hujson:2:3: ") && told.contains("`groups`"), "{told}");
}

#[test]
fn another_policy_is_a_difference_that_needs_no_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.hujson");
    let from = good(&with_policy(&file, "{}"));
    let to = good(&with_policy(&file, "{\"groups\": {\"group:a\": [\"alice@\"]}}"));
    let changes = diff(&from, &to);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].path == "nodes.policy" && !changes[0].needs_restart, "{changes:?}");
    assert!(diff(&to, &to).is_empty());
    let other =
        good("controller:\nnodes: {prefixes: [10.0.0.0/8], preempt: false, keepalive: 500ms}\n");
    let told: Vec<_> =
        diff(&good("controller:\nnodes:\n"), &other).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "nodes.keepalive: 1s -> 500ms  (needs a restart)",
            "nodes.preempt: true -> false",
            "nodes.prefixes: [\"100.64.0.0/10\",\"fd7a:115c:a1e0::/48\"] -> [\"10.0.0.0/8\"]  (needs a restart)",
        ]
    );
}
