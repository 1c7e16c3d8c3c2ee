//! Figures under their names, and the alert rules that stand on them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use rutter_protocol::speaker::NeighbourStatus;
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::Metrics as LinkMetrics;

use super::*;

fn figures() -> FabricFigures {
    let west: ClusterId = "west".parse().unwrap();
    let status = FabricStatus {
        cluster: "home".parse().unwrap(),
        incarnation: 7,
        neighbours: vec![NeighbourStatus {
            cluster: west.clone(),
            connected: true,
            connections: 2,
            incarnation: Some(3),
            link: LinkMetrics {
                latency_us: 2500,
                reliability_ppm: 990_000,
                ..LinkMetrics::default()
            },
            routes_heard: BTreeMap::new(),
            routes_told: BTreeMap::new(),
            gateway: String::new(),
        }],
        claims: 12,
        scopes: Vec::new(),
    };
    let neighbour = NeighbourStats {
        announcements_accepted: 9,
        rejection_reasons: BTreeMap::from([(Reason::BadSignature, 2), (Reason::Loop, 1)]),
        ..NeighbourStats::default()
    };
    let convergence = Convergence {
        n: 5,
        sum_ms: 71_000,
        max_ms: 700_000,
        buckets: vec![0, 1, 2, 2, 2, 2, 3, 3, 4, 4],
    };
    let stats = Stats {
        neighbours: BTreeMap::from([(west.clone(), neighbour)]),
        hold_down_rejects: 3,
        suppression_rejects: 4,
        routes_purged: 5,
        convergence,
    };
    let routes = BTreeMap::from([(west, 2)]);
    FabricFigures(Arc::new(Mutex::new(Some(Figures { status, stats, routes }))))
}

fn encoded(figures: FabricFigures) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figures));
    let mut out = String::new();
    text::encode(&mut out, &registry).unwrap();
    out
}

#[test]
fn the_figures_have_the_seeds_names_and_their_labels() {
    insta::assert_snapshot!(encoded(figures()));
}

#[test]
fn without_a_fabric_there_are_no_figures_of_one() {
    assert_eq!(encoded(FabricFigures::default()), "# EOF\n");
}

/// The names of series in a text, wherever they stand.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("rutter_fabric_"))
        .collect()
}

#[test]
fn alert_rules_ask_for_series_that_there_are() {
    let shown = encoded(figures());
    let there = names(&shown);
    let rules = std::fs::read_to_string(alerts().join("fabric.yml")).unwrap();
    let asked = names(&rules);
    assert!(asked.len() > 5, "{asked:?}");
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "{missing:?} is asked for and never shown");
}

/// Each rule has a case in which it speaks; Prometheus's own tool runs them.
#[test]
fn alert_rules_speak_when_they_should() {
    let run = |arguments: &[&str]| {
        let ran = Command::new("promtool").args(arguments).current_dir(alerts()).output();
        match ran {
            Ok(ran) => {
                let said =
                    String::from_utf8_lossy(&ran.stderr) + String::from_utf8_lossy(&ran.stdout);
                assert!(ran.status.success(), "promtool {arguments:?}: {said}");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("promtool isn't there, so the rules were not run: {error}");
            }
            Err(error) => panic!("promtool: {error}"),
        }
    };
    run(&["check", "rules", "fabric.yml"]);
    run(&["test", "rules", "fabric.test.yml"]);
    let rules = std::fs::read_to_string(alerts().join("fabric.yml")).unwrap();
    let cases = std::fs::read_to_string(alerts().join("fabric.test.yml")).unwrap();
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let case = format!("alertname: {name}\n        exp_alerts:");
        assert!(cases.contains(&case), "{name} has no case in which it speaks");
    }
}

fn alerts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alerts")
}
