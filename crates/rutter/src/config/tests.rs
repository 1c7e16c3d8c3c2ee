//! What a file is refused for, where that is said to stand, and what a page promises.

mod agent;
mod fabric;
mod nodes;
mod services;

use super::diff::diff;
use super::section::{Preset, Section, Shape};
use super::{Config, Period, doc, parse, raw};

fn good(text: &str) -> Config {
    parse("rutter.yaml", text, None).unwrap_or_else(|error| panic!("{error}"))
}

fn told(text: &str) -> String {
    parse("rutter.yaml", text, None)
        .map(|_| ())
        .expect_err("the file should be refused")
        .to_string()
}

#[test]
fn the_smallest_files_are_taken() {
    let config = good("controller:\n");
    assert_eq!(config.listeners.api.as_ref().unwrap().address.to_string(), "127.0.0.1:7070");
    assert_eq!(config.domain.as_str(), "localhost");
    assert!(config.gateway.is_none());
    assert_eq!(config.tables.keys().map(|t| t.as_str()).collect::<Vec<_>>(), ["services"]);
    good("controller:\ngateway:\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n");
    good(doc::EXAMPLE);
    let by_backend = "gateway: {mesh_router: {backend: 'http://a:1'}}\n\
                      listeners: {gateway: {http: '127.0.0.1:0'}}\ndata: ";
    assert_eq!(good(&format!("{by_backend}/x")).data.as_deref(), Some(std::path::Path::new("/x")));
    for off in ["off", "'off'", "false"] {
        assert_eq!(good(&format!("{by_backend}{off}")).data, None);
    }
}

#[test]
fn mistakes_are_told_at_their_place_with_what_to_do() {
    let cases = [
        ("controler:\n", "rutter.yaml:1:1: unknown key `controler` (did you mean `controller`?)"),
        (
            "controller:\n  lease: 10m\n  renw: 5m\n",
            "rutter.yaml:3:3: unknown key `renw` (did you mean `renew`?)",
        ),
        (
            "controller: {}\nlog:\n  format: jsn\n",
            "rutter.yaml:3:11: unknown word `jsn` (did you mean `json`?)",
        ),
        ("controller: {lease: soon}\n", "rutter.yaml:1:21: `soon` is not a valid duration"),
        (
            "controller:\n  lease: 8m\n",
            "rutter.yaml:2:10: a lease of 8m is shorter than two renewals of 5m",
        ),
        (
            "controller:\n  renew: 6m\n",
            "rutter.yaml:2:10: a lease of 10m is shorter than two renewals of 6m",
        ),
        (
            "controller:\nlisteners:\n  api: 127.0.0.1:8192\n  compat: {mesh_router: 127.0.0.1:8192}\n",
            "rutter.yaml:4:25: 127.0.0.1:8192 is also the address of `listeners.api`",
        ),
        (
            "controller:\nlisteners:\n  api: 0.0.0.0:80\n  compat: {mesh_router: 127.0.0.1:80}\n",
            "rutter.yaml:4:25: 127.0.0.1:80 is also the address of `listeners.api`",
        ),
        ("controller:\nlisteners: {api: 7070}\n", "rutter.yaml:2:13: expected `ADDRESS:PORT`"),
        (
            "overlay: {node: a, networks: [{vni: 1}], bridges: [{name: br1, mtu: 100}]}\n",
            "rutter.yaml:1:69: expected 1280 to 9000",
        ),
        (
            "overlay: {node: a, networks: [{vni: 1}], bridges: [{name: br1}, {name: br1}]}\n",
            "rutter.yaml:1:65: the bridge `br1` stands twice in the list",
        ),
        (
            "overlay: {node: a, networks: [{vni: 1, bridge: br}, {vni: 2, bridge: br, table: 7}]}\n",
            "rutter.yaml:1:53: `br` is another link's name too",
        ),
        (
            "overlay: {node: a, networks: [{vni: 1}], peers: [{name: b, address: 10.0.0.1, dead: 1ms}]}\n",
            "`dead` must be longer than `keepalive`",
        ),
        (
            "overlay: {node: a, networks: [{vni: 1}], peers: [{name: b, address: 10.0.0.1, overlays: [2]}]}\n",
            "expected numbers of overlays of this host",
        ),
        ("overlay: {networks: [{vni: 1}]}\n", "the overlay has neither a `node` nor a file"),
        (
            "controller:\noverlay: {node: a, networks: [{vni: 1}]}\ntables: {overlay/1: {}}\n",
            "the overlay has this table, and says its policy",
        ),
        ("controller:\ndomain:\n", "rutter.yaml:2:7: there is nothing behind this key"),
        ("domain: example.com\n", "no role is switched on"),
        ("controller:\ngateway:\n", "rutter.yaml:2:8: the gateway has nowhere to listen"),
        (
            "controller:\ngateway: {acme: {names: [a.b]}}\nlisteners: {gateway: {http: '127.0.0.1:1', https: '127.0.0.1:2'}}\n",
            "expected `true`: read the CA's terms of service",
        ),
        (
            "controller:\ngateway: {acme: {agree_to_terms: true}}\nlisteners: {gateway: {https: '127.0.0.1:2'}}\n",
            "expected 1 to 100 host names",
        ),
        (
            "controller:\ngateway: {acme: {names: ['*.a.b'], agree_to_terms: true}}\nlisteners: {gateway: {http: '127.0.0.1:1', https: '127.0.0.1:2'}}\n",
            "rutter.yaml:2:18: expected 1 to 100 host names",
        ),
        (
            "controller:\ngateway: {acme: {names: [a.b], agree_to_terms: true}}\nlisteners: {gateway: {https: '127.0.0.1:2'}}\n",
            "`http-01` is answered by `listeners.gateway.http`, which is off",
        ),
        (
            "controller:\ngateway: {acme: {names: [a.b], agree_to_terms: true}}\nlisteners: {gateway: {http: '127.0.0.1:2'}}\n",
            "the certificate is for `listeners.gateway.https`, which is off",
        ),
        (
            "controller:\nlisteners:\n  api: {address: '127.0.0.1:0', tls: {chain: a, key: b}}\n",
            "rutter.yaml:3:3: its certificate is good for a name, which isn't told",
        ),
        (
            "gateway:\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "the gateway doesn't know where its controller is",
        ),
        (
            "controller:\ngateway: {read_token_file: /x}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "rutter.yaml:2:28: the controller in this file knows who may read",
        ),
        (
            "gateway: {join: 'http://127.0.0.1:1#rtj_x', read_token_file: /x}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "rutter.yaml:1:62: there is no API to read",
        ),
        (
            "agent: {join: 'http://127.0.0.1:1#rtj_x', name: a, services: ['127.0.0.1:1']}\nlisteners: {api: '127.0.0.1:0'}\n",
            "rutter.yaml:2:18: there is neither controller nor gateway to listen for",
        ),
        (
            "controller:\ngateway: {mesh_router: {backend: 'http://127.0.0.1:1'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "a gateway's routes come from one place (leave out `mesh_router` or `controller`)",
        ),
        (
            "gateway: {join: 'http://127.0.0.1:1#rtj_x', mesh_router: {backend: 'http://127.0.0.1:1'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "a gateway's routes come from one place (leave out `mesh_router` or `join`)",
        ),
        (
            "gateway: {mesh_router: {cache_ttl: 0s}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "rutter.yaml:1:11: which backend? (write `backend: http://HOST:PORT` in it)",
        ),
        (
            "gateway: {mesh_router: {backend: 'backend.example'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "rutter.yaml:1:34: ",
        ),
        (
            "gateway: {mesh_router: {backend: 'http://a:1', ca_pin: 'sha256:12'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "64 hex digits",
        ),
        (
            "gateway: {default_backend: nowhere, mesh_router: {backend: 'http://a:1'}}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "rutter.yaml:1:28: ",
        ),
        (
            "data: off\ncontroller:\n",
            "the registry is kept in the data directory, which is off (write `data: DIRECTORY`)",
        ),
        (
            "data: off\ngateway: {join: 'http://127.0.0.1:1#rtj_x'}\nlisteners: {gateway: {http: '127.0.0.1:0'}}\n",
            "the key by which the gateway joins is kept in the data directory, which is off",
        ),
        (
            "data: off\ngateway: {mesh_router: {backend: 'http://a:1'}}\nlisteners: {gateway: {https: '127.0.0.1:0'}}\n",
            "the CA of its certificate is kept in the data directory, which is off",
        ),
        ("controller:\ncontroller:\n", "stands twice"),
        ("controller:\nlog: {level: lod=lod=lod}\n", "rutter.yaml:2:14: "),
        (
            "controller:\ntables:\n  services:\n    policy:\n      import:\n        rules:\n          - match: {knd: [agent]}\n",
            "rutter.yaml:7:21: unknown key `knd` (did you mean `kind`?)",
        ),
        (
            "controller:\ntables:\n  services:\n    policy:\n      criteria: [identity, priority]\n",
            "rutter.yaml:5:7: criteria: `identity` leaves nothing to decide",
        ),
        ("controller:\ntables:\n  services:\n    feeds:\n      - to: edge\n", "rutter.yaml:5:13: "),
        ("controller:\ntables: {x: {}}\n", "rutter.yaml:2:10: what does this table hold?"),
        ("agent: {name: a, services: [':']}\n", "rutter.yaml:1:29: "),
        ("controller: [\n", "rutter.yaml:"),
    ];
    for (text, expected) in cases {
        let told = told(text);
        assert!(told.contains(expected), "{text}\nsays: {told}\nexpected: {expected}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let told = told("controller: {lease: 1m, max_routes: 0}\nlog: {level: '='}\ngateway:\n");
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn a_join_token_is_never_shown() {
    let text =
        "agent: {join: 'http://127.0.0.1:1#rtj_canary', name: a, services: ['127.0.0.1:1']}\n";
    let config = good(text);
    assert!(!serde_json::to_string(&config).unwrap().contains("canary"));
    let wrong = text.replace("http:", "ftp:");
    assert!(!told(&wrong).contains("canary"), "{}", told(&wrong));
}

#[test]
fn beyond_loopback_a_listener_speaks_tls_unless_told_otherwise() {
    let config = good(
        "controller:\nlisteners:\n  api: 192.0.2.1:7070\n  compat:\n    mesh_router: {address: '192.0.2.1:8192', tls: off}\n",
    );
    assert_eq!(config.listeners.api.unwrap().tls, raw::Tls::Own);
    assert_eq!(config.listeners.compat.mesh_router.unwrap().tls, raw::Tls::Off);
    let all = good("controller:\nlisteners: {api: off}\n");
    assert!(all.listeners.api.is_none());
}

#[test]
fn the_link_listens_where_the_api_does_unless_it_is_told_otherwise() {
    let link = |listeners: &str| {
        let config = good(&format!("controller:\nlisteners: {{{listeners}}}\n"));
        config.listeners.link.map(|link| link.address.to_string())
    };
    for (listeners, address) in [
        ("", Some("127.0.0.1:7071")),
        ("api: off", Some("127.0.0.1:7071")),
        ("api: '192.0.2.1:443'", Some("192.0.2.1:7071")),
        ("api: '192.0.2.1:443', link: '[::1]:9'", Some("[::1]:9")),
        ("link: off", None),
    ] {
        assert_eq!(link(listeners).as_deref(), address, "{listeners}");
    }
}

#[test]
fn the_page_is_the_one_in_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == doc::page(),
        "docs/config.md is old: `cargo run -- docs config > docs/config.md`"
    );
}

/// The file that says all the defaults that the page promises.
fn written_out(section: &Section, indent: usize, text: &mut String) {
    for key in &section.keys {
        let pad = " ".repeat(indent);
        match (&key.shape, key.default) {
            // Those that must be told something, and needn't be beside a controller.
            (Shape::Section(inner), _)
                if !matches!(key.name, "agent" | "fabric" | "mesh_router" | "overlay") =>
            {
                text.push_str(&format!("{pad}{}:\n", key.name));
                written_out(inner, indent + 2, text);
            }
            (_, Preset::Is(value)) => text.push_str(&format!("{pad}{}: {value}\n", key.name)),
            _ => {}
        }
    }
}

#[test]
fn the_defaults_of_the_page_are_those_that_hold() {
    let listeners = "  gateway:\n    http: 127.0.0.1:0\n";
    let mut text = String::new();
    written_out(&raw::File::section(), 0, &mut text);
    let text = text.replace("  gateway:\n  compat:\n", &format!("{listeners}  compat:\n"));
    assert!(text.contains("lease: 10m") && text.contains("http:"), "{text}");
    let short = format!("controller:\nnodes:\ngateway:\nlisteners:\n{listeners}");
    assert_eq!(diff(&good(&short), &good(&text)), []);
    let by_backend =
        format!("listeners:\n{listeners}gateway:\n  mesh_router:\n    backend: http://a\n");
    let mut text = by_backend.clone();
    written_out(&raw::MeshRouter::section(), 4, &mut text);
    assert!(text.contains("stale_for: 10m"), "{text}");
    assert_eq!(diff(&good(&by_backend), &good(&text)), []);
    let dir = tempfile::tempdir().unwrap();
    let netman = dir.path().join("netman.yaml");
    let of_netman = "version: 2\nnode: {id: a}\noverlays: [{vni: 1, name: vx1, bridge: br1}]\n";
    std::fs::write(&netman, of_netman).unwrap();
    let overlay = format!("overlay:\n  netman: {}\n", netman.display());
    good(&overlay);
    let overlay = "overlay:\n  node: a\n";
    let network = "  networks:\n    - vni: 7\n";
    let mut text = overlay.to_owned();
    written_out(&raw::Overlay::section(), 2, &mut text);
    assert!(text.contains("at_end: flush"), "{text}");
    let mut networks = network.to_owned();
    written_out(&raw::OverlayNetwork::section(), 6, &mut networks);
    assert!(networks.contains("lease: 30s"), "{networks}");
    let text = text.replace("  certificates:\n", "").replace("  networks: []\n", &networks);
    assert_eq!(diff(&good(&format!("{overlay}{network}")), &good(&text)), []);
}

#[test]
fn the_page_of_policy_names_every_key() {
    let page = doc::page();
    let full: rutter_rib::Policy = serde_json::from_str(
        r#"{"stability":{"damping":{},"flap_limit":{"flaps":5,"window":60}},"import":{"default":"deny",
        "rules":[{"name":"n","match":{"source":"agent/*","kind":["agent"],"owner":["o"],
        "source_tags":{"all":["a"],"any":["a"],"none":["a"]},"prefix":{"range":{"within":"::/0","from":1,"to":2}},
        "service_suffix":"s","cluster":["c"],"next_hop":["::/0"],"tags":{"all":["t"]},
        "path_list":{"clusters":["c"],"tables":["t"],"longer_than":1},"origin":["c"],"foreign":true,
        "hops_over":5,"unless":[{"cluster":["d"]}]},"then":{"action":"accept","over":{},"preference":1,"priority":1,"metric":1,"group":"g","add_tags":["t"],
        "remove_tags":["u"],"approve":true}}]}}"#,
    )
    .unwrap();
    fn keys(value: &serde_json::Value, into: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                into.push(key.clone());
                keys(value, into);
            }),
            serde_json::Value::Array(all) => all.iter().for_each(|value| keys(value, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    keys(&serde_json::to_value(&full).unwrap(), &mut all);
    assert!(all.len() > 40, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|key| !page.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_of_policy_has_the_bounds_that_hold() {
    let page = doc::page();
    let bounds = serde_json::to_value(rutter_rib::Bounds::default()).unwrap();
    for (key, value) in bounds.as_object().unwrap() {
        assert!(page.contains(&format!("| `{key}` | {value} |")), "{key}: {value}");
    }
}

#[test]
fn a_difference_names_what_needs_a_restart() {
    let from = good("controller:\ngateway:\nlisteners: {gateway: {http: '127.0.0.1:1'}}\n");
    let to = good(
        "controller:\ngateway: {health: {recheck: 7s}}\nlisteners: {gateway: {http: '127.0.0.1:2'}}\n\
         tables: {services: {policy: {approval: required}}}\n",
    );
    let told: Vec<_> = diff(&from, &to).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "gateway.health.recheck: 5s -> 7s",
            "listeners.gateway.http.address: 127.0.0.1:1 -> 127.0.0.1:2  (needs a restart)",
            "tables.services.policy.approval: none -> required",
        ]
    );
    assert!(diff(&to, &to).is_empty());
}

#[test]
fn periods_round_trip() {
    for text in ["250ms", "1s", "90s", "10m", "0s"] {
        let period: Period = text.parse().unwrap();
        assert_eq!(period.to_string(), text);
    }
    for wrong in ["", "s", "1w", "-1s", "1.5s", "99999999999999999999s"] {
        assert!(wrong.parse::<Period>().is_err(), "{wrong}");
    }
}
