//! The scenarios in `examples/fabric` are played: each holds all rules and comes to what it expects.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::path::{Path, PathBuf};

use rutter_sim::Scenario;
use rutter_sim::run::{Options, Outcome, play};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fabric").join(name)
}

fn played(name: &str) -> Outcome {
    let scenario = Scenario::read(&file(name)).unwrap_or_else(|why| panic!("{name}: {why:?}"));
    let outcome = play(&scenario, scenario.protocols[0], &Options::default()).unwrap();
    assert!(outcome.is_good(), "{name}, seed {}: {:#?}", scenario.seed, outcome.violations);
    outcome
}

#[test]
fn every_scenario_is_played_by_a_test() {
    let played = [
        "diamond-with-a-liar.yaml",
        "dispute-wheel.yaml",
        "line.yaml",
        "mesh.yaml",
        "mixed-policy.yaml",
        "partition.yaml",
        "ring.yaml",
    ];
    let files = std::fs::read_dir(file("")).unwrap();
    let mut names: Vec<String> =
        files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, played);
}

#[test]
fn a_line_that_loses_its_middle_has_it_again() {
    played("line.yaml");
}

#[test]
fn a_ring_goes_the_other_way_round_and_comes_back() {
    played("ring.yaml");
}

#[test]
fn a_mesh_under_attack_takes_in_nothing_that_was_meddled_with() {
    played("mesh.yaml");
}

#[test]
fn a_liar_draws_no_traffic_where_its_word_is_preferred_below_others() {
    let outcome = played("diamond-with-a-liar.yaml");
    assert!(outcome.told.rejected > 0, "its lies were refused: {:?}", outcome.told);
}

#[test]
fn explain_names_a_dispute_wheel_and_its_messages_are_bounded() {
    let outcome = played("dispute-wheel.yaml");
    let wheel = outcome.wheels.last().unwrap();
    assert!(wheel.contains("each prefers the next"), "{wheel}");
    assert!(wheel.contains("x y z x"), "{wheel}");
}

#[test]
fn both_sides_of_a_partition_have_one_view_afterwards() {
    played("partition.yaml");
}

#[test]
fn a_cluster_of_mixed_policy_never_leaks_what_it_must_not() {
    played("mixed-policy.yaml");
}
