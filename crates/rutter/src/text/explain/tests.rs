//! What stands in an explanation, and that all of it is shown. The examples' snapshots show the
//! rest.

use rutter_route::Explanation;
use serde_json::json;

use super::render;

/// An explanation with one of everything.
fn full() -> Explanation<String> {
    let attributes = json!({
        "next_hop": "http://127.0.0.1:3000", "preference": 90, "priority": 2, "metric": 3,
        "hops": 4, "latency_us": 5, "bandwidth_kbps": 6, "reliability_ppm": 7, "cost": 8,
        "weight": 9, "group": "pair", "tags": ["blue"], "health_check": {"path": "/healthz"},
        "path_list": [{"cluster": "eu", "table": "fabric"}],
    });
    let own = json!({"source": "controller/main", "path": "b1alice  http 127.0.0.1:3000"});
    let event = |number: u64, what: serde_json::Value| {
        let mut event = json!({"number": number, "at": 1_795_219_200_000_u64 + number * 1000});
        let fields = event.as_object_mut().unwrap();
        fields.extend(what.as_object().unwrap().clone());
        event
    };
    serde_json::from_value(json!({
        "table": "gateway/services", "destination": "alice.localhost", "at": 1_795_219_260_500_u64,
        "views": [
            {"view": "default", "best": {"source": "tunnel/alice"}, "equals": [{"source": "tunnel/bob"}],
             "alternates": [own], "decided_by": "standing", "unreachable": false},
            {"view": "eu", "best": null, "unreachable": true},
        ],
        "candidates": [
            {"route": {"source": "tunnel/alice"}, "standing": "eligible", "rank": 1,
             "attributes": {"next_hop": "http://127.0.0.1:1"}, "policy": {"accepted": true, "decided_by": "default"},
             "since": 1_795_219_200_000_u64},
            {"route": own, "standing": "unhealthy", "rank": 2, "attributes": attributes,
             "received": {"next_hop": "http://127.0.0.1:2"},
             "lost_by": {"criterion": "standing", "mine": "unhealthy", "best": "eligible"},
             "facts": [{"fact": "unhealthy", "reason": "4 connects failed", "ends_in_ms": 59_000}],
             "policy": {"accepted": true, "matched": ["blue: next, preference 90"], "decided_by": "default"},
             "since": 1_795_219_200_000_u64, "lease_ms": 3_601_000,
             "next_hop": {"hop": "cluster:eu", "table": "fabric", "unresolved": "no route", "chain": ["eu: none"]},
             "observed": ["gateway/edge: unhealthy"]},
            {"route": {"source": "agent/mallory"}, "standing": "denied", "rank": null,
             "attributes": {"next_hop": "http://127.0.0.1:3"},
             "facts": [{"fact": "denied", "reason": ""}],
             "policy": {"accepted": false, "decided_by": "rule 2"}, "since": 1_795_219_200_000_u64},
        ],
        "events": [
            event(1, json!({"advertised": {"source": "agent/alice"}})),
            event(2, json!({"moved": {"from": null, "to": {"source": "agent/alice"}, "decided_by": null}, "cause": "advertised"})),
            event(3, json!({"standing": {"route": own, "from": "eligible", "to": "unhealthy", "why": "4 connects failed"}})),
            event(4, json!({"moved": {"from": own, "to": {"source": "tunnel/alice"}, "decided_by": "standing", "view": "eu"}, "cause": "health"})),
            event(5, json!({"source": {"source": "agent/alice", "state": "offline", "why": "lost"}})),
            event(6, json!({"left": [{"source": "agent/alice"}, "lease_ended"], "cause": {"source": 5}})),
            event(7, json!({"decided": {"source": "agent/alice", "decision": {"prefer": 7}, "by": {"person": "carol"}, "why": "I like it"}})),
            event(8, json!({"next_hop": {"hop": "cluster:eu", "unresolved": "no route"}})),
            {"number": 9, "at": 1_795_219_209_000_u64, "policy": null, "cause": {"left": "withdrawn"}},
        ],
        "sinks": [
            {"sink": "gateway/edge", "told": 4, "behind": true, "refused": "no room"},
            {"sink": "api", "told": null, "behind": false},
        ],
    }))
    .unwrap()
}

#[test]
fn everything_is_told() {
    insta::assert_snapshot!(render(&full()));
}

#[test]
fn nothing_is_told_of_nothing() {
    let mut empty = full();
    empty.candidates.clear();
    empty.events.clear();
    empty.sinks.clear();
    empty.views.clear();
    assert_eq!(
        render(&empty),
        "alice.localhost in gateway/services, at 2026-11-21 00:01:00.500 UTC\n\nCandidates\n  none\n"
    );
}
