//! Hold-down and damping by tables: MPREG's conformance rows 3 and 4, RFC 2439 and 7196.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use std::time::Duration;

use rutter_rib::*;
use rutter_route::*;
use scene::*;

/// At a second, what happens, and how the route stands then; `None`: there is none.
type Row = (u64, Do, Option<Standing>);

#[derive(Debug, Clone, Copy)]
enum Do {
    Advertise,
    Change,
    Withdraw,
    Lose,
    Return,
    Nothing,
}

use Do::{Advertise, Change, Lose, Nothing, Return, Withdraw};

const FREE: Option<Standing> = Some(Standing::Eligible);
const HELD: Option<Standing> = Some(Standing::Held);
const AWAY: Option<Standing> = Some(Standing::Offline);

fn run(stability: &str, rows: &[Row]) {
    let stability: Stability = serde_saphyr::from_str(stability).unwrap();
    let mut t = table(Policy { stability, ..Policy::default() });
    let mut s = up(&mut t, "agent/a", None);
    let mut priority = 1;
    for (second, what, expected) in rows {
        let at = now(second * 1000);
        match what {
            Advertise => drop(t.advertise(at, &s, route("x", "", priority))),
            Change => {
                priority += 1;
                t.advertise(at, &s, route("x", "", priority));
            }
            Withdraw => assert!(t.withdraw(at, &s, &service("x"), &PathId::default())),
            Lose => t.source(at, &s, SourceState::Offline { why: "lost".into() }).unwrap(),
            Return => {
                s.incarnation.0 += 1;
                t.source(at, &s, SourceState::Up(SourceInfo::default())).unwrap();
                t.advertise(at, &s, route("x", "", priority));
            }
            Nothing => {}
        }
        settle(&mut t, at);
        assert_eq!(standing(&t, "x"), *expected, "at {second}: {what:?}");
    }
}

#[test]
fn hold_down_holds_the_withdrawn_path_for_its_time() {
    run(
        "hold_down: 5s",
        &[
            (100, Advertise, FREE),
            (101, Withdraw, None),
            (103, Advertise, HELD),
            (105, Nothing, HELD),
            (106, Nothing, FREE),
            (107, Advertise, FREE),
        ],
    );
}

#[test]
fn hold_down_never_keeps_away_the_only_route() {
    run(
        "{hold_down: 5s, spare_sole: true}",
        &[
            (100, Advertise, FREE),
            (101, Withdraw, None),
            (102, Advertise, FREE),
            (103, Lose, AWAY),
            (104, Return, FREE),
        ],
    );
}

#[test]
fn hold_down_ends_when_the_alternative_goes() {
    let stability: Stability =
        serde_saphyr::from_str("{hold_down: 60s, spare_sole: true}").unwrap();
    let mut t = table(Policy { stability, ..Policy::default() });
    let [a, b] = ["agent/a", "agent/b"].map(|source| up(&mut t, source, None));
    let best = |t: &Table<Service>| best(t, "x");
    for s in [&a, &b] {
        t.advertise(now(0), s, route("x", "", 1));
    }
    settle(&mut t, now(0));
    assert_eq!(best(&t).as_deref(), Some("agent/a"));
    t.withdraw(now(1), &a, &service("x"), &PathId::default());
    t.advertise(now(1), &a, route("x", "", 1));
    settle(&mut t, now(1));
    assert_eq!(best(&t).as_deref(), Some("agent/b"), "the path that was withdrawn waits");
    let offline = SourceState::Offline { why: "lost".into() };
    t.source(now(2), &b, offline).unwrap();
    settle(&mut t, now(2));
    assert_eq!(best(&t).as_deref(), Some("agent/a"), "until it is all there is");
    // Too many flaps hold the only one, too: what never stands still is no way.
    let stability = serde_saphyr::from_str(
        "{hold_down: 5s, spare_sole: true, flap_limit: {flaps: 1, window: 10s}}",
    );
    t.set_policy(now(2), Policy { stability: stability.unwrap(), ..Policy::default() }).unwrap();
    t.withdraw(now(3), &a, &service("x"), &PathId::default());
    t.advertise(now(3), &a, route("x", "", 1));
    settle(&mut t, now(3));
    assert_eq!(best(&t), None);
}

#[test]
fn damping_ends_where_nothing_else_is_left_and_the_next_flap_holds_again() {
    let stability: Stability =
        serde_saphyr::from_str("{damping: {suppress: 2500}, spare_sole: true}").unwrap();
    let mut t = table(Policy { stability, ..Policy::default() });
    let [a, b] = ["agent/a", "agent/b"].map(|source| up(&mut t, source, None));
    for s in [&a, &b] {
        t.advertise(now(0), s, route("x", "", 1));
    }
    let offline = || SourceState::Offline { why: "lost".into() };
    let flap = |t: &mut Table<Service>, s: &Session, at| {
        t.source(now(at), s, offline()).unwrap();
        settle(t, now(at));
        t.source(now(at), s, SourceState::Up(SourceInfo::default())).unwrap();
        settle(t, now(at));
    };
    for at in 1..=3 {
        flap(&mut t, &a, at);
    }
    assert_eq!(best(&t, "x").as_deref(), Some("agent/b"), "the third flap is one too many");
    t.source(now(4), &b, offline()).unwrap();
    settle(&mut t, now(4));
    assert_eq!(best(&t, "x").as_deref(), Some("agent/a"), "it is all there is");
    t.source(now(5), &b, SourceState::Up(SourceInfo::default())).unwrap();
    settle(&mut t, now(5));
    assert_eq!(best(&t, "x").as_deref(), Some("agent/a"), "and stays free");
    flap(&mut t, &a, 6);
    assert_eq!(best(&t, "x").as_deref(), Some("agent/b"));
}

#[test]
fn a_count_of_flaps_holds_for_a_window() {
    run(
        "flap_limit: {flaps: 2, window: 10s}",
        &[
            (100, Advertise, FREE),
            (101, Withdraw, None),
            (102, Advertise, FREE),
            (103, Withdraw, None),
            (104, Advertise, HELD),
            (112, Nothing, HELD),
            (113, Nothing, FREE),
            // The hold took its count along.
            (114, Withdraw, None),
            (115, Advertise, FREE),
            // Further apart than the window: the count starts anew.
            (126, Withdraw, None),
            (127, Advertise, FREE),
        ],
    );
}

#[test]
fn changes_and_renewals_are_no_flaps_of_the_count() {
    let rows: Vec<Row> =
        (100..120).map(|s| (s, if s % 2 == 0 { Advertise } else { Change }, FREE)).collect();
    run("flap_limit: {flaps: 1, window: 10s}", &rows);
}

#[test]
fn a_lost_session_is_a_flap() {
    run(
        "flap_limit: {flaps: 2, window: 10s}",
        &[
            (100, Advertise, FREE),
            (101, Lose, AWAY),
            (102, Return, FREE),
            (103, Lose, AWAY),
            (104, Return, HELD),
            (113, Nothing, FREE),
        ],
    );
}

/// A thousand a withdrawal: six are 6000 less what decays, a seventh is above `suppress`.
#[test]
fn damping_suppresses_above_its_threshold_and_reuses_below_the_other() {
    let mut rows = vec![(0, Advertise, FREE)];
    for n in 0..6 {
        rows.push((n * 2 + 1, Withdraw, None));
        rows.push((n * 2 + 2, Advertise, FREE));
    }
    rows.push((13, Withdraw, None));
    rows.push((14, Advertise, HELD));
    // From 7000 to 750 it takes log2(7000 / 750) = 3.22 half-lives of 15 minutes: 48.3 minutes.
    rows.push((14 + 47 * 60, Nothing, HELD));
    rows.push((14 + 49 * 60, Nothing, FREE));
    run("damping: {}", &rows);
}

/// 12000 is the most: reuse x 2^(60 / 15), from which it takes an hour to `reuse`.
#[test]
fn damping_holds_no_longer_than_its_maximum() {
    let mut rows = vec![(0, Advertise, FREE)];
    for n in 0..40 {
        rows.push((n * 2 + 1, Withdraw, None));
        rows.push((n * 2 + 2, Advertise, if n < 6 { FREE } else { HELD }));
    }
    rows.push((79 + 58 * 60, Nothing, HELD));
    rows.push((79 + 61 * 60, Nothing, FREE));
    run("damping: {}", &rows);
}

#[test]
fn a_change_of_attributes_weighs_half() {
    let mut rows = vec![(0, Advertise, FREE)];
    rows.extend((1..=12).map(|s| (s, Change, FREE)));
    rows.push((13, Change, HELD));
    run("damping: {}", &rows);
}

#[test]
fn penalties_decay_between_flaps() {
    let mut rows = vec![(0, Advertise, FREE)];
    for n in 0..30 {
        // One flap a half-life never comes to more than 2000.
        rows.push((n * 900 + 1, Withdraw, None));
        rows.push((n * 900 + 2, Advertise, FREE));
    }
    run("damping: {suppress: 2000}", &rows);
}

#[test]
fn what_is_off_holds_nothing() {
    let stability: Stability = serde_saphyr::from_str("hold_down: 60s").unwrap();
    let mut t = table(Policy { stability, ..Policy::default() });
    let s = up(&mut t, "agent/a", None);
    t.advertise(now(0), &s, route("x", "", 1));
    t.withdraw(now(0), &s, &service("x"), &PathId::default());
    t.advertise(now(0), &s, route("x", "", 1));
    settle(&mut t, now(0));
    assert_eq!(standing(&t, "x"), HELD);
    t.set_policy(now(1), Policy::default()).unwrap();
    settle(&mut t, now(1));
    assert_eq!(standing(&t, "x"), FREE);
}

#[test]
fn settings_that_contradict_themselves_are_refused_by_name() {
    let cases = [
        ("damping: {half_life: 0}", "stability.damping.half_life"),
        ("damping: {reuse: 6000}", "stability.damping.reuse"),
        ("damping: {max_hold: 1m}", "stability.damping.max_hold"),
        ("damping: {suppress: 13000}", "stability.damping.suppress"),
        ("flap_limit: {flaps: 0, window: 1s}", "stability.flap_limit.flaps"),
        ("flap_limit: {flaps: 1, window: 0s}", "stability.flap_limit.window"),
    ];
    for (text, field) in cases {
        let stability: Stability = serde_saphyr::from_str(text).unwrap();
        let error = Policy { stability, ..Policy::default() }.check().unwrap_err();
        assert_eq!(error.field, field, "{text}");
    }
    assert!(serde_saphyr::from_str::<Stability>("hold_down: 5 s").is_err());
    assert!(serde_saphyr::from_str::<Stability>("holddown: 5s").is_err());
}

#[test]
fn what_is_remembered_of_flaps_is_freed_when_it_has_decayed() {
    let stability = Stability {
        hold_down: std::time::Duration::from_secs(5),
        flap_limit: Some(FlapLimit { flaps: 9, window: std::time::Duration::from_secs(100) }),
        ..Stability::default()
    };
    let mut t = table(Policy { stability, ..Policy::default() });
    let s = up(&mut t, "agent/a", None);
    for n in 0..50 {
        let name = format!("s{n}");
        t.advertise(now(0), &s, route(&name, "", 1));
        assert!(t.withdraw(now(0), &s, &service(&name), &PathId::default()));
    }
    settle(&mut t, now(0));
    assert_eq!(t.counts().held, 50);
    settle(&mut t, now(61_000));
    assert_eq!(t.counts().held, 50, "a flap within the window would still build on them");
    let due = t.next_deadline().unwrap();
    assert!(due.0 <= now(121_000).mono, "it is looked at again by itself");
    settle(&mut t, now(121_000));
    assert_eq!(t.counts().held, 0);
    assert_eq!(t.next_deadline(), None, "and nothing is left to look at");
}

#[test]
fn what_is_heard_is_as_of_now_and_may_be_retracted_wherever_its_source_is() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a", None);
    t.advertise(now(0), &s, route("x", "", 1));
    assert_eq!(t.candidates(&service("x")).len(), 0, "no commit has told of it");
    assert_eq!(t.heard(&service("x")).len(), 1);
    t.source(now(1), &s, SourceState::KeepStale { for_: std::time::Duration::from_secs(60) })
        .unwrap();
    let path = PathId::default();
    assert!(!t.withdraw(now(2), &s, &service("x"), &path), "its source is away");
    assert!(t.retract(now(2), &s.source, &service("x"), &path, Left::Withdrawn));
    assert!(!t.retract(now(2), &s.source, &service("x"), &path, Left::Withdrawn));
    assert_eq!(t.heard(&service("x")).len(), 0);
    settle(&mut t, now(2));
    assert_eq!(best(&t, "x"), None);
}

#[test]
fn what_holds_a_route_is_named() {
    let stability =
        Stability { hold_down: std::time::Duration::from_secs(5), ..Stability::default() };
    let mut t = table(Policy { stability, ..Policy::default() });
    let s = up(&mut t, "agent/a", None);
    let path = PathId::default();
    t.advertise(now(0), &s, route("x", "", 1));
    assert_eq!(t.held_by(now(0), &s.source, &service("x"), &path), None);
    t.withdraw(now(1_000), &s, &service("x"), &path);
    t.advertise(now(2_000), &s, route("x", "", 1));
    assert_eq!(t.held_by(now(2_000), &s.source, &service("x"), &path), Some("hold-down"));
}

#[test]
fn what_comes_and_goes_is_told_no_faster_than_its_pace_and_its_end_at_once() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a", None);
    let spec = OutletSpec { pacing: Duration::from_millis(1000), ..OutletSpec::best("sink") };
    let mut outlet = Outlet::new(spec, 7);
    let mut told = Vec::new();
    for ms in (0..4000u64).step_by(100) {
        let web = service("web");
        match ms % 200 {
            0 => drop(t.advertise(now(ms), &s, route("web", "", 1))),
            _ => drop(t.withdraw(now(ms), &s, &web, &PathId::default())),
        }
        let changes = settle(&mut t, now(ms));
        outlet.note(&t, &changes);
        for tell in outlet.next(now(ms), &t, 10).tells {
            told.push((ms, matches!(tell, Tell::Advertise { .. })));
        }
    }
    // Each end is told when it comes; what comes again waits for a second after it.
    let expected =
        [(0, true), (100, false), (1200, true), (1300, false), (2400, true), (2500, false)];
    assert_eq!(told[..6], expected, "{told:?}");
    let end = now(60_000);
    let changes = settle(&mut t, end);
    outlet.note(&t, &changes);
    while !outlet.next(end, &t, 10).is_empty() {}
    assert!(outlet.next_deadline().is_none() && outlet.is_idle(end), "nothing is remembered");
}
