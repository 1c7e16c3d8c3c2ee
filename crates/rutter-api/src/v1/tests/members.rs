//! Members and the link, as operators and newcomers see them.

use rutter_controller::{Enrolment, Speaker};
use rutter_registry::PublicKey;

use super::*;

/// Enrols a gateway as the link does, by a token of the API's.
async fn gateway(api: &Api, name: &str, key: PublicKey) -> Speaker {
    let body = json!({ "role": "gateway" });
    let (status, made) = api.admin("POST", "/v1/join-tokens", body).await;
    assert_eq!((status, &made["role"]), (201, &json!("gateway")), "{made}");
    let line = format!("http://192.0.2.1:7070#{}", made["secret"].as_str().unwrap());
    assert_eq!(made["join"], json!(line), "the same form as an agent's");
    let token = made["secret"].as_str().unwrap().to_owned();
    let what = Enrolment { token, name: name.into(), key, role: None };
    let enrolled = api.world.controller.enrol(api.world.hands.clock().now(), what).await.unwrap();
    enrolled.speaker
}

#[tokio::test]
async fn members_are_listed_in_pages_and_removed() {
    let api = Api::new().await;
    for (name, byte) in [("edge-2", 2), ("edge-1", 1)] {
        gateway(&api, name, PublicKey([byte; 32])).await;
    }
    let (status, page) = api.admin("GET", "/v1/members?limit=1", Value::Null).await;
    assert_eq!((status, &page["next"]), (200, &json!("edge-1")), "{page}");
    let member = json!({
        "name": "edge-1", "role": "gateway", "key": "01".repeat(32),
        "created_ms": 1_800_000_000_000_u64,
    });
    assert_eq!(page["members"], json!([member]));
    let (_, page) = api.admin("GET", "/v1/members?after=edge-1", Value::Null).await;
    assert_eq!((&page["members"][0]["name"], &page["next"]), (&json!("edge-2"), &Value::Null));

    let (status, gone) = api.admin("DELETE", "/v1/members/edge-1", Value::Null).await;
    assert_eq!((status, gone), (200, member));
    assert_eq!(api.world.controller.speaker(&PublicKey([1; 32])), None);
    for unknown in ["edge-1", "No-Name"] {
        let path = format!("/v1/members/{unknown}");
        let (status, again) = api.admin("DELETE", &path, Value::Null).await;
        assert_eq!((status, &again["code"]), (404, &json!("not_found")));
        assert!(again["error"].as_str().unwrap().contains(unknown), "{again}");
    }
    for path in ["/v1/members?limit=x", "/v1/members?more=1", "/v1/members?after=A"] {
        let code = &api.admin("GET", path, Value::Null).await.1["code"];
        assert_eq!(code, "invalid_parameter", "{path}");
    }
}

#[tokio::test]
async fn a_gateways_join_token_makes_no_agent_and_is_listed_with_its_role() {
    let api = Api::new().await;
    let body = json!({ "role": "gateway", "reusable": true });
    let (_, made) = api.admin("POST", "/v1/join-tokens", body).await;
    let body = json!({ "name": "alice" }).to_string();
    let (status, refused) = api.ask("POST", "/v1/join", made["secret"].as_str(), Some(&body)).await;
    assert_eq!((status, &refused["code"]), (401, &json!("unauthenticated")));
    let (_, list) = api.admin("GET", "/v1/tokens?kind=join", Value::Null).await;
    assert_eq!(list["tokens"][0]["role"], "gateway");
    let (_, agents) = api.admin("POST", "/v1/join-tokens", json!({})).await;
    assert_eq!(agents["role"], "agent", "what it has always been");
}

#[tokio::test]
async fn everyone_is_told_where_the_link_is_or_that_there_is_none() {
    let api = Api::new().await;
    let (status, none) = api.ask("GET", "/v1/link", None, None).await;
    assert_eq!((status, &none["code"]), (404, &json!("no_link")));
    let link = LinkAddress { address: "192.0.2.1:7071".into(), pin: Pin([0xab; 32]) };
    let api = Api::with_link(Some(link)).await;
    let expected = json!({ "address": "192.0.2.1:7071", "pin": "ab".repeat(32) });
    assert_eq!(api.ask("GET", "/v1/link", None, None).await, (200, expected));
}
