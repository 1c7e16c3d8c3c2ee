use serde_json::json;

use super::*;

/// A route of router `r1`, with these fields beside those that each has.
fn route(id: u64, prefix: &str, fields: serde_json::Value) -> Route {
    let mut value = json!({
        "id": id, "node": 1, "node_name": "r1", "prefix": prefix, "advertised": true,
        "enabled": false, "is_primary": false, "was_primary": false,
        "created_ms": 1_800_000_000_000_u64, "updated_ms": 1_800_000_000_000_u64,
    });
    let fields = fields.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(value).unwrap()
}

fn said(is: serde_json::Value, why: &str) -> serde_json::Value {
    json!({ "is": is, "by": "token 0123456789abcdef ann", "why": why, "at_ms": 1 })
}

fn some() -> Vec<Route> {
    vec![
        route(
            1,
            "10.1.0.0/24",
            json!({
                "enabled": true, "is_primary": true, "standing": "eligible",
                "approval": said(json!(true), "the lab"), "preference": said(json!(200), ""),
            }),
        ),
        route(2, "10.2.0.0/24", json!({ "standing": "unapproved" })),
        route(
            3,
            "0.0.0.0/0",
            json!({
                "enabled": true, "standing": "draining", "approval": said(json!(true), ""),
                "drain": said(json!(true), "new disk"),
            }),
        ),
        route(
            4,
            "10.3.0.0/24",
            json!({
                "advertised": false, "was_primary": true,
                "was_enabled": { "by": "rule `a`", "since_ms": 1, "until_ms": 2, "text": "was enabled until T by rule `a`" },
            }),
        ),
        route(5, "10.4.0.0/24", json!({ "advertised": false, "approval": said(json!(true), "") })),
        route(
            6,
            "10.5.0.0/24",
            json!({ "standing": "denied", "approval": said(json!(false), "no") }),
        ),
    ]
}

#[test]
fn nodes_say_what_waits_for_a_word_and_routes_who_said_what() {
    let node: Node = serde_json::from_value(json!({
        "id": 1, "name": "r1", "key": "ab".repeat(32), "user": "alice@", "tags": [],
        "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"], "state": "online",
        "since_ms": 1_800_000_000_000_u64, "endpoints": ["192.0.2.7"], "ephemeral": false,
        "created_ms": 1_800_000_000_000_u64, "map_told": 7, "map_applied": 6,
        "routes": serde_json::to_value(some()).unwrap(),
    }))
    .unwrap();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        nodes(std::slice::from_ref(&node)),
        super::node(&node)
    ));
}
