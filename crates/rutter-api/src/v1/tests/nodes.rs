//! Nodes over the API, with sessions as the link would begin them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use rutter_nodes::fleet::{Connected, EnrolNode, FleetError, Heard};
use rutter_registry::{PublicKey, TokenSecret};

use super::*;

fn from() -> SocketAddr {
    "192.0.2.7:50000".parse().unwrap()
}

/// A node that joins by a pre-auth key of the API's.
async fn joins(api: &Api, fleet: &Fleet, name: &str, key: u8) -> PublicKey {
    let (status, made) =
        api.admin("POST", "/v1/preauth-keys", json!({ "user": "alice@", "ttl_s": 60 })).await;
    assert_eq!(status, 201, "{made}");
    let line = format!("http://192.0.2.1:7070#{}", made["secret"].as_str().unwrap());
    assert_eq!(made["join"], json!(line), "what an agent is told");
    let token = Some(TokenSecret::presented(made["secret"].as_str().unwrap()));
    let key = PublicKey([key; 32]);
    let new = EnrolNode { key, token, name: name.parse().unwrap(), from: from() };
    fleet.enrol(new).await.unwrap();
    key
}

async fn says(fleet: &Fleet, key: &PublicKey, prefixes: &[&str]) -> Connected {
    let mut connected = fleet.connect(key, from()).await.unwrap();
    let prefixes: BTreeSet<_> = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
    connected.session.announce(Heard { prefixes }, vec![from().ip()]).await.unwrap();
    connected
}

async fn with_routers() -> (Api, Fleet, Vec<Connected>) {
    let (api, fleet) = Api::with_nodes().await;
    let (status, alice) = api.admin("POST", "/v1/users", json!({ "name": "alice@" })).await;
    assert_eq!((status, &alice["name"]), (201, &json!("alice@")));
    let mut sessions = Vec::new();
    for (name, key) in [("r1", 1), ("r2", 2)] {
        let key = joins(&api, &fleet, name, key).await;
        sessions.push(says(&fleet, &key, &["10.1.0.0/24", "0.0.0.0/0"]).await);
    }
    (api, fleet, sessions)
}

/// Says a word on routes, which has to be taken; the rows.
async fn word(api: &Api, node: &str, word: &str, body: Value) -> Value {
    let path = format!("/v1/nodes/{node}/routes/{word}");
    let (status, said) = api.admin("POST", &path, body).await;
    assert_eq!(status, 200, "{path}: {said}");
    said["routes"].clone()
}

#[tokio::test]
async fn routes_are_approved_moved_and_revoked_with_who_said_so() {
    let (api, _fleet, _sessions) = with_routers().await;
    let lab = json!({ "prefixes": ["10.1.0.0/24"], "why": "the lab" });
    let rows = word(&api, "r1", "approve", lab.clone()).await;
    assert_eq!(
        [&rows[0]["advertised"], &rows[0]["enabled"], &rows[0]["is_primary"]],
        [&json!(true); 3],
        "{rows}"
    );
    assert_eq!((&rows[0]["node_name"], &rows[0]["standing"]), (&json!("r1"), &json!("eligible")));
    let approval = &rows[0]["approval"];
    assert_eq!((&approval["is"], &approval["why"]), (&json!(true), &json!("the lab")));
    assert!(approval["by"].as_str().unwrap().starts_with("token "), "{approval}");
    let rows = word(&api, "2", "approve", lab).await;
    assert_eq!(rows[0]["is_primary"], json!(false), "the incumbent stays: {rows}");

    let rows = word(&api, "r2", "primary", json!({ "prefix": "10.1.0.0/24" })).await;
    assert_eq!(rows[0]["is_primary"], json!(true), "{rows}");
    let (_, moves) = api.admin("GET", "/v1/nodes/moves?prefix=10.1.0.0/24", Value::Null).await;
    let last = &moves["moves"][0];
    assert_eq!((&last["from"], &last["to"]), (&json!(1), &json!(2)), "{moves}");
    let rows = word(&api, "r1", "preference", json!({ "preference": 200 })).await;
    assert_eq!(rows[0]["preference"]["is"], json!(200), "{rows}");
    let (_, all) = api.admin("GET", "/v1/routes?prefix=10.1.0.0/24", Value::Null).await;
    let primaries: Vec<_> =
        all["routes"].as_array().unwrap().iter().map(|r| &r["is_primary"]).collect();
    assert_eq!(primaries, [&json!(true), &json!(false)], "preference goes before: {all}");

    let rows = word(&api, "r1", "revoke", json!({ "prefixes": ["10.1.0.0/24"] })).await;
    assert_eq!((&rows[0]["enabled"], &rows[0]["standing"]), (&json!(false), &json!("denied")));
    // Both families of an exit route, whichever is named.
    let rows =
        word(&api, "r1", "approve", json!({ "prefixes": ["0.0.0.0/0"], "in_advance": true })).await;
    let exits: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["prefix"]).collect();
    assert!(exits.contains(&&json!("::/0")), "{rows}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_code() {
    let (api, _fleet, _sessions) = with_routers().await;
    let approve = "/v1/nodes/r1/routes/approve";
    for (method, path, body, status, code) in [
        ("GET", "/v1/nodes/nobody", Value::Null, 404, "not_found"),
        ("GET", "/v1/nodes/No%20Name", Value::Null, 404, "not_found"),
        ("POST", approve, json!({ "prefixes": ["10.9.0.0/24"] }), 409, "conflict"),
        ("POST", approve, json!({ "prefixes": [] }), 422, "invalid_field"),
        ("POST", approve, json!({ "prefixes": ["10.9.0.0/33"] }), 422, "invalid_field"),
        ("POST", approve, json!({ "prefix": "10.1.0.0/24" }), 422, "invalid_field"),
        (
            "POST",
            "/v1/nodes/r1/routes/primary",
            json!({ "prefix": "10.1.0.0/24" }),
            409,
            "conflict",
        ),
        ("POST", "/v1/nodes/r1/routes/primary", json!({ "prefix": "0.0.0.0/0" }), 409, "conflict"),
        ("POST", "/v1/nodes/r1/routes/forget", json!({ "prefix": "10.1.0.0/24" }), 409, "conflict"),
        ("PATCH", "/v1/nodes/r1", json!({ "name": "r2" }), 409, "name_taken"),
        ("PATCH", "/v1/nodes/r1", json!({ "name": "R 2" }), 422, "invalid_field"),
        ("PATCH", "/v1/nodes/r1", json!({ "tags": ["router"] }), 422, "invalid_field"),
        ("POST", "/v1/users", json!({ "name": "alice" }), 422, "invalid_field"),
        ("POST", "/v1/users", json!({ "name": "alice@" }), 409, "name_taken"),
        ("DELETE", "/v1/users/alice@", Value::Null, 409, "conflict"),
        ("DELETE", "/v1/users/bob@", Value::Null, 404, "not_found"),
        ("POST", "/v1/preauth-keys", json!({}), 422, "invalid_field"),
        ("POST", "/v1/preauth-keys", json!({ "user": "bob@" }), 404, "not_found"),
        ("POST", "/v1/preauth-keys", json!({ "user": "alice@", "ttl_s": 0 }), 422, "invalid_field"),
        ("DELETE", "/v1/preauth-keys/zz", Value::Null, 400, "invalid_parameter"),
        ("DELETE", "/v1/nodes/pending/zz", Value::Null, 400, "invalid_parameter"),
        ("POST", "/v1/policy/diff", json!({ "text": "{ \"gruops\": {} }" }), 422, "invalid_policy"),
        ("GET", "/v1/routes?prefix=x", Value::Null, 400, "invalid_parameter"),
        ("GET", "/v1/nodes?limit=x", Value::Null, 400, "invalid_parameter"),
    ] {
        let (found, said) = api.admin(method, path, body.clone()).await;
        assert_eq!(
            (found, said["code"].as_str().unwrap_or("")),
            (status, code),
            "{method} {path} {body}: {said}"
        );
    }
    let (status, none) = Api::new().await.admin("GET", "/v1/nodes", Value::Null).await;
    assert_eq!((status, &none["code"]), (404, &json!("no_nodes")));
}

#[tokio::test]
async fn nodes_are_listed_in_pages_renamed_expired_and_deleted() {
    let (api, fleet, mut sessions) = with_routers().await;
    let (_, page) = api.admin("GET", "/v1/nodes?limit=1", Value::Null).await;
    assert_eq!((&page["nodes"][0]["name"], &page["next"]), (&json!("r1"), &json!(1)), "{page}");
    let (_, page) = api.admin("GET", "/v1/nodes?after=1", Value::Null).await;
    let second = &page["nodes"][0];
    assert_eq!((&second["state"], &page["next"]), (&json!("online"), &Value::Null), "{page}");
    assert_eq!(second["addresses"], json!(["100.64.0.2"]), "{page}");
    assert_eq!((&second["user"], &second["endpoints"]), (&json!("alice@"), &json!(["192.0.2.7"])));
    sessions.remove(1).session.ended(false).await;
    let change = json!({ "name": "edge", "expiry_ms": 0 });
    let (status, node) = api.admin("PATCH", "/v1/nodes/r2", change).await;
    assert_eq!((status, &node["name"], &node["state"]), (200, &json!("edge"), &json!("expired")));
    assert!(matches!(
        fleet.connect(&PublicKey([2; 32]), from()).await,
        Err(FleetError::Expired(_))
    ));
    let (_, node) = api.admin("PATCH", "/v1/nodes/edge", json!({ "expiry_ms": null })).await;
    assert_eq!((&node["expiry_ms"], &node["state"]), (&Value::Null, &json!("offline")), "{node}");
    let (status, gone) = api.admin("DELETE", "/v1/nodes/edge", Value::Null).await;
    assert_eq!((status, &gone["id"]), (200, &json!(2)), "{gone}");
    assert_eq!(gone["routes"].as_array().map(Vec::len), Some(2), "{gone}");
    assert_eq!(api.admin("GET", "/v1/nodes/edge", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_node_without_a_key_waits_for_a_word() {
    let (api, fleet) = Api::with_nodes().await;
    api.admin("POST", "/v1/users", json!({ "name": "alice@" })).await;
    let asks = |byte: u8, name: &str| {
        let key = PublicKey([byte; 32]);
        fleet.enrol(EnrolNode { key, token: None, name: name.parse().unwrap(), from: from() })
    };
    for (byte, name) in [(1, "r1"), (2, "r2")] {
        assert!(matches!(asks(byte, name).await, Err(FleetError::Pending { .. })));
    }
    let (_, waiting) = api.admin("GET", "/v1/nodes/pending", Value::Null).await;
    let first = &waiting["pending"][0];
    assert_eq!((&first["name"], &first["key"]), (&json!("r1"), &json!("01".repeat(32))));
    assert_eq!(first["from"], json!("192.0.2.7:50000"));
    let path = |byte: u8, rest: &str| format!("/v1/nodes/pending/{}{rest}", PublicKey([byte; 32]));
    let (status, node) =
        api.admin("POST", &path(1, "/register"), json!({ "user": "alice@" })).await;
    assert_eq!((status, &node["name"], &node["user"]), (201, &json!("r1"), &json!("alice@")));
    assert_eq!(asks(1, "r1").await.unwrap().id.0, 1);
    let (status, gone) = api.admin("DELETE", &path(2, ""), Value::Null).await;
    assert_eq!((status, &gone["name"]), (200, &json!("r2")));
    assert_eq!(api.admin("DELETE", &path(2, ""), Value::Null).await.0, 404);
    // Neither a user nor tags, and both.
    for body in [json!({}), json!({ "user": "alice@", "tags": ["tag:a"] })] {
        assert_eq!(api.admin("POST", &path(3, "/register"), body).await.1["code"], "invalid_field");
    }
    // A key that is known beforehand is let in under the name given.
    let body = json!({ "user": "alice@", "name": "r3" });
    assert_eq!(api.admin("POST", &path(3, "/register"), body).await.0, 201);
}

#[tokio::test]
async fn a_drain_says_who_took_over_and_what_stays() {
    let (api, _fleet, mut sessions) = with_routers().await;
    for router in ["r1", "r2"] {
        word(&api, router, "approve", json!({ "prefixes": ["10.1.0.0/24"] })).await;
    }
    // Who is told has to say that it uses the new way.
    let mut told: Vec<_> = sessions
        .drain(..)
        .map(|mut connected| {
            tokio::spawn(async move {
                while let Some(map) = connected.map.next().await {
                    connected.map.applied(map.number);
                }
                connected
            })
        })
        .collect();
    let (status, drained) =
        api.admin("POST", "/v1/nodes/r1/routes/drain", json!({ "why": "new disk" })).await;
    assert_eq!(status, 200, "{drained}");
    assert_eq!(drained["moved"], json!([{ "prefix": "10.1.0.0/24", "to": 2 }]), "{drained}");
    assert_eq!(drained["unconfirmed"], json!([]), "{drained}");
    let (_, node) = api.admin("GET", "/v1/nodes/r1", Value::Null).await;
    assert_eq!(node["state"], json!("draining"), "{node}");
    word(&api, "r1", "undrain", json!({})).await;
    let (_, node) = api.admin("GET", "/v1/nodes/r1", Value::Null).await;
    assert_eq!(node["state"], json!("online"), "{node}");
    told.drain(..).for_each(|task| task.abort());
}

#[tokio::test]
async fn metrics_tell_of_nodes() {
    let (api, _fleet, _sessions) = with_routers().await;
    word(&api, "r1", "approve", json!({ "prefixes": ["10.1.0.0/24"] })).await;
    let url = format!("{}/metrics", api.served.url);
    let text =
        api.client.get(url).bearer_auth(&api.admin).send().await.unwrap().text().await.unwrap();
    for line in [
        "rutter_nodes{state=\"online\"} 2",
        "rutter_nodes{state=\"expired\"} 0",
        "rutter_node_routes{standing=\"eligible\"} 1",
        "rutter_node_routes{standing=\"unapproved\"} 3",
        "rutter_node_primaries 1",
        "rutter_node_moves_total 1",
        "rutter_nodes_pending 0",
    ] {
        assert!(text.lines().any(|is| is == line), "{line}\n{text}");
    }
}
