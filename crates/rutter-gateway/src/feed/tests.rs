//! What outlives a version of a service's routes.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use rutter_route::Mono;

use super::*;
use crate::balance::{Asker, UnderWay};
use crate::testing::{TestGateway, config, spec};

fn members(n: usize) -> Vec<RouteSpec> {
    let member = |n| RouteSpec {
        group: Some("app".parse().unwrap()),
        ..spec("provider/app", &format!("http://192.0.2.{n}:80"))
    };
    (1..=n).map(member).collect()
}

fn found(gateway: &TestGateway) -> Arc<Routes> {
    let found = gateway.feed.index.find("app").unwrap();
    Arc::new(Routes::clone(&found))
}

#[tokio::test]
async fn loads_and_turns_outlive_the_versions_of_routes() {
    let mut gateway = TestGateway::start(config()).await;
    gateway.set("app", members(3)).await;
    let before = found(&gateway);
    let _has_to_do = UnderWay::of(&before.ranked[1]);
    // The first goes, a fourth comes, the order is another.
    let mut now = members(4);
    now.remove(0);
    now.reverse();
    gateway.set("app", now).await;
    let after = found(&gateway);
    let n = |at: usize| after.ranked[at].load.in_flight.load(Ordering::Relaxed);
    assert_eq!((n(0), n(1), n(2)), (0, 0, 1));
    let same = |a: &Arc<Route>, b: &Arc<Route>| Arc::ptr_eq(&a.load, &b.load);
    assert!(same(&before.ranked[1], &after.ranked[2]));
    assert!(same(&before.ranked[2], &after.ranked[1]));
    let balancers = (before.balancer.as_ref().unwrap(), after.balancer.as_ref().unwrap());
    assert!(Arc::ptr_eq(balancers.0, balancers.1));
    // A service of one without a group has no use for either.
    gateway.set("app", vec![spec("provider/app", "http://192.0.2.1:80")]).await;
    assert!(found(&gateway).balancer.is_none());
}

#[tokio::test]
async fn a_member_that_is_as_good_as_the_best_again_begins_as_one_that_returns() {
    let mut gateway = TestGateway::start(config()).await;
    let asker = |slow_start| Asker {
        client: Ipv4Addr::LOCALHOST.into(),
        sticks_to: None,
        slow_start: std::time::Duration::from_secs(slow_start),
    };
    let share = |routes: &Routes, now: u64| {
        let balancer = routes.balancer.as_ref().unwrap();
        let choose = || balancer.choose(routes, asker(10), Mono(now), &[]);
        (0..1000).filter(|_| choose() == Some(1)).count()
    };
    gateway.set("app", members(2)).await;
    share(&found(&gateway), 1000);
    assert_eq!(share(&found(&gateway), 100_000), 500);
    // A monitor found it unhealthy, so the table ranked it behind; and then found it well.
    let mut behind = members(2);
    behind[1].equal = false;
    gateway.set("app", behind).await;
    assert_eq!(share(&found(&gateway), 101_000), 0);
    gateway.set("app", members(2)).await;
    assert!((80..=100).contains(&share(&found(&gateway), 102_000)));
    assert_eq!(share(&found(&gateway), 112_000), 500);
}

#[tokio::test]
async fn a_route_that_comes_back_within_a_batch_is_still_asked() {
    let mut gateway = TestGateway::start(config()).await;
    gateway.set("app", members(1)).await;
    let app: Service = "app".parse().unwrap();
    gateway.feed.apply(vec![(app.clone(), None), (app, Some(members(1)))]).await;
    let cell = found(&gateway).ranked[0].health.clone();
    let again = gateway.feed.cell(cell.id(), &cell.id().service, &members(1)[0]).await;
    assert!(Arc::ptr_eq(&cell, &again));
}
