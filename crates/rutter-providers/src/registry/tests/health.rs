use std::time::Duration;

use smol_str::SmolStr;

use crate::monitor::{HealthStatus, Seen};
use crate::registry::{Entry, HealthInfo, Registry, What};
use crate::testing::{House, container, docker_id, file, file_id};

fn set(registry: &Registry, name: &str, status: HealthStatus, latency_ms: u64) {
    let entry = registry.get_include_excluded(name).unwrap();
    set_entry(&entry, status, latency_ms);
}

fn set_entry(entry: &Entry, status: HealthStatus, latency_ms: u64) {
    let uptime = if status.is_good() { Duration::from_secs(90) } else { Duration::ZERO };
    let latency = Duration::from_millis(latency_ms);
    let detail = "seen".to_owned();
    entry.health.set(Seen { status, uptime, latency, detail, last_seen: 7, started: 5 });
}

#[tokio::test]
async fn health_is_told_in_three_forms_with_the_originals_units() {
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    house.catalogue.says(&id, file("app: {port: 1}\nweb: {port: 1}\n")).await.unwrap();
    let registry = house.catalogue.registry();
    set(registry, "app", HealthStatus::Healthy, 12);
    let json = |value| serde_json::to_value(value).unwrap();
    let expected = serde_json::json!({
        "status": "healthy", "uptime": 90_000_000_000_u64, "latency": 12_000_000, "sleep_in": 0,
    });
    assert_eq!(json(&registry.health_info_without_detail())["app"], expected);
    let mut with_detail = expected.clone();
    with_detail["detail"] = "seen".into();
    let full = serde_json::to_value(registry.health_info()).unwrap();
    assert_eq!(full["app"], with_detail);
    // Nobody looks at it.
    let unknown = serde_json::json!({
        "status": "unknown", "uptime": 0, "latency": 0, "sleep_in": 0, "detail": "n/a",
    });
    assert_eq!(full["web"], unknown);
    let simple = serde_json::to_value(registry.health_info_simple()).unwrap();
    assert_eq!(simple, serde_json::json!({"app": "healthy", "web": "unknown"}));
}

#[tokio::test]
async fn a_link_is_as_its_members_are() {
    use HealthStatus::{Error, Healthy, Starting, Unhealthy, Unknown};
    let house = House::new().await;
    let id = file_id("a.yml");
    house.begin(&id, 0).await;
    let member = |n| format!("m{n}: {{port: {n}, load_balance: {{link: pool}}}}\n");
    let text: String = (1..=3).map(member).collect();
    house.catalogue.says(&id, file(&text)).await.unwrap();
    let registry = house.catalogue.registry();
    let link = registry.get("pool").unwrap();
    let What::Link(members) = &link.what else { panic!("{link:?}") };
    assert_eq!(members.len(), 3);
    let cases = [
        ([Unknown; 3], Unknown, 0),
        ([Healthy, Unhealthy, Error], Healthy, 1),
        ([Starting, Healthy, Healthy], Healthy, 3),
        ([Unhealthy, Error, Unknown], Unhealthy, 0),
    ];
    for (statuses, status, n_good) in cases {
        for ((member, status), latency) in members.iter().zip(statuses).zip([10, 20, 60]) {
            set_entry(member, status, latency);
        }
        let seen = registry.get("pool").unwrap().seen();
        assert_eq!(seen.status, status, "{statuses:?}");
        assert_eq!(seen.detail, format!("{n_good}/3 servers are healthy"));
        // The mean, where the original has the sum.
        assert_eq!(seen.latency, Duration::from_millis(30));
    }
    assert_eq!(super::super::health_info::of_members(&[]).status, Unknown);
    // A member goes; the last takes the link along.
    house.catalogue.says(&id, file(&member(1))).await.unwrap();
    let What::Link(members) = &registry.get("pool").unwrap().what else { panic!() };
    assert_eq!(members.len(), 1);
    house.catalogue.says(&id, file("")).await.unwrap();
    assert!(registry.get("pool").is_none());
    assert_eq!(registry.num_all_routes(), 0);
}

#[tokio::test]
async fn no_two_routes_overwrite_each_others_health() {
    let house = House::new().await;
    // Two files of one short name, a container, and a stream beside a route of its name.
    let (a, b, docker) = (file_id("a.yml"), file_id("a.yaml"), docker_id("local"));
    for (order, id) in [&a, &b, &docker].into_iter().enumerate() {
        house.begin(id, order as u32).await;
    }
    let said = house.catalogue.says(&a, file("app: {port: 1}\nx: {port: 1, middlewares: {}}\n"));
    said.await.unwrap();
    let pool =
        "m1: {port: 1, load_balance: {link: pool}}\nm2: {port: 2, load_balance: {link: pool}}";
    let text = format!("app: {{port: 2}}\ndb: {{scheme: tcp, port: '1:1'}}\n{pool}\n");
    house.catalogue.says(&b, file(&text)).await.unwrap();
    let labels = &[("proxy.aliases", "app, db, m1")];
    house.catalogue.says(&docker, container("c", "10.0.0.1", labels)).await.unwrap();
    let registry = house.catalogue.registry();
    let health = registry.health_info();
    assert_eq!(health.len(), registry.num_all_routes());
    let names: Vec<&SmolStr> = health.keys().collect();
    let expected = [
        "a.yaml:app",
        "a.yaml:db",
        "a.yaml:m1",
        "a.yml:app",
        "docker@local:app-c0000000",
        "docker@local:db-c0000000",
        "docker@local:m1-c0000000",
        "m2",
        "pool",
        "x",
    ];
    assert_eq!(names, expected);
    assert_eq!(registry.health_info_simple().len(), health.len());
    assert!(
        health
            .values()
            .all(|info| *info == HealthInfo::from(&Seen::default())
                || info.detail.contains("servers"))
    );
}
