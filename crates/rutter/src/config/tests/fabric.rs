//! The section `fabric`: its defaults, its mistakes, the tables that it brings.

use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::Signing;

use super::{diff, doc, good, raw, told, written_out};

const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

#[test]
fn the_section_brings_its_table_and_the_defaults() {
    let config = good("cluster: a\nfabric:\n");
    assert_eq!(config.tables.keys().map(|t| t.as_str()).collect::<Vec<_>>(), ["fabric"]);
    let fabric = config.fabric.unwrap();
    assert_eq!(fabric.listen.to_string(), "0.0.0.0:7072");
    assert!(fabric.security.require_signatures && fabric.security.require_claims);
    assert_eq!(fabric.security.sign, Signing::Batch);
    let open = good("cluster: a\nfabric: {profile: open, security: {require_claims: true}}\n");
    let open = open.fabric.unwrap().security;
    assert!(!open.require_signatures && open.require_claims);
    assert_eq!(open.sign, Signing::Off);
    let written = config_of_defaults();
    let none = good("cluster: a\nfabric:\n");
    assert_eq!(diff(&none, &good(&written)), []);
}

/// A file with every default of the section in it.
fn config_of_defaults() -> String {
    let mut text = "cluster: a\nfabric:\n".to_owned();
    written_out(&raw::Fabric::section(), 2, &mut text);
    assert!(text.contains("max_restart: 2m"), "{text}");
    text
}

#[test]
fn what_is_carried_is_a_table_that_looks_clusters_up_in_the_fabric() {
    let carried = "policy: {carry: {services: {export: {}}, overlay/100: {}}}";
    let config = good(&format!("cluster: a\ncontroller:\nfabric: {{{carried}}}\n"));
    for table in ["services", "overlay/100"] {
        let resolves = &config.tables[&table.parse().unwrap()].resolves;
        let through: Vec<_> = resolves.iter().map(|r| r.through.as_str()).collect();
        assert_eq!(through, ["fabric"], "{table}");
    }
    let renamed = format!("scopes: {{overlay/100: overlay/7}}, {carried}");
    let config = good(&format!("cluster: a\nfabric: {{{renamed}}}\n"));
    let names: Vec<_> = config.tables.keys().map(|t| t.as_str()).collect();
    assert_eq!(names, ["fabric", "overlay/7", "services"]);
    // The overlay makes its own.
    let overlay = "overlay: {node: a, networks: [{vni: 100}]}";
    let config = good(&format!("cluster: a\n{overlay}\nfabric: {{{carried}}}\n"));
    assert!(!config.tables.contains_key(&"overlay/100".parse().unwrap()));
}

#[test]
fn mistakes_are_told_at_their_place() {
    let neighbour = |what: &str| format!("cluster: a\nfabric: {{neighbours: {{b.c: {what}}}}}\n");
    let policy = |what: &str| format!("cluster: a\nfabric: {{policy: {what}}}\n");
    let section = |what: &str| format!("cluster: a\nfabric: {{{what}}}\n");
    let cases = [
        ("fabric:\n".to_owned(), "this cluster needs a name that no other has"),
        (section("lisen: x"), "unknown key `lisen` (did you mean `listen`?)"),
        (section("neighbours: {a: {}}"), "this is the cluster's own name"),
        (neighbour("{addresses: [x]}"), "rutter.yaml:2:41: expected `HOST:PORT`"),
        (neighbour("{addresses: ['::1:80']}"), "expected `HOST:PORT`"),
        (neighbour("{keys: [beef]}"), "rutter.yaml:2:36: expected an Ed25519 public key"),
        (neighbour("{paths: 17}"), "rutter.yaml:2:36: expected 1 to 16"),
        (neighbour("{link: {reliability_ppm: 2000000}}"), "expected at most 1000000"),
        (neighbour("{pacing: soon}"), "`soon` is not a valid duration"),
        (policy("{imprt: {}}"), "unknown key `imprt` (did you mean `import`?)"),
        (policy("{neighbours: {x: {}}}"), "`x` is no neighbour (write it under"),
        (policy("{carry: {nodes: {}}}"), "`nodes` isn't carried"),
        (policy("{carry: {fabric: {}}}"), "this table is carried by itself"),
        (section("scopes: {overlay/1: overlay/2}"), "`overlay/1` isn't carried"),
        (section("security: {claim_life: 1m}"), "write a `claim_life` of at least 15m"),
        (section("liveness: {interval: 1ms}"), "expected 50ms to 60s"),
        (section("liveness: {misses: 1}"), "expected 2 to 100"),
        (section("sign_command: [hsm]"), "by which key does it sign?"),
        (section(&format!("sign_key: {KEY}")), "there is no `sign_command` that signs by it"),
        (section("keys: {urls: ['http://x']}"), "expected `https://...`"),
        (
            section("listen: '127.0.0.1:7070'") + "controller:\n",
            "also the address of `listeners.api`",
        ),
        (
            section("") + "tables: {fabric: {policy: {approval: none}}}\n",
            "the section `fabric` says the policy of this table",
        ),
        ("data: off\ncluster: a\nfabric:\n".to_owned(), "a cluster's key has to be kept"),
    ];
    for (text, expected) in cases {
        let told = told(&text);
        assert!(told.contains(expected), "{text}\n{told}\nexpected: {expected}");
    }
}

#[test]
fn the_example_of_the_page_is_taken() {
    let fabric = good(doc::fabric_example()).fabric.unwrap();
    assert_eq!(fabric.neighbours.len(), 2);
    assert!(fabric.policy.strict_origins);
    assert_eq!(fabric.scopes.len(), 2);
}

#[test]
fn neighbours_and_policy_change_while_it_runs_and_the_listener_does_not() {
    let from = good("cluster: a\nfabric:\n");
    let to = good(
        "cluster: a\nfabric: {listen: '127.0.0.1:1', neighbours: {b: {paths: 2}}, policy: {strict_origins: true}}\n",
    );
    let changes = diff(&from, &to);
    let restart: Vec<_> = changes.iter().filter(|c| c.needs_restart).map(|c| &c.path).collect();
    assert_eq!(restart, ["fabric.listen"]);
    assert!(changes.iter().any(|c| c.path == "fabric.policy.strict_origins"));
    assert!(changes.iter().any(|c| c.path == "fabric.neighbours.b.paths"));
}

#[test]
fn the_page_names_every_key_of_the_policy() {
    let page = doc::page();
    let full: FabricPolicy = serde_json::from_str(
        r#"{"import": {"allowed_advertisers": ["a"], "deny_advertisers": ["a"], "allowed_destinations": ["a"],
        "deny_destinations": ["a"], "allowed_tags": ["t"], "deny_tags": ["t"], "services": ["s"],
        "prefixes": ["::/0"], "max_hops": 1, "preference": 1, "add_tags": ["t"]}, "export": {},
        "neighbours": {}, "clusters": {}, "origins": {}, "carry": {}}"#,
    )
    .unwrap();
    let value = serde_json::to_value(&full).unwrap();
    let top = value.as_object().unwrap();
    let import = value["import"].as_object().unwrap();
    assert_eq!((top.len(), import.len()), (10, 11));
    for key in top.keys().chain(import.keys()).chain(&["services".into(), "clusters".into()]) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}
