//! What agents say.

use super::*;

#[tokio::test]
async fn an_agent_joins_once_and_is_told_all_it_needs() {
    let api = Api::new().await;
    let (_, made) = api.admin("POST", "/v1/join-tokens", json!({})).await;
    let token = made["secret"].as_str().unwrap();
    let join = async |name: &str| {
        let body = json!({ "name": name }).to_string();
        api.ask("POST", "/v1/join", Some(token), Some(&body)).await
    };
    assert_eq!(join("www").await.1["code"], "invalid_name");
    let (status, joined) = join("alice").await;
    assert_eq!(status, 200);
    for (field, expected) in [
        ("name", json!("alice")),
        ("domain", json!("alice.nsl.sh")),
        ("server_domain", json!("nsl.sh")),
        ("lease_s", json!(600)),
        ("renew_s", json!(300)),
        ("address", json!("127.0.0.1")),
        ("loopback", json!(true)),
    ] {
        assert_eq!(joined[field], expected, "{field}");
    }
    let (status, again) = join("bob").await;
    assert_eq!((status, &again["code"]), (401, &json!("unauthenticated")), "it works once");
    let other = api.agent("carol").await;
    assert_ne!(other, joined["agent_token"]);
    let (_, made) = api.admin("POST", "/v1/join-tokens", json!({ "reusable": true })).await;
    let body = json!({ "name": "alice" }).to_string();
    let (status, taken) = api.ask("POST", "/v1/join", made["secret"].as_str(), Some(&body)).await;
    assert_eq!((status, &taken["code"]), (409, &json!("name_taken")));
}

#[tokio::test]
async fn a_join_token_ends() {
    let api = Api::new().await;
    let (_, made) = api.admin("POST", "/v1/join-tokens", json!({ "ttl_s": 60 })).await;
    api.world.hands.forward(Duration::from_secs(60));
    let body = json!({ "name": "alice" }).to_string();
    let (status, _) = api.ask("POST", "/v1/join", made["secret"].as_str(), Some(&body)).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn an_agents_routes_replace_those_of_the_same_source() {
    let api = Api::new().await;
    let token = api.agent("alice").await;
    let put = async |body: Value| {
        api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body.to_string())).await
    };
    let body = json!({ "source": "agent", "routes": [
        { "service": "web", "endpoint": "http://127.0.0.1:3000", "priority": 1, "health_check": { "path": "/healthz" } },
        { "endpoint": "https://home.example:443" },
        { "service": "", "endpoint": "http://192.0.2.1:80" },
    ] });
    let expected = json!({
        "routes": [
            { "destination": "web.alice.nsl.sh", "endpoint": "http://127.0.0.1:3000", "standing": "eligible" },
            { "destination": "alice.nsl.sh", "endpoint": "https://home.example:443", "standing": "eligible" },
            { "destination": "alice.nsl.sh", "endpoint": "http://192.0.2.1:80", "standing": "eligible" },
        ],
        "lease_s": 600, "renew_s": 300,
    });
    assert_eq!(put(body).await, (200, expected));
    let tunnel = json!({ "source": "tunnel", "routes": [{ "endpoint": "http://10.77.0.5:80", "priority": 2 }] });
    assert_eq!(put(tunnel).await.0, 200);
    let now = api.world.hands.clock().now();
    let resolved = api.world.controller.resolve(now, "alice").await.unwrap().unwrap();
    let sources: Vec<_> =
        resolved.leases.iter().map(|l| (l.source.to_string(), l.claims.len())).collect();
    assert_eq!(sources, [("agent".into(), 2), ("tunnel".into(), 1)]);
    let withdraw = async |path| api.ask("DELETE", path, Some(&token), None).await;
    assert_eq!(withdraw("/v1/agent/routes?source=agent").await, (200, json!({ "withdrawn": 3 })));
    assert_eq!(withdraw("/v1/agent/routes").await, (200, json!({ "withdrawn": 1 })));
    assert_eq!(withdraw("/v1/agent/routes").await, (200, json!({ "withdrawn": 0 })));
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_changed() {
    let api = Api::new().await;
    let token = api.agent("alice").await;
    let good = json!({ "endpoint": "http://192.0.2.1:80" });
    let put = async |routes: Value| {
        let body = json!({ "routes": routes }).to_string();
        api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body)).await
    };
    assert_eq!(put(json!([good])).await.0, 200);
    let cases = [
        (json!({ "endpoint": "127.0.0.1:3000" }), "invalid_field", "routes[1].endpoint"),
        (json!({ "endpoint": "tcp://192.0.2.1:80" }), "invalid_field", "routes[1].endpoint"),
        (
            json!({ "endpoint": "http://192.0.2.1:80", "service": "a b" }),
            "invalid_field",
            "routes[1].service",
        ),
        (
            json!({ "endpoint": "http://192.0.2.2:80", "health_check": { "path": "h" } }),
            "invalid_field",
            "routes[1].health_check",
        ),
        (
            json!({ "endpoint": "http://192.0.2.2:80", "priority": "1" }),
            "invalid_field",
            "line 1 column",
        ),
        (json!({ "endpoint": "http://192.0.2.2:80", "weight": 1 }), "invalid_field", "weight"),
        (json!({ "endpoint": "http://169.254.169.254:80" }), "address_refused", "routes[1]"),
        (good.clone(), "invalid_field", "routes[1]"),
        (json!({}), "invalid_field", "endpoint"),
    ];
    for (route, code, says) in cases {
        let (status, answer) = put(json!([good, route])).await;
        assert_eq!((status, answer["code"].as_str().unwrap()), (422, code), "{route}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{route}: {answer}");
    }
    let many: Vec<_> =
        (0..17).map(|i| json!({ "endpoint": format!("http://192.0.2.{i}:80") })).collect();
    assert_eq!(put(json!(many)).await.1["code"], "invalid_field");
    let body = json!({ "source": "", "routes": [good] }).to_string();
    let (status, _) = api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body)).await;
    assert_eq!(status, 422);
    let (status, _) = api.ask("DELETE", "/v1/agent/routes?source=", Some(&token), None).await;
    assert_eq!(status, 400);
    let now = api.world.hands.clock().now();
    let resolved = api.world.controller.resolve(now, "alice").await.unwrap().unwrap();
    assert_eq!(resolved.leases[0].claims[0].endpoint.to_string(), "http://192.0.2.1:80");
}
