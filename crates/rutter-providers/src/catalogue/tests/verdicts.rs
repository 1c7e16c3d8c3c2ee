use std::time::Duration;

use rutter_route::Standing::{Eligible, Unhealthy};
use tokio::sync::mpsc;

use crate::catalogue::Watching;
use crate::monitor::{HealthStatus, Monitors, Seen, Turned};
use crate::registry::Happened;
use crate::testing::{House, file, file_id};
use rutter_rib::Policy;

/// A house whose monitors are the test's.
async fn house() -> (House, mpsc::Sender<Turned>) {
    let (tell, turned) = mpsc::channel(8);
    let watching = Watching { monitors: Monitors::none(), turned };
    (House::with(Policy::default(), Some(watching)).await, tell)
}

fn seen(status: HealthStatus) -> Seen {
    let latency = Duration::from_millis(3);
    Seen { status, latency, detail: "status 500".into(), started: 1, ..Seen::default() }
}

impl House {
    /// A monitor finds that a route is so; returns when the table was told.
    async fn turn(&self, tell: &mpsc::Sender<Turned>, name: &str, status: HealthStatus) {
        let registry = self.catalogue.registry();
        let (_, mut events) = registry.follow_events();
        let entry = registry.get(name).unwrap();
        entry.health.set(seen(status));
        let turned = Turned { key: entry.key.clone(), to: seen(status) };
        tell.send(turned).await.unwrap();
        let event = events.recv().await.unwrap();
        let is_down = matches!(event.what, Happened::Down(..));
        assert_eq!(is_down, !status.is_good());
        assert_eq!(event.what.action(), if is_down { "service_down" } else { "service_up" });
    }
}

#[tokio::test]
async fn a_monitors_verdict_acts_in_the_table_and_ends_with_the_next() {
    let (house, tell) = house().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    house.catalogue.says(&id, file("app: {port: 1}\nweb: {port: 1}\n")).await.unwrap();
    for status in [HealthStatus::Unhealthy, HealthStatus::Healthy, HealthStatus::Error] {
        house.turn(&tell, "app", status).await;
        let standing = if status.is_good() { Eligible } else { Unhealthy };
        assert_eq!(house.at("app").await[0].1, standing, "{status:?}");
    }
    assert_eq!(house.why("app", Unhealthy).await, "health: status 500");
    assert_eq!(house.at("web").await[0].1, Eligible);
    // Another way to the same route is told what is known of it.
    house.catalogue.registry().get("app").unwrap();
    house.catalogue.says(&id, file("app: {port: 2}\n")).await.unwrap();
    assert_eq!(house.at("app").await[0].1, Eligible);
}

#[tokio::test]
async fn what_is_told_of_one_that_is_gone_or_has_no_place_moves_nothing() {
    let (house, tell) = house().await;
    let (a, b) = (file_id("a.yml"), file_id("b.yml"));
    house.begin(&a, 0).await;
    house.begin(&b, 1).await;
    for id in [&a, &b] {
        house.catalogue.says(id, file("app: {port: 1}\n")).await.unwrap();
    }
    let registry = house.catalogue.registry();
    let loser = registry.excluded().iter().next().unwrap();
    tell.send(Turned { key: loser.key.clone(), to: seen(HealthStatus::Unhealthy) }).await.unwrap();
    let winner = registry.get("app").unwrap();
    house.catalogue.gone(&a).await.unwrap();
    tell.send(Turned { key: winner.key.clone(), to: seen(HealthStatus::Unhealthy) }).await.unwrap();
    // What waits is heard before the monitors' end; then the catalogue goes on without them.
    drop(tell);
    house.catalogue.says(&b, file("app: {port: 1}\nweb: {port: 1}\n")).await.unwrap();
    assert_eq!(house.at("app").await, [("provider/b.yml app".to_owned(), Eligible)]);
}
