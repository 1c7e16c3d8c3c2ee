use proptest::prelude::*;

use super::*;
use crate::ContainerId;

fn container(labels: &[(&str, &str)]) -> Container {
    Container {
        id: ContainerId::new("0123456789"),
        name: "/app".to_owned(),
        image: "app".to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ports: Vec::new(),
        networks: Default::default(),
        is_on_host_network: false,
        mounts: Vec::new(),
    }
}

/// The aliases with their fields and problems, a line each.
fn said(labels: &[(&str, &str)]) -> Vec<String> {
    let labelled = read(&container(labels));
    let problem = |problem: &Problem| format!("! {}: {}", problem.path.join("."), problem.message);
    let mut lines: Vec<String> = labelled.notes.problems.iter().map(problem).collect();
    for alias in labelled.aliases {
        lines.push(format!("{} {}", alias.name, shown(&alias.fields)));
        lines.extend(alias.problems.iter().map(problem));
    }
    lines
}

fn shown(tree: &Tree) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match tree {
        Tree::Null => "~".to_owned(),
        Tree::Bool(is) => is.to_string(),
        Tree::Whole(number) => number.to_string(),
        Tree::Real(number) => number.to_string(),
        Tree::Text(text) => format!("{text:?}"),
        Tree::List(list) => format!("[{}]", all(list.iter().map(shown).collect())),
        Tree::Map(entries) => {
            let entry = |(key, value): &(String, Tree)| format!("{key}: {}", shown(value));
            format!("{{{}}}", all(entries.iter().map(entry).collect()))
        }
    }
}

#[test]
fn a_deeper_label_says_more_than_yaml_around_it() {
    let merged = said(&[("proxy.app.b", "c: generic\nd: merged"), ("proxy.app.b.c", "specific")]);
    assert_eq!(merged, [r#"app {b: {c: "specific", d: "merged"}}"#]);
    let inline = said(&[("proxy.app", "port: 80\nb:\n  c: 1\n"), ("proxy.app.b.d", "2")]);
    assert_eq!(inline, [r#"app {port: 80, b: {c: 1, d: "2"}}"#]);
    let both = said(&[("proxy.app", "b: {c: 1}"), ("proxy.app.b", "c: 2\nd: 3")]);
    assert_eq!(both, ["app {b: {c: 1, d: 3}}"], "of two mappings what is there stays");
}

#[test]
fn what_doesnt_fit_is_told_and_left_out_and_the_rest_stays() {
    let list = said(&[("proxy.app.b", "- x"), ("proxy.app.b.c", "y"), ("proxy.app.e", "1")]);
    let want = [r#"app {b: "- x", e: "1"}"#, "! proxy.app.b.c: expect mapping, got a text"];
    assert_eq!(list, want);
    let through = said(&[("proxy.app.b", "c: 1"), ("proxy.app.b.c.d", "v")]);
    assert_eq!(through, ["app {b: {c: 1}}", "! proxy.app.b.c.d: expect mapping, got a number"]);
    let over = said(&[("proxy.app", "b: {c: 1}"), ("proxy.app.b", "plain")]);
    assert_eq!(over, ["app {b: {c: 1}}", "! proxy.app.b: expect mapping, got a text"]);
}

#[test]
fn an_empty_value_is_a_mapping_with_nothing_in_it() {
    assert_eq!(
        said(&[("proxy.app.homepage", ""), ("proxy.app.port", "")]),
        ["app {homepage: {}, port: {}}"]
    );
    assert_eq!(said(&[("proxy.app", "")]), ["app {}"]);
    assert_eq!(said(&[]), ["app {}"]);
}

#[test]
fn labels_of_nothing_are_invalid() {
    for label in ["proxy", "proxy.", "proxy..port", "proxy.app.", "proxy.app..x"] {
        let want = [format!("! {label}: invalid label"), "app {}".to_owned()];
        assert_eq!(said(&[(label, "x")]), want, "{label}");
    }
    assert_eq!(said(&[("proxyapp.port", "1"), ("traefik.enable", "true")]), ["app {}"]);
    let misspelt = said(&[("proxy.exclud", "true")]);
    assert_eq!(misspelt[0], "! proxy.exclud: neither a label of ours nor an alias with its fields");
    let labelled = read(&container(&[("proxy.exclud", "true")]));
    let help = labelled.notes.problems[0].help.as_deref();
    assert_eq!(help, Some("did you mean `exclude`?"));
}

#[test]
fn a_label_of_all_wins_over_every_other() {
    let both = said(&[("proxy.app.port", "8080"), ("proxy.*.port", "5555")]);
    assert_eq!(both, [r#"app {port: "5555"}"#]);
    let labels = [
        ("proxy.aliases", "a, b"),
        ("proxy.#1.host", "host1"),
        ("proxy.a.host", "host2"),
        ("proxy.*.port", "5555"),
    ];
    assert_eq!(said(&labels), [r#"a {host: "host2", port: "5555"}"#, r#"b {port: "5555"}"#]);
    // Also those that no list names, and fields of YAML in it.
    let yaml = [
        ("proxy.aliases", "a"),
        ("proxy.c.host", "h"),
        ("proxy.c.healthcheck.path", "/c"),
        ("proxy.*", "port: 1\nhealthcheck:\n  path: /all\n"),
    ];
    assert_eq!(
        said(&yaml),
        [
            r#"a {port: 1, healthcheck: {path: "/all"}}"#,
            r#"c {host: "h", port: 1, healthcheck: {path: "/all"}}"#
        ]
    );
    let lines = [
        ("proxy.app.healthcheck.path", "/app"),
        ("proxy.*.healthcheck", "path: /all\nuse_get: true\n"),
    ];
    assert_eq!(said(&lines), [r#"app {healthcheck: {path: "/all", use_get: true}}"#]);
    // A value of one line is the field's, and the alias's own word is the deeper one.
    let line = [("proxy.app.healthcheck.path", "/app"), ("proxy.*.healthcheck", "{path: /all}")];
    assert_eq!(said(&line), [r#"app {healthcheck: {path: "/app"}}"#]);
    // Bad YAML of all is said, where the original passes over it.
    let bad = said(&[("proxy.*", "a: [")]);
    assert!(bad[0].starts_with("! proxy.*: "), "{bad:?}");
}

#[test]
fn a_number_is_a_place_in_the_list_and_gives_way_to_the_name() {
    let labels = [
        ("proxy.aliases", "a.example.com b"),
        ("proxy.#1.port", "1"),
        ("proxy.$2.port", "2"),
        ("proxy.b.port", "3"),
        ("proxy.#3.port", "4"),
        ("proxy.#0.port", "5"),
        ("proxy.#x.port", "6"),
    ];
    let range = "index out of range: there are 2 aliases, from 1";
    assert_eq!(
        said(&labels),
        [
            format!("! proxy.#0.port: {range}"),
            format!("! proxy.#3.port: {range}"),
            format!("! proxy.#x.port: {range}"),
            r#"a.example.com {port: "1"}"#.to_owned(),
            r#"b {port: "3"}"#.to_owned(),
        ]
    );
    // A number and a name are one alias: what the original reads in random order.
    let labels =
        [("proxy.app", "port: 1\nhost: a"), ("proxy.#1.host", "b"), ("proxy.#1.port", "2")];
    assert_eq!(said(&labels), [r#"app {port: "2", host: "b"}"#]);
}

#[test]
fn an_alias_that_only_a_label_names_is_one_more() {
    assert_eq!(said(&[("proxy.Web.port", "80")]), ["app {}", r#"web {port: "80"}"#]);
    assert_eq!(said(&[("proxy.aliases", "App"), ("proxy.app.port", "1")]), [r#"app {port: "1"}"#]);
    // The empty item in the middle is none, so the rest moves up.
    let shifted = said(&[("proxy.aliases", "a,,b"), ("proxy.#2.port", "2")]);
    assert_eq!(shifted, ["a {}", r#"b {port: "2"}"#]);
    assert_eq!(said(&[("proxy.aliases", " , ")]), ["app {}"]);
}

#[test]
fn lists_give_their_items_to_the_aliases_in_order() {
    let labels = [
        ("proxy.aliases", "a,b"),
        ("proxy.ports", "80, 2222:22"),
        ("proxy.schemes", "http tcp"),
        ("proxy.no_tls_verifies", "true"),
    ];
    assert_eq!(
        said(&labels),
        [
            r#"a {no_tls_verify: "true", port: "80", scheme: "http"}"#,
            r#"b {port: "2222:22", scheme: "tcp"}"#
        ]
    );
    for (list, field) in SHORTCUTS {
        let label = format!("proxy.{list}");
        assert_eq!(said(&[(&label, "x")]), [format!("app {{{field}: \"x\"}}")]);
    }
    let more = said(&[("proxy.ports", "1,2")]);
    let want = ["! proxy.ports: more items than the 1 aliases", r#"app {port: "1"}"#];
    assert_eq!(more, want);
    for label in ["proxy.app.port", "proxy.#1.port", "proxy.*.port"] {
        let both = said(&[("proxy.ports", "1"), (label, "2")]);
        let want = [r#"app {port: "2"}"#, "! proxy.app.port: `proxy.ports` says the same"];
        assert_eq!(both, want, "{label}");
    }
    let twice = said(&[("proxy.protos", "tcp"), ("proxy.schemes", "udp")]);
    assert_eq!(twice[0], "! proxy.schemes: `proxy.protos` says the same");
}

#[test]
fn the_containers_own_labels() {
    let labelled = read(&container(&[
        ("proxy.exclude", "true"),
        ("proxy.network", "front"),
        ("proxy.idle_timeout", "1h"),
        ("proxy.stop_signal", "SIGTERM"),
    ]));
    assert!(labelled.is_excluded && labelled.is_explicit && labelled.idle.is_on);
    assert_eq!(labelled.network.as_deref(), Some("front"));
    assert_eq!(labelled.notes.problems, []);
    let broken = read(&container(&[("proxy.exclude", "maybe"), ("proxy.stop_method", "nap")]));
    let messages: Vec<_> = broken.notes.problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "expected true or false, found `maybe`",
            "invalid stop method: expected stop, pause or kill"
        ]
    );
    assert!(!read(&container(&[("other", "x")])).is_explicit);
}

#[test]
fn tabs_are_indentation() {
    let tabs = said(&[("proxy.app", "healthcheck:\n\tpath: /x\n")]);
    assert_eq!(tabs, [r#"app {healthcheck: {path: "/x"}}"#]);
}

/// A label of ours, or nearly.
fn label() -> impl Strategy<Value = (String, String)> {
    let part = prop_oneof![
        Just("a".to_owned()),
        Just("*".to_owned()),
        "[#$][0-3]",
        Just("aliases".to_owned()),
        Just("ports".to_owned()),
        Just("port".to_owned()),
        Just("healthcheck".to_owned()),
        "[a-z.]{0,6}",
    ];
    let value = prop_oneof!["[ -~]{0,12}", Just("a, b".to_owned()), "[a-c: \n{}-]{0,16}"];
    (proptest::collection::vec(part, 1..4), value)
        .prop_map(|(parts, value)| (format!("proxy.{}", parts.join(".")), value))
}

proptest! {
    #[test]
    fn any_labels_are_read_and_every_alias_comes_once(
        labels in proptest::collection::vec(label(), 0..8)
    ) {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        let labelled = read(&container(&labels));
        let mut names: Vec<&String> = labelled.aliases.iter().map(|alias| &alias.name).collect();
        let n_names = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), n_names);
        prop_assert!(n_names > 0);
        for alias in &labelled.aliases {
            prop_assert!(matches!(alias.fields, Tree::Map(_)));
        }
    }
}
