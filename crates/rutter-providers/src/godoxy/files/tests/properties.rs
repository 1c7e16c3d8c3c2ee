//! Whatever is written is read or refused, and says the same in a file and in labels.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ContainerId;
use crate::godoxy::written::field_names;
use crate::godoxy::{Container, Engine, Port, Protocol, read_container};

/// Lines that are nearly a route.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        proptest::sample::select(field_names()).prop_map(str::to_owned),
        "[a-zA-Z_<&*-]{1,6}",
    ];
    let value = prop_oneof![
        "[ -~]{0,10}",
        "[0-9:.smhd-]{1,6}",
        "[{\\[][a-z:, ${}]{0,8}[}\\]]",
        Just("${HOST}".to_owned()),
        Just("\n    path: /x".to_owned()),
    ];
    let line = (0usize..3, key, value)
        .prop_map(|(indent, key, value)| format!("{}{key}: {value}\n", "  ".repeat(indent)));
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

/// Fields of a route that stands, as a key in a random spelling and a value.
fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let field = prop_oneof![
        (Just("host"), "[a-z]{1,5}\\.lan"),
        (Just("port"), "[1-9][0-9]{0,3}"),
        (Just("scheme"), Just("http".to_owned())),
        (Just("no_tls_verify"), "(true|false)"),
        (Just("response_header_timeout"), "[1-9][0-9]?(s|m|h)"),
        (Just("max_conns_per_host"), "[0-9]{1,3}"),
        (Just("ssl_server_name"), "[a-z]{1,5}\\.lan"),
        (Just("path_prefix"), "(/[a-z]{1,3}){1,2}"),
    ];
    let spelt = (field, any::<[bool; 8]>()).prop_map(|((key, value), upper)| {
        let spell = |(n, c): (usize, char)| match upper[n % 8] {
            true => c.to_ascii_uppercase(),
            false => c,
        };
        (key, key.chars().enumerate().map(spell).collect::<String>(), value)
    });
    proptest::collection::vec(spelt, 0..6).prop_map(|fields| {
        let mut seen = std::collections::BTreeSet::new();
        let once = fields.into_iter().filter(|(key, ..)| seen.insert(*key));
        once.map(|(_, spelt, value)| (spelt, value)).collect()
    })
}

/// What a container of this host's network says by its labels.
fn of_container(labels: BTreeMap<String, String>) -> Reading {
    let container = Container {
        id: ContainerId::new("0123456789"),
        name: "/app".to_owned(),
        image: "app".to_owned(),
        labels,
        ports: vec![Port { private: 80, public: None, protocol: Protocol::Tcp }],
        networks: BTreeMap::new(),
        is_on_host_network: true,
        mounts: Vec::new(),
    };
    let engine = Engine { is_explicit_only: false, host: "localhost".parse().ok() };
    read_container(&container, &engine, &Settings::default())
}

/// A field that protects, or one that is nearly spelt so.
fn protecting() -> impl Strategy<Value = (String, String)> {
    let field = prop_oneof![
        Just(("middlewares", "oidc: {}")),
        Just(("rules", "default { require_auth }")),
        Just(("rule_file", "rules.yml")),
        Just(("inbound_mtls_profile", "staff")),
    ];
    let slip = (any::<bool>(), any::<proptest::sample::Index>(), any::<[bool; 8]>());
    (field, slip).prop_map(|((key, value), (slips, at, upper))| {
        let mut key: Vec<char> = key.chars().collect();
        if slips {
            key.remove(at.index(key.len()));
        }
        let spell = |(n, c): (usize, char)| if upper[n % 8] { c.to_ascii_uppercase() } else { c };
        (key.into_iter().enumerate().map(spell).collect(), value.to_owned())
    })
}

proptest! {
    #[test]
    fn a_route_that_asks_for_protection_is_served_in_no_form_and_keeps_its_place(
        fields in fields(),
        (key, value) in protecting(),
    ) {
        let lines = fields.iter().map(|(key, value)| format!("  {key}: {value}\n"));
        let block = value.replace('\n', "\n    ");
        let text = format!("app:\n{}  {key}: |-\n    {block}\n", lines.collect::<String>());
        let of_file = read(&text);
        let yaml = text.lines().skip(1).map(|line| format!("{}\n", &line[2..])).collect::<String>();
        let mut readings = vec![of_file];
        for label in ["proxy.app", "proxy.#1", "proxy.*"] {
            let flat = (format!("{label}.{key}"), value.clone());
            for (label, value) in [flat, (label.to_owned(), yaml.clone())] {
                readings.push(of_container([(label, value)].into()));
            }
        }
        for reading in readings {
            prop_assert_eq!((reading.routes.len(), reading.refused.len()), (0, 1));
            prop_assert!(!reading.refused[0].places.is_empty());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof!["[ -~\n]{0,60}", nearly_yaml()]) {
        let settings = Settings::default();
        let inside = format!("app:\n{}", text.replace('\n', "\n  "));
        for text in [text, inside] {
            if let Ok(reading) = read_file("routes.yml", &text, &environment, &settings) {
                for refused in &reading.refused {
                    prop_assert!(!refused.problems.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_route_says_the_same_in_a_file_and_in_labels(fields in fields()) {
        let lines = fields.iter().map(|(key, value)| format!("  {key}: {value}\n"));
        let text = format!("app:\n{}", lines.collect::<String>());
        let yaml = text.lines().skip(1).map(|line| format!("{}\n", &line[2..])).collect::<String>();
        let of_file = route(&text);
        let flat = fields.iter().map(|(key, value)| (format!("proxy.app.{key}"), value.clone()));
        let numbered = fields.iter().map(|(key, value)| (format!("proxy.#1.{key}"), value.clone()));
        let of_all = fields.iter().map(|(key, value)| (format!("proxy.*.{key}"), value.clone()));
        let inline = [("proxy.app".to_owned(), yaml)];
        let forms = [flat.collect(), numbered.collect(), of_all.collect(), inline.into()];
        for labels in forms {
            let mut reading = of_container(labels);
            prop_assert_eq!(&reading.refused, &[]);
            prop_assert_eq!(reading.routes.len(), 1);
            let mut of_labels = reading.routes.remove(0);
            prop_assert_eq!(of_labels.container.take(), Some(ContainerId::new("0123456789")));
            prop_assert_eq!(&of_labels, &of_file);
        }
    }

    #[test]
    fn aliases_round_trip(text in "(\\*\\.)?[a-zA-Z0-9_-]{1,8}(\\.[a-z]{1,4}){0,2}") {
        let alias: Alias = text.parse().unwrap();
        prop_assert_eq!(alias.to_string().parse(), Ok(alias));
    }
}

#[test]
fn what_is_nested_without_end_is_refused_and_no_stack_ends_by_it() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = |n: usize| format!("app: {}{}\n", open.repeat(n), close.repeat(n));
        for n in [10, 100, 1_000, 10_000, 100_000] {
            let _ = read_file("routes.yml", &deep(n), &environment, &Settings::default());
        }
    }
    let nested = "app:\n  middlewares: &a {x: &b {y: 1}}\n  rules: [*a, *a, *a]\n";
    assert!(!problems(nested).is_empty());
}
