//! Networks that come up, and come to rest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use rutter_sim::faults::{Fault, Lie, Meddling, Planned};
use rutter_sim::run::{Options, play};
use rutter_sim::scenario::Protocol;
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Scenario, Span};

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

/// Who takes frames out may take out the first of a connection, without which no session begins; the
/// transport notices, also when somebody else meddles by then.
#[test]
fn what_a_meddler_tore_is_noticed_when_another_takes_its_place() {
    let link = || (name(0).unwrap(), name(1).unwrap());
    let meddle = |at, how, lasts| {
        let fault = Fault::Meddle { link: link(), how, lasts: Span::secs(lasts) };
        Planned { at: Span::secs(at), fault }
    };
    let reset =
        |at| Planned { at: Span::secs(at), fault: Fault::Reset { link: link(), one: false } };
    for seed in 1..=10 {
        for how in [Meddling::Drop, Meddling::Reorder] {
            good(&Scenario {
                seed,
                topology: Topology::Line(2),
                duration: Span::secs(10),
                rest_within: Span::secs(30),
                faults: vec![meddle(2, how, 10), reset(4), meddle(6, Meddling::Duplicate, 3)],
                ..Scenario::default()
            });
        }
    }
}

/// A liar speaks the protocol without a fault: nobody has a reason to end its sessions, also while it
/// has a key that nobody has heard of.
#[test]
fn a_liar_that_rotates_its_key_is_still_listened_to() {
    let liar = name(1).unwrap();
    let rotate = Fault::Rotate { cluster: liar.clone() };
    let mut scenario = Scenario {
        topology: Topology::Line(3),
        duration: Span::secs(20),
        rest_within: Span::secs(30),
        faults: vec![Planned { at: Span::secs(5), fault: rotate }],
        ..Scenario::default()
    };
    let mut spec = scenario.cluster.clone();
    spec.lies = vec![Lie::OldClaim];
    scenario.clusters.insert(liar, spec);
    let outcome = play(&scenario, Protocol::PathVector, &Options::default()).unwrap();
    assert_eq!(outcome.totals.closed, 0);
    assert!(outcome.is_good(), "{:#?}", outcome.violations);
}
