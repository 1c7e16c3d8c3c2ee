use serde_json::{Value, json};

use super::*;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn blog(more: Value) -> Service {
    let mut service = json!({
        "key": "apps.yml:blog", "name": "blog", "provider": "apps.yml", "pool": "http",
        "destination": "blog", "target": "http://127.0.0.1:8080", "state": "served",
        "health": { "status": "healthy", "uptime_ms": 61_000, "latency_us": 1500 },
    });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(service)
}

#[test]
fn services_are_a_line_each_with_why_they_are_not_served() {
    let denied = json!({ "key": "local:blog", "provider": "docker@local", "state": "denied",
        "why": ["alias `blog` is apps.yml's"], "health": { "status": "unknown",
        "uptime_ms": 0, "latency_us": 0 } });
    let link = json!({ "name": "pool", "destination": "pool", "target": null,
        "members": ["a", "b"] });
    let text = services(&[blog(json!({})), blog(denied), blog(link)]);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split("  ").filter(|word| !word.is_empty()).map(str::trim).collect())
        .collect();
    assert_eq!(lines[0], ["SERVICE", "PROVIDER", "LEADS TO", "STATE", "HEALTH", "WHY"]);
    assert_eq!(lines[1], ["blog", "apps.yml", "http://127.0.0.1:8080", "served", "healthy"]);
    assert_eq!(lines[2].last(), Some(&"alias `blog` is apps.yml's"));
    assert!(lines[3].contains(&"2 in turn"), "{text}");
}

#[test]
fn one_service_is_shown_with_how_it_was() {
    let uptime = json!({ "uptime": [
        { "period": "5m", "uptime": 0.995, "downtime": 0.005, "average_latency_us": 2000,
          "statuses": ["healthy"] },
        { "period": "1d", "uptime": 0.0, "downtime": 0.0, "average_latency_us": 0, "statuses": [] },
    ] });
    let text = service(&[blog(uptime)]);
    for line in [
        "apps.yml:blog (served)",
        "  well for: 1m 1s",
        "  a probe takes: 1.5ms",
        "  over 5m: 99.5% well, 0.5% not, 2.0ms a probe",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` in\n{text}");
    }
    assert!(!text.contains("over 1d"), "what says nothing isn't shown:\n{text}");
}

#[test]
fn health_has_as_many_columns_as_its_form() {
    let simple: Health = read(json!({ "blog": "healthy" }));
    assert_eq!(health(&simple).lines().next(), Some("SERVICE  STATUS"));
    let plain: Health = read(json!({ "blog":
        { "status": "healthy", "uptime": 61_000_000_000_u64, "latency": 1_500_000, "sleep_in": 0 } }));
    assert!(health(&plain).contains("1m 1s"), "{}", health(&plain));
}

#[test]
fn providers_and_events_name_what_is_wrong() {
    let lost: Provider = read(json!({ "name": "docker@local", "short_name": "local",
        "kind": "docker", "state": "lost", "why": "no such file", "routes": 1, "denied": 0,
        "refused": 0, "excluded": 0, "not_taken": 0, "remarks": ["line 3: blog: `icon`"] }));
    let text = providers(&[lost]);
    assert!(text.contains("no such file") && text.contains("docker@local: line 3"), "{text}");
    let down: Event = read(json!({ "number": 7, "at_ms": 1_790_000_000_000_u64,
        "what": "service_down", "key": "apps.yml:blog", "provider": "apps.yml",
        "detail": "refused" }));
    let text = events(&[down]);
    assert!(text.contains("service_down") && text.contains("apps.yml:blog"), "{text}");
}
