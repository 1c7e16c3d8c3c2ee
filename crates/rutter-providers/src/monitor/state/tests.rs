use std::time::Duration;

use proptest::prelude::*;
use rutter_route::Now;

use super::*;

fn answer(found: Found) -> Answer {
    Answer { found, detail: format!("{found:?}"), latency: Duration::from_millis(7) }
}

fn at(seconds: u64) -> Now {
    Now::new(1000 * seconds, 1_000_000 + 1000 * seconds)
}

/// Applies answers, one a second; the statuses that they leave.
fn statuses(failures: u32, found: &[Found]) -> Vec<HealthStatus> {
    let mut state = State::new(at(0));
    let mut all = Vec::new();
    for (found, second) in found.iter().zip(1..) {
        state.probed(answer(*found), failures, at(second));
        all.push(state.status());
    }
    all
}

#[test]
fn what_turns_a_route_and_what_does_not() {
    use Found::{Failed, Ill, Silence, Well};
    use HealthStatus::{Error, Healthy, Unhealthy, Unknown};
    let cases: &[(u32, &[Found], &[HealthStatus])] = &[
        // One that is lost moves nothing.
        (3, &[Well, Ill, Well, Ill, Ill, Well], &[Healthy; 6]),
        (3, &[Ill, Well], &[Unknown, Healthy]),
        // As many in a row as it takes do, whatever their sort; the last one's sort counts.
        (3, &[Well, Ill, Failed, Ill], &[Healthy, Healthy, Healthy, Unhealthy]),
        (2, &[Ill, Failed, Ill], &[Unknown, Error, Unhealthy]),
        // One good one turns it back.
        (2, &[Well, Ill, Ill, Well], &[Healthy, Healthy, Unhealthy, Healthy]),
        // As in the original.
        (1, &[Well, Ill, Well, Failed], &[Healthy, Unhealthy, Healthy, Error]),
        // Silence proves nothing, neither at once nor after a failure.
        (2, &[Silence, Silence], &[Unknown, Unknown]),
        (2, &[Well, Silence, Silence], &[Healthy, Healthy, Unknown]),
        (2, &[Ill, Ill, Silence, Silence, Ill], &[Unknown, Unhealthy, Unhealthy, Unknown, Unknown]),
        // Refusals of which every other one is lost are refusals.
        (2, &[Well, Ill, Silence, Ill], &[Healthy, Healthy, Healthy, Unhealthy]),
    ];
    for (failures, found, expected) in cases {
        assert_eq!(statuses(*failures, found), *expected, "{failures} {found:?}");
    }
}

#[test]
fn one_lost_probe_moves_nothing_at_retries_3() {
    for n_good_before in 0..5 {
        let mut found = vec![Found::Well; n_good_before];
        found.push(Found::Ill);
        let statuses = statuses(3, &found);
        let before = statuses.iter().rev().nth(1).copied().unwrap_or_default();
        assert_eq!(statuses.last(), Some(&before), "after {n_good_before} good ones");
    }
}

#[test]
fn a_hundred_errors_stop_nothing() {
    let mut found = vec![Found::Failed; 100];
    found.push(Found::Well);
    let statuses = statuses(3, &found);
    assert_eq!(statuses.get(99), Some(&HealthStatus::Error));
    assert_eq!(statuses.last(), Some(&HealthStatus::Healthy));
}

#[test]
fn uptime_goes_on_through_what_moves_nothing_and_begins_anew_after_what_does() {
    let mut state = State::new(at(0));
    assert_eq!(state.seen(at(5)), Seen { started: 1000, ..Seen::default() });
    state.probed(answer(Found::Well), 2, at(10));
    state.probed(answer(Found::Ill), 2, at(20));
    let seen = state.seen(at(25));
    assert_eq!((seen.uptime, seen.last_seen), (Duration::from_secs(15), 1010));
    assert_eq!(seen.detail, "1 of 2 in a row: Ill");
    assert_eq!(seen.latency, Duration::from_millis(7));
    state.probed(answer(Found::Ill), 2, at(30));
    let seen = state.seen(at(31));
    assert_eq!((seen.uptime, seen.last_seen, &*seen.detail), (Duration::ZERO, 1010, "Ill"));
    state.probed(answer(Found::Well), 2, at(40));
    let seen = state.seen(at(42));
    assert_eq!((seen.uptime, seen.last_seen), (Duration::from_secs(2), 1040));
}

fn engines(status: HealthStatus) -> Option<Seen> {
    Some(Seen { status, detail: "engine".to_owned(), ..Seen::default() })
}

#[test]
fn what_the_engine_says_comes_before_the_probe_and_turns_at_once() {
    let mut state = State::new(at(0));
    state.probed(answer(Found::Well), 3, at(1));
    state.engine_says(engines(HealthStatus::Starting), at(2));
    assert_eq!(state.status(), HealthStatus::Starting);
    state.engine_says(engines(HealthStatus::Unhealthy), at(3));
    assert_eq!(
        (state.status(), state.seen(at(3)).detail),
        (HealthStatus::Unhealthy, "engine".into())
    );
    // One that was under way says nothing by now.
    state.probed(answer(Found::Well), 3, at(4));
    assert_eq!(state.status(), HealthStatus::Unhealthy);
    state.engine_says(engines(HealthStatus::Healthy), at(5));
    let seen = state.seen(at(65));
    assert_eq!((seen.uptime, seen.last_seen), (Duration::from_secs(60), 1065));
    for no_word in [None, engines(HealthStatus::Unknown)] {
        let mut state = state.clone();
        state.engine_says(no_word, at(70));
        assert_eq!(state.status(), HealthStatus::Unknown);
        state.probed(answer(Found::Well), 3, at(71));
        assert_eq!(state.status(), HealthStatus::Healthy);
    }
}

#[test]
fn an_engine_that_never_had_a_word_takes_nothing_back() {
    let mut state = State::new(at(0));
    state.probed(answer(Found::Well), 3, at(1));
    state.engine_says(None, at(2));
    assert_eq!(state.status(), HealthStatus::Healthy);
}

fn any_found() -> impl Strategy<Value = Found> {
    prop_oneof![Just(Found::Well), Just(Found::Ill), Just(Found::Failed), Just(Found::Silence)]
}

proptest! {
    /// Against a rule that looks at all answers again: a route is bad only after `failures`
    /// answers without a good one among them, and good only after a good one.
    #[test]
    fn a_turn_has_its_answers(
        failures in 1u32..5,
        found in proptest::collection::vec(any_found(), 1..40),
    ) {
        let statuses = statuses(failures, &found);
        let mut before = HealthStatus::Unknown;
        for (n, status) in statuses.iter().enumerate() {
            if *status != before {
                let since_well = found[..=n].iter().rev().take_while(|f| **f != Found::Well).count();
                match status {
                    HealthStatus::Healthy => prop_assert_eq!(found[n], Found::Well),
                    _ => prop_assert!(since_well >= failures as usize),
                }
            }
            if found[n] == Found::Well {
                prop_assert_eq!(*status, HealthStatus::Healthy);
            }
            before = *status;
        }
    }
}
