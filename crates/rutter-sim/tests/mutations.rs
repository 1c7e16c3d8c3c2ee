//! Breaking the code is found: a check that is left out breaks a rule within a few short networks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::time::{Duration, Instant};

use rutter_protocol::Engine;
use rutter_protocol::speaker::Weakness;
use rutter_rib::Stability;
use rutter_sim::faults::{Chances, Fault, Lie, Meddling, Planned};
use rutter_sim::network::Prepare;
use rutter_sim::run::{Options, Outcome, play};
use rutter_sim::scenario::Protocol;
use rutter_sim::topology::{Topology, name};
use rutter_sim::{Scenario, Span};

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
    let outcome = broken(scenario, None, 3);
    assert!(outcome.is_none(), "{:#?}", outcome.map(|o| (o.seed, o.violations)));
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
fn hold_down_that_blocks_all_paths_is_found_within_a_minute() {
    is_found(
        scenario,
        |engine: &mut Engine| engine.speaker.weaken(Weakness::HoldAll),
        &["hold_down_spares_other_paths"],
    );
}
