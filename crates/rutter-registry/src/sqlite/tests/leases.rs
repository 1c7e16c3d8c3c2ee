use super::*;
use crate::lease::remains;
use crate::{
    Identities, Incarnations, LeaseKey, Leases, MAX_SOURCES_OF_USER, NewLease, Page, Routes,
    StoredLease,
};
use rutter_route::{Advertisement, Attributes, Incarnation, Service};

const LEASE: Duration = Duration::from_secs(600);

fn key(id: &str, source: &str) -> LeaseKey {
    LeaseKey { user: user(id), source: source.parse().unwrap() }
}

fn lease(key: LeaseKey, incarnation: u64, routes: &[&str]) -> NewLease {
    let routes = Routes::encode(routes).unwrap();
    NewLease { key, incarnation: Incarnation(incarnation), lease: LEASE, routes }
}

async fn remaining(registry: &SqliteRegistry, now: Wall) -> Vec<(LeaseKey, u64)> {
    let leases = registry.leases(now, Page::first(100)).await.unwrap();
    leases.into_iter().map(|l| (l.key, l.remaining.as_secs())).collect()
}

#[tokio::test]
async fn a_restart_loses_no_lease_that_is_still_valid() {
    let fixture = Fixture::new().await;
    for id in ["a", "b"] {
        fixture.claim(NOW, Claim::of(user(id))).await.unwrap();
    }
    let route = Advertisement::<Service>::new(
        "web.alice.localhost".parse().unwrap(),
        Attributes::via("http://127.0.0.1:3000".parse().unwrap()),
    );
    let routes = Routes::encode(&[&route]).unwrap();
    let stored = NewLease { routes, ..lease(key("a", "agent"), 7, &[]) };
    fixture.put_lease(NOW, stored).await.unwrap();
    fixture.put_lease(later(300), lease(key("a", "tunnel"), 8, &["t"])).await.unwrap();
    fixture.put_lease(later(500), lease(key("b", "agent"), 9, &["b"])).await.unwrap();

    let fixture = fixture.restarted().await;
    let at = later(599);
    let expected = [(key("a", "agent"), 1), (key("a", "tunnel"), 301), (key("b", "agent"), 501)];
    assert_eq!(remaining(&fixture, at).await, expected);
    let first = fixture.leases(at, Page::first(1)).await.unwrap();
    let [StoredLease { incarnation, lease, routes, .. }] = &first[..] else { panic!("{first:?}") };
    assert_eq!((*incarnation, *lease), (Incarnation(7), LEASE));
    assert_eq!(routes.decode::<Vec<Advertisement<Service>>>().unwrap(), [route]);
    let rest = fixture.leases(at, Page::after(key("a", "agent"), 100)).await.unwrap();
    assert_eq!(rest.len(), 2);

    // A second later the first has ended.
    assert_eq!(remaining(&fixture, later(600)).await, expected_after_a_second());
    assert_eq!(fixture.remove_ended_leases(later(600)).await.unwrap(), 1);
    assert_eq!(fixture.remove_ended_leases(later(600)).await.unwrap(), 0);
}

fn expected_after_a_second() -> [(LeaseKey, u64); 2] {
    [(key("a", "tunnel"), 300), (key("b", "agent"), 500)]
}

#[tokio::test]
async fn a_jump_of_the_clock_costs_at_most_one_lease() {
    const DAY: u64 = 86_400;
    let fixture = Fixture::new().await;
    fixture.claim(NOW, Claim::of(user("a"))).await.unwrap();
    fixture.put_lease(NOW, lease(key("a", "agent"), 1, &[])).await.unwrap();
    for (now, expected) in [
        (NOW, Some(600)),
        (later(1), Some(599)),
        (Wall(NOW.0 - 1_000), Some(600)),
        (Wall(NOW.0 - DAY * 1000), Some(600)),
        (Wall(0), Some(600)),
        (later(600), None),
        (later(DAY), None),
        (Wall(i64::MAX as u64), None),
    ] {
        let found = remaining(&fixture, now).await.first().map(|(_, seconds)| *seconds);
        assert_eq!(found, expected, "{now:?}");
        // The rule in Rust and the rule in SQL are one.
        let left = remains(LEASE, LEASE, NOW, now);
        assert_eq!((left > Duration::ZERO).then_some(left.as_secs()), expected, "{now:?}");
    }
}

#[tokio::test]
async fn a_set_replaces_the_one_before_of_its_source_alone() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, Claim::of(user("a"))).await.unwrap();
    fixture.put_lease(NOW, lease(key("a", "agent"), 1, &["old"])).await.unwrap();
    fixture.put_lease(NOW, lease(key("a", "tunnel"), 1, &["t"])).await.unwrap();
    fixture.put_lease(later(10), lease(key("a", "agent"), 1, &["new"])).await.unwrap();
    let found = fixture.leases(later(10), Page::first(10)).await.unwrap();
    let texts: Vec<_> = found.iter().map(|l| (l.routes.as_json(), l.remaining.as_secs())).collect();
    assert_eq!(texts, [(r#"["new"]"#, 600), (r#"["t"]"#, 590)]);

    fixture.renew_lease(later(20), &key("a", "tunnel"), LEASE).await.unwrap();
    assert_eq!(remaining(&fixture, later(20)).await[1].1, 600);
    assert!(fixture.remove_lease(&key("a", "agent")).await.unwrap());
    assert!(!fixture.remove_lease(&key("a", "agent")).await.unwrap());
    assert_eq!(fixture.remove_leases(&user("a")).await.unwrap(), 1);
    let error = fixture.renew_lease(NOW, &key("a", "agent"), LEASE).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "lease", .. }), "{error}");
}

#[tokio::test]
async fn what_an_older_session_says_is_refused() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, Claim::of(user("a"))).await.unwrap();
    fixture.put_lease(NOW, lease(key("a", "agent"), 5, &["new"])).await.unwrap();
    let error = fixture.put_lease(NOW, lease(key("a", "agent"), 4, &["old"])).await.unwrap_err();
    assert!(matches!(error, Error::OldSession { current: Incarnation(5) }), "{error}");
    let found = fixture.leases(NOW, Page::first(10)).await.unwrap();
    assert_eq!(found[0].routes.as_json(), r#"["new"]"#);
}

#[tokio::test]
async fn the_sources_of_a_user_are_bounded_and_ended_ones_give_way() {
    let fixture = Fixture::new().await;
    for id in ["a", "b"] {
        fixture.claim(NOW, Claim::of(user(id))).await.unwrap();
    }
    for i in 0..MAX_SOURCES_OF_USER {
        fixture.put_lease(NOW, lease(key("a", &format!("s{i}")), 1, &[])).await.unwrap();
    }
    let one_more = lease(key("a", "more"), 1, &[]);
    let error = fixture.put_lease(NOW, one_more.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Bound { most: MAX_SOURCES_OF_USER, .. }), "{error}");
    fixture.put_lease(NOW, lease(key("a", "s0"), 1, &[])).await.unwrap();
    fixture.put_lease(NOW, lease(key("b", "s0"), 1, &[])).await.unwrap();
    fixture.put_lease(later(600), one_more).await.unwrap();

    let error = fixture.put_lease(NOW, lease(key("nobody", "s"), 1, &[])).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "identity", .. }), "{error}");
    let long = "x".repeat(Routes::MAX_BYTES);
    let error = Routes::encode(&[long]).unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incarnation_is_given_once_and_rises_across_restarts() {
    let mut fixture = Fixture::new().await;
    let mut highest = 0;
    for _ in 0..3 {
        let tasks: Vec<_> = (0..1500)
            .map(|_| {
                let registry = Arc::clone(&fixture.registry);
                tokio::spawn(async move { registry.next_incarnation().await.unwrap().0 })
            })
            .collect();
        let mut given = Vec::new();
        for task in tasks {
            given.push(task.await.unwrap());
        }
        given.sort_unstable();
        let n_given = given.len();
        given.dedup();
        assert_eq!(given.len(), n_given, "one was given twice");
        assert!(given[0] > highest, "{} after {highest}", given[0]);
        highest = given[n_given - 1];
        fixture = fixture.restarted().await;
    }
}
