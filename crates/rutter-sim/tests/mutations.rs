//! Breaking the code is found: a check that is left out breaks a rule within a few short networks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::time::{Duration, Instant};

use rutter_protocol::Engine;
use rutter_protocol::speaker::Weakness;
use rutter_rib::Stability;
use rutter_route::{AnyDestination, Service};
use rutter_sim::faults::{Chances, Fault, Lie, Meddling, Planned};
use rutter_sim::network::Prepare;
use rutter_sim::run::{Options, Outcome, play};
use rutter_sim::scenario::Protocol;
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Scenario, Span, measure};

/// A small network in which much goes wrong, with a liar in it.
fn scenario(seed: u64) -> Scenario {
    let mut scenario = Scenario {
        name: "mutation".into(),
        seed,
        topology: Topology::Random { clusters: 8, degree: 4 },
        duration: Span::secs(120),
        rest_within: Span::secs(60),
        chances: Some(Chances { every: Span::secs(4), ..Chances::default() }),
        ..Scenario::default()
    };
    scenario.cluster.policy.stability =
        Stability { hold_down: Duration::from_secs(10), ..Stability::default() };
    let mut liar = scenario.cluster.clone();
    liar.lies = vec![Lie::Loop, Lie::ForgedClaim, Lie::OldClaim, Lie::ShortPath];
    scenario.clusters.insert(name(3).unwrap(), liar);
    for (at, how) in [(20, Meddling::Duplicate), (60, Meddling::Replay), (95, Meddling::Replay)] {
        let links = scenario.topology.build(seed).1;
        for (a, b) in links {
            let link = (name(a).unwrap(), name(b).unwrap());
            let fault = Fault::Meddle { link, how, lasts: Span::secs(20) };
            scenario.faults.push(Planned { at: Span::secs(at), fault });
        }
    }
    scenario
}

/// Six clusters in a ring whose services come and go, while somebody says old frames again on every
/// link; nothing else goes wrong, so nothing mends what was taken in twice.
fn replayed(seed: u64) -> Scenario {
    let mut scenario = measure::of(Topology::Ring(6));
    scenario.seed = seed;
    scenario.duration = Span::secs(70);
    scenario.rest_within = Span::secs(30);
    for (a, b) in scenario.topology.build(seed).1 {
        let link = (name(a).unwrap(), name(b).unwrap());
        let fault = Fault::Meddle { link, how: Meddling::Replay, lasts: Span::secs(65) };
        scenario.faults.push(Planned { at: Span::secs(5), fault });
    }
    for at in 0..120 {
        let cluster = name(at % 6).unwrap();
        let service = format!("s.{cluster}").parse().unwrap();
        let destination = AnyDestination::Service(Service::http(service));
        let fault = match (at / 6) % 2 {
            0 => Fault::Originate { cluster, destination },
            _ => Fault::Withdraw { cluster, destination },
        };
        scenario.faults.push(Planned { at: Span(8_000 + 500 * at as u64), fault });
    }
    scenario
}

/// Plays seeds until a rule is broken, for a minute at most.
fn broken(of: fn(u64) -> Scenario, prepare: Option<Prepare>, seeds: u64) -> Option<Outcome> {
    let began = Instant::now();
    let options = Options { prepare, ..Options::default() };
    for seed in 1..=seeds {
        let outcome = play(&of(seed), Protocol::PathVector, &options).unwrap();
        if !outcome.is_good() {
            return Some(outcome);
        }
        if began.elapsed() > Duration::from_secs(60) {
            return None;
        }
    }
    None
}

fn is_found(of: fn(u64) -> Scenario, prepare: Prepare, rules: &[&str]) {
    let outcome = broken(of, Some(prepare), 50).expect("nothing was found within a minute");
    let rule = outcome.violations[0].rule.as_ref();
    assert!(rules.contains(&rule), "{:#?}", outcome.violations);
}

#[test]
fn the_whole_code_breaks_no_rule_in_the_networks_that_find_mutations() {
    for of in [scenario as fn(u64) -> Scenario, replayed] {
        let outcome = broken(of, None, 4);
        assert!(outcome.is_none(), "{:#?}", outcome.map(|o| (o.seed, o.violations)));
    }
}

#[test]
fn leaving_out_the_loop_check_is_found_within_a_minute() {
    is_found(
        scenario,
        |engine: &mut Engine| engine.speaker.weaken(Weakness::Loops),
        &["no_loop_in_a_path"],
    );
}

#[test]
fn leaving_out_the_claim_check_is_found_within_a_minute() {
    is_found(
        scenario,
        |engine: &mut Engine| engine.speaker.weaken(Weakness::Claims),
        &["nothing_forged_is_used", "claims_are_their_originators"],
    );
}

#[test]
fn leaving_out_the_epoch_check_is_found_within_a_minute() {
    is_found(
        replayed,
        |engine: &mut Engine| engine.speaker.weaken(Weakness::Order),
        &[
            "claims_are_their_originators",
            "what_is_told_is_held",
            "nothing_stale_stands",
            "no_forwarding_loop",
            "no_black_hole",
            "comes_to_rest",
        ],
    );
}

#[test]
fn hold_down_that_blocks_all_paths_is_found_within_a_minute() {
    is_found(
        scenario,
        |engine: &mut Engine| engine.speaker.weaken(Weakness::HoldAll),
        &["hold_down_spares_other_paths"],
    );
}
