//! What a table does, said in small scenes.

mod alike;

use std::time::Duration;

use rutter_route::*;

use super::*;
use crate::policy::{Policy, Stability};

fn now(seconds: u64) -> Now {
    Now::new(seconds * 1000, 1_700_000_000_000 + seconds * 1000)
}

fn service(name: &str) -> Service {
    Service::http(name.parse().unwrap())
}

fn session(source: &str, incarnation: u64) -> Session {
    Session { source: source.parse().unwrap(), incarnation: Incarnation(incarnation) }
}

fn table(policy: Policy) -> Table<Service> {
    let (name, cluster) = ("services".parse().unwrap(), "home".parse().unwrap());
    Table::new(name, cluster, policy, now(0), 7).unwrap()
}

fn up(t: &mut Table<Service>, source: &str) -> Session {
    let s = session(source, 1);
    t.source(now(0), &s, SourceState::Up(SourceInfo::default())).unwrap();
    s
}

fn route(name: &str, hop: &str, priority: i32) -> Advertisement<Service> {
    let mut attributes = Attributes::via(hop.parse().unwrap());
    attributes.priority = Priority::whole(priority);
    Advertisement::new(service(name), attributes)
}

/// Works everything off and says what changed.
fn settle(t: &mut Table<Service>, at: Now) -> Changes<Service> {
    let mut changes = Changes::default();
    loop {
        let progress = t.expire(at, 3).and(t.work(at, 3)).and(t.commit(at, 3, &mut changes));
        if progress.is_done() {
            return changes;
        }
    }
}

fn best(t: &Table<Service>, name: &str) -> Option<String> {
    t.selected(&service(name), ViewId::DEFAULT).best().map(|r| r.source.to_string())
}

#[test]
fn a_name_with_two_ways_moves_when_one_fails_and_returns() {
    let mut t = table(Policy::default());
    let direct = up(&mut t, "agent/alice");
    let tunnel = up(&mut t, "tunnel/alice");
    t.advertise(now(1), &direct, route("alice.localhost", "https://10.0.0.1:443", 1));
    t.advertise(now(1), &tunnel, route("alice.localhost", "http://10.77.0.5:80", 2));
    settle(&mut t, now(1));
    assert_eq!(best(&t, "alice.localhost").as_deref(), Some("agent/alice"));

    t.source(now(2), &direct, SourceState::Offline { why: "connection lost".into() }).unwrap();
    settle(&mut t, now(2));
    assert_eq!(best(&t, "alice.localhost").as_deref(), Some("tunnel/alice"));
    let told = t.explain(now(2), &service("alice.localhost"));
    let barred = told.candidates.iter().find(|c| c.rank.is_none()).unwrap();
    assert_eq!(barred.standing, Standing::Offline);
    assert!(barred.facts[0].reason.contains("connection lost"), "{barred:?}");
    let moved = told.events.iter().rev().find(|e| matches!(e.what, What::Moved { .. })).unwrap();
    let Some(Cause::Source(event)) = moved.cause else { panic!("{moved:?}") };
    assert!(told.events.iter().any(|e| e.number == event), "the cause is told too");

    let again = session("agent/alice", 2);
    t.source(now(3), &again, SourceState::Up(SourceInfo::default())).unwrap();
    t.advertise(now(3), &again, route("alice.localhost", "https://10.0.0.1:443", 1));
    settle(&mut t, now(3));
    assert_eq!(best(&t, "alice.localhost").as_deref(), Some("agent/alice"));
    let loser = t.explain(now(3), &service("alice.localhost")).candidates.remove(1);
    assert_eq!(loser.lost_by.unwrap().criterion, Criterion::Priority);
    assert_eq!(
        t.advertise(now(3), &direct, route("alice.localhost", "https://10.0.0.9:443", 1)),
        Verdict::Refused(Refused::OldSession { current: Some(Incarnation(2)) })
    );
}

#[test]
fn an_equal_advertisement_is_no_change() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a");
    t.advertise(now(1), &s, route("a", "http://10.0.0.1:80", 1));
    assert_eq!(settle(&mut t, now(1)).changes.len(), 1);
    t.advertise(now(2), &s, route("a", "http://10.0.0.1:80", 1));
    assert!(settle(&mut t, now(2)).is_empty());
    assert_eq!(t.last_event(), EventNumber(0));
}

#[test]
fn a_refresh_sweeps_what_it_does_not_say() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a");
    for name in ["a", "b", "c"] {
        t.advertise(now(1), &s, route(name, "http://10.0.0.1:80", 1));
    }
    settle(&mut t, now(1));
    t.begin_refresh(now(2), &s);
    t.advertise(now(2), &s, route("b", "http://10.0.0.1:80", 1));
    assert_eq!(t.counts().destinations, 3, "a listing that failed withdraws nothing");
    t.end_of_refresh(now(2), &s);
    let changes = settle(&mut t, now(2));
    assert_eq!(changes.changes.len(), 2);
    assert_eq!(t.counts().destinations, 1);
    assert_eq!(best(&t, "b").as_deref(), Some("agent/a"));
}

#[test]
fn leases_end_unless_renewed() {
    let mut t = table(Policy::default());
    let s = session("agent/a", 1);
    let info = SourceInfo { lease: Some(Duration::from_secs(10)), ..Default::default() };
    t.source(now(0), &s, SourceState::Up(info)).unwrap();
    t.advertise(now(0), &s, route("a", "http://10.0.0.1:80", 1));
    let own = Advertisement {
        lease: Some(Duration::from_secs(30)),
        ..route("own", "http://10.0.0.1:80", 1)
    };
    t.advertise(now(0), &s, own);
    settle(&mut t, now(0));
    assert_eq!(t.next_deadline().map(|d| d.left(now(0))), Some(Duration::from_secs(10)));
    t.renew(now(8), &s);
    settle(&mut t, now(17));
    assert!(best(&t, "a").is_some());
    settle(&mut t, now(18));
    assert!(best(&t, "a").is_none());
    assert!(best(&t, "own").is_some(), "a lease of its own outlives the source's");
    settle(&mut t, now(30));
    assert_eq!(t.counts().routes, 0);
    let told = t.explain(now(31), &service("own"));
    assert!(
        matches!(told.events.last().unwrap().cause, Some(Cause::Left(Left::LeaseEnded))),
        "{told:?}"
    );
}

#[test]
fn the_lease_of_a_source_that_is_away_runs_on() {
    let mut t = table(Policy::default());
    let s = session("agent/a", 1);
    let info = SourceInfo { lease: Some(Duration::from_secs(10)), ..Default::default() };
    t.source(now(0), &s, SourceState::Up(info)).unwrap();
    t.advertise(now(0), &s, route("a", "http://10.0.0.1:80", 1));
    t.source(now(2), &s, SourceState::Offline { why: "connection lost".into() }).unwrap();
    settle(&mut t, now(9));
    assert_eq!(t.counts().routes, 1);
    settle(&mut t, now(10));
    assert_eq!(t.counts().routes, 0);
}

#[test]
fn hold_down_bars_the_withdrawn_path_and_no_other() {
    let stability = Stability { hold_down: Duration::from_secs(5), ..Default::default() };
    let mut t = table(Policy { stability, ..Default::default() });
    let s = up(&mut t, "agent/a");
    let other = up(&mut t, "agent/b");
    t.advertise(now(100), &s, route("a", "http://10.0.0.1:80", 1));
    settle(&mut t, now(100));
    t.withdraw(now(101), &s, &service("a"), &PathId::default());
    settle(&mut t, now(101));
    t.advertise(now(103), &s, route("a", "http://10.0.0.1:80", 1));
    t.advertise(now(103), &other, route("a", "http://10.0.0.2:80", 2));
    settle(&mut t, now(103));
    assert_eq!(best(&t, "a").as_deref(), Some("agent/b"));
    settle(&mut t, now(107));
    assert_eq!(best(&t, "a").as_deref(), Some("agent/a"));
}

#[test]
fn a_source_that_is_gone_takes_everything_along() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a");
    for n in 0..100 {
        t.advertise(now(1), &s, route(&format!("s{n}"), "http://10.0.0.1:80", 1));
    }
    settle(&mut t, now(1));
    t.source(now(2), &s, SourceState::Gone).unwrap();
    settle(&mut t, now(2));
    let counts = t.counts();
    assert_eq!((counts.destinations, counts.routes, counts.sources), (0, 0, 0));
    assert_eq!(counts.attribute_sets, 0);
    assert!(t.next_hops().is_empty());
}

#[test]
fn routes_that_come_and_go_do_not_fill_the_lease_wheel() {
    let mut t = table(Policy::default());
    let s = up(&mut t, "agent/a");
    let leased = || Advertisement {
        lease: Some(Duration::from_secs(600)),
        ..route("a", "http://10.0.0.1:80", 1)
    };
    for _ in 0..200_000 {
        t.advertise(now(1), &s, leased());
        t.withdraw(now(1), &s, &service("a"), &PathId::default());
        settle(&mut t, now(1));
    }
    assert!(t.counts().timers < 70_000, "{:?}", t.counts());
    t.advertise(now(2), &s, leased());
    settle(&mut t, now(2));
    settle(&mut t, now(601));
    assert!(best(&t, "a").is_some());
    settle(&mut t, now(602));
    assert_eq!(t.counts().routes, 0);
}
