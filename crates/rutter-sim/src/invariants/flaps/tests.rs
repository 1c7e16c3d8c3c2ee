#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on says so")]

use std::time::Duration;

use rutter_rib::{Damping, FlapLimit, Stability};

use super::story::{Befell, LAG, Story};

fn story(stability: &Stability, of: &[(u64, Befell)]) -> Story {
    let mut story = Story::default();
    of.iter().for_each(|(at, what)| story.add(*at, *what, stability));
    story
}

#[test]
fn hold_down_needs_a_withdrawal_not_longer_ago_than_it_lasts() {
    let stability = Stability { hold_down: Duration::from_secs(10), ..Stability::default() };
    let may =
        |of: &[(u64, Befell)], at| story(&stability, of).explains(at, "hold-down", &stability);
    assert!(may(&[(5_000, Befell::Withdrawn)], 14_999));
    assert!(!may(&[(5_000, Befell::Withdrawn)], 15_000 + LAG));
    assert!(!may(&[(5_000, Befell::Lost), (5_001, Befell::Changed)], 5_002));
    assert!(!may(&[], 5_000));
    assert!(
        !story(&stability, &[(5_000, Befell::Withdrawn)]).explains(5_001, "damped", &stability)
    );
}

#[test]
fn a_flap_limit_needs_so_many_flaps_close_to_each_other() {
    let flap_limit = Some(FlapLimit { flaps: 3, window: Duration::from_secs(20) });
    let stability = Stability { flap_limit, ..Stability::default() };
    let may =
        |of: &[(u64, Befell)], at| story(&stability, of).explains(at, "too many flaps", &stability);
    let [lost, withdrawn, changed] = [Befell::Lost, Befell::Withdrawn, Befell::Changed];
    assert!(may(&[(0, lost), (10_000, withdrawn), (20_000, lost)], 39_999));
    assert!(!may(&[(0, lost), (10_000, withdrawn), (20_000, lost)], 40_000 + LAG));
    assert!(!may(&[(0, lost), (10_000, changed), (20_000, lost)], 20_001));
    assert!(!may(&[(0, lost), (30_000, withdrawn), (40_000, lost)], 40_001));
}

#[test]
fn damping_needs_penalties_that_come_to_so_much_after_decay() {
    let damping = Damping {
        half_life: Duration::from_secs(10),
        max_hold: Duration::from_secs(40),
        suppress: 3000,
        ..Damping::default()
    };
    let stability = Stability { damping: Some(damping), ..Stability::default() };
    let may = |of: &[(u64, Befell)], at| story(&stability, of).explains(at, "damped", &stability);
    let [lost, withdrawn, changed] = [Befell::Lost, Befell::Withdrawn, Befell::Changed];
    let much = [(0, lost), (100, withdrawn), (200, withdrawn), (300, changed)];
    assert!(may(&much, 400));
    // 3,500 points fall to 750 within two and a quarter half-lives.
    assert!(may(&much, 22_000));
    assert!(!may(&much, 26_000));
    // With a half-life between each they never come to so much.
    assert!(!may(
        &[(0, lost), (10_000, withdrawn), (20_000, withdrawn), (30_000, changed)],
        30_001
    ));
    // However much there was, `max_hold` caps it.
    let more: Vec<_> = (0..100).map(|at| (at, withdrawn)).collect();
    assert!(may(&more, 39_000));
    assert!(!may(&more, 44_000));
}
