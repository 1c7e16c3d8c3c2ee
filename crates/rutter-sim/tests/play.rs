//! Networks that come up, and come to rest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use rutter_sim::run::{Options, play};
use rutter_sim::scenario::Protocol;
use rutter_sim::{Scenario, Span, topology::Topology};

fn good(scenario: &Scenario) {
    let outcome = play(scenario, Protocol::PathVector, &Options::default()).unwrap();
    assert!(outcome.is_good(), "seed {}: {:#?}", scenario.seed, outcome.violations);
}

#[test]
fn shapes_without_faults_come_to_rest_with_all_rules_held() {
    for topology in [
        Topology::Line(5),
        Topology::Ring(6),
        Topology::Mesh(5),
        Topology::Star(6),
        Topology::Random { clusters: 20, degree: 4 },
    ] {
        let scenario = Scenario {
            topology,
            duration: Span::secs(5),
            rest_within: Span::secs(30),
            ..Scenario::default()
        };
        good(&scenario);
    }
}
