//! Bounds hold, nobody locks out another, and what is remembered does not grow with what happens.

mod scene;

use std::time::Duration;

use rutter_rib::*;
use rutter_route::*;
use scene::*;

fn unhealthy(until: Now) -> Health {
    Health::Unhealthy { why: "503".into(), until: Some(Deadline(until.mono)) }
}

#[test]
fn a_source_over_its_bound_is_refused_and_others_are_not() {
    let mut t = table(Policy {
        bounds: Bounds { per_source: 2, ..Bounds::default() },
        ..Policy::default()
    });
    let (a, b) = (up(&mut t, "agent/a", None), up(&mut t, "agent/b", None));
    for name in ["x", "y"] {
        assert_eq!(
            t.advertise(now(1), &a, route(name, "", 1)),
            Verdict::Stands(Standing::Eligible)
        );
    }
    let over = Verdict::Refused(Refused::SourceBound(2));
    assert_eq!(t.advertise(now(1), &a, route("z", "", 1)), over);
    assert_eq!(t.advertise(now(1), &a, route("x", "", 9)), Verdict::Stands(Standing::Eligible));
    assert_eq!(t.advertise(now(1), &b, route("z", "", 1)), Verdict::Stands(Standing::Eligible));
    t.withdraw(now(1), &a, &service("y"), &PathId::default());
    assert_eq!(t.advertise(now(1), &a, route("z", "", 1)), Verdict::Stands(Standing::Eligible));
}

#[test]
fn an_owner_is_counted_over_all_its_sources() {
    let mut t =
        table(Policy { bounds: Bounds { per_owner: 2, ..Bounds::default() }, ..Policy::default() });
    let a = up(&mut t, "agent/a", Some("ann"));
    let b = up(&mut t, "agent/b", Some("ann"));
    let c = up(&mut t, "agent/c", Some("bob"));
    t.advertise(now(1), &a, route("x", "", 1));
    t.advertise(now(1), &b, route("x", "", 1));
    let over = Verdict::Refused(Refused::OwnerBound(2));
    assert_eq!(t.advertise(now(1), &b, route("y", "", 1)), over);
    assert_eq!(t.advertise(now(1), &c, route("y", "", 1)), Verdict::Stands(Standing::Eligible));
    t.source(now(2), &a, SourceState::Gone).unwrap();
    settle(&mut t, now(2));
    assert_eq!(t.advertise(now(2), &b, route("y", "", 1)), Verdict::Stands(Standing::Eligible));
}

#[test]
fn the_last_in_rank_gives_way_barred_first_and_is_asked_again() {
    let mut t = table(Policy {
        bounds: Bounds { per_destination: 2, ..Bounds::default() },
        ..Policy::default()
    });
    let [a, b, c, d] = ["agent/a", "agent/b", "agent/c", "agent/d"].map(|s| up(&mut t, s, None));
    t.advertise(now(1), &a, route("x", "", 1));
    t.advertise(now(1), &b, route("x", "", 5));
    settle(&mut t, now(1));
    let last = Verdict::Refused(Refused::DestinationBound(2));
    assert_eq!(t.advertise(now(1), &c, route("x", "", 9)), last, "it would rank last");
    assert_eq!(t.advertise(now(1), &c, route("x", "", 3)), Verdict::Stands(Standing::Eligible));
    settle(&mut t, now(1));
    let listed = |t: &Table<Service>| -> Vec<String> {
        let selected = t.selected(&service("x"), ViewId::DEFAULT);
        selected.routes().iter().map(|r| r.source.to_string()).collect()
    };
    assert_eq!(listed(&t), ["agent/a", "agent/c"]);
    t.source(now(2), &a, SourceState::Offline { why: "gone".into() }).unwrap();
    settle(&mut t, now(2));
    t.advertise(now(2), &d, route("x", "", 7));
    settle(&mut t, now(2));
    assert_eq!(listed(&t), ["agent/c", "agent/d"], "the barred one gave way");
    t.withdraw(now(3), &d, &service("x"), &PathId::default());
    let ask = settle(&mut t, now(3)).ask;
    let asked: Vec<String> =
        ask.iter().flat_map(|a| &a.routes).map(|r| r.source.to_string()).collect();
    assert!(asked.contains(&"agent/b".to_owned()), "{asked:?}");
    assert_eq!(t.counts().routes, 1);
}

#[test]
fn paths_that_come_and_go_between_two_commits_cost_no_more_than_the_bound() {
    let mut t = table(Policy::default());
    let a = up(&mut t, "agent/a", None);
    t.advertise(now(1), &a, route("x", "", 1));
    for n in 0..70_000 {
        let path = format!("p{n}");
        t.advertise(now(1), &a, route("x", &path, 2));
        t.withdraw(now(1), &a, &service("x"), &path.parse().unwrap());
        assert!(t.counts().routes < 400);
    }
    settle(&mut t, now(1));
    assert_eq!(t.counts().routes, 1);
}

#[test]
fn verdicts_and_holds_that_are_renewed_have_one_timer_a_destination() {
    let damping = Damping { suppress: 800, ..Damping::default() };
    let stability = Stability { damping: Some(damping), ..Stability::default() };
    let mut t = table(Policy { stability, ..Policy::default() });
    let by = Observer { name: "gateway/1".into(), acts: true };
    let (a, b) = (up(&mut t, "agent/a", None), up(&mut t, "agent/b", None));
    for s in [&a, &b] {
        t.advertise(now(0), s, route("x", "", 1));
    }
    for minute in 0..200u64 {
        let at = now(minute * 60_000 + 37);
        for s in [&a, &b] {
            let of = service("x");
            let until = at.plus(Duration::from_secs(90));
            t.health(at, &by, &s.source, Some((&of, &PathId::default())), unhealthy(until));
            t.advertise(at, s, route("x", "", 1 + (minute % 2) as i32));
        }
        settle(&mut t, at);
        assert!(t.counts().timers < 10, "minute {minute}: {:?}", t.counts());
    }
}

#[test]
fn a_verdict_ends_by_itself_however_its_time_lies_to_the_ticks() {
    for offset in [0, 1, 37, 99] {
        let mut t = table(Policy::default());
        let by = Observer { name: "gateway/1".into(), acts: true };
        let a = up(&mut t, "agent/a", None);
        t.advertise(now(offset), &a, route("x", "", 1));
        let until = now(offset + 1000);
        let of = service("x");
        t.health(now(offset), &by, &a.source, Some((&of, &PathId::default())), unhealthy(until));
        settle(&mut t, now(offset + 999));
        let standing = |t: &Table<Service>| {
            t.selected(&service("x"), ViewId::DEFAULT).best().map(|r| r.standing)
        };
        assert_eq!(standing(&t), Some(Standing::Unhealthy), "offset {offset}");
        let due = t.next_deadline().unwrap();
        settle(&mut t, now(due.0.0));
        assert_eq!(standing(&t), Some(Standing::Eligible), "offset {offset}");
    }
}

#[test]
fn a_lease_that_ended_begins_anew_when_its_source_speaks_again() {
    let mut t = table(Policy::default());
    let a = Session { source: "agent/a".parse().unwrap(), incarnation: Incarnation(1) };
    let lease = Some(Duration::from_secs(10));
    t.source(now(0), &a, SourceState::Up(SourceInfo { lease, ..SourceInfo::default() })).unwrap();
    t.advertise(now(0), &a, route("x", "", 1));
    settle(&mut t, now(10_000));
    assert_eq!(t.counts().routes, 0);
    t.advertise(now(11_000), &a, route("x", "", 1));
    settle(&mut t, now(20_900));
    assert_eq!(t.counts().routes, 1);
    settle(&mut t, now(21_000));
    assert_eq!(t.counts().routes, 0, "the second lease ends as the first did");
}

#[test]
fn a_path_id_that_is_given_again_is_told_by_its_own_name() {
    let mut t = table(Policy::default());
    let a = up(&mut t, "agent/a", None);
    for path in ["p1", "p2"] {
        t.advertise(now(1), &a, route("x", path, 1));
        settle(&mut t, now(1));
        t.withdraw(now(1), &a, &service("x"), &path.parse().unwrap());
        settle(&mut t, now(1));
    }
    let told = t.explain(now(2), &service("x")).events;
    let from = told.iter().filter_map(|e| match &e.what {
        What::Moved { from, .. } => from.as_ref().map(|r| r.path.to_string()),
        _ => None,
    });
    assert_eq!(from.collect::<Vec<_>>(), ["p1", "p2"]);
}
