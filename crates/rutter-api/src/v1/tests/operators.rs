//! Names and tokens, as operators see them.

use super::*;

#[tokio::test]
async fn a_name_is_given_listed_and_taken() {
    let api = Api::new().await;
    let (status, alice) = api.admin("POST", "/v1/domains", json!({ "name": "alice" })).await;
    assert_eq!((status, &alice["domain"]), (201, &json!("alice.nsl.sh")), "{alice}");
    // What an agent of Mesh Router needs is all there.
    let user = alice["user_id"].as_str().unwrap().parse().unwrap();
    let identity = api.world.controller.identity(&user).unwrap();
    assert!(api.world.controller.signed(&identity, alice["signature"].as_str().unwrap()));
    let key = alice["public_key"].clone();
    let bob = json!({ "name": "bob", "user_id": "u/1" });
    assert_eq!(api.admin("POST", "/v1/domains", bob).await.1["code"], "invalid_field");
    let bob = json!({ "name": "bob", "user_id": "u1", "public_key": key });
    let (status, bob) = api.admin("POST", "/v1/domains", bob).await;
    assert_eq!((status, &bob["signature"]), (201, &Value::Null));
    let names = |page: &Value| {
        let domains = page["domains"].as_array().unwrap();
        domains.iter().map(|d| d["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, page) = api.admin("GET", "/v1/domains?limit=1", Value::Null).await;
    assert_eq!((names(&page), &page["next"]), (vec!["alice".into()], &json!("alice")));
    let (_, page) = api.admin("GET", "/v1/domains?limit=2&after=alice", Value::Null).await;
    assert_eq!((names(&page), &page["next"]), (vec!["bob".into()], &Value::Null));
    let (status, gone) = api.admin("DELETE", "/v1/domains/alice", Value::Null).await;
    assert_eq!((status, &gone["name"]), (200, &json!("alice")));
    let (status, again) = api.admin("DELETE", "/v1/domains/alice", Value::Null).await;
    assert_eq!((status, &again["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn what_is_wrong_with_a_name_or_a_token_is_said() {
    let api = Api::new().await;
    api.admin("POST", "/v1/domains", json!({ "name": "alice" })).await;
    let cases = [
        ("/v1/domains", json!({ "name": "alice" }), 409, "name_taken", "alice"),
        ("/v1/domains", json!({ "name": "www" }), 422, "invalid_name", "reserved"),
        ("/v1/domains", json!({ "name": "a-b" }), 422, "invalid_name", "a-z"),
        ("/v1/domains", json!({}), 422, "invalid_field", "name"),
        ("/v1/domains", json!({ "name": "bob", "more": 1 }), 422, "invalid_field", "more"),
        (
            "/v1/domains",
            json!({ "name": "bob", "public_key": "k1" }),
            422,
            "invalid_field",
            "user_id",
        ),
        (
            "/v1/domains",
            json!({ "name": "bob", "user_id": "u", "public_key": "k1" }),
            422,
            "invalid_field",
            "public_key",
        ),
        ("/v1/tokens", json!({ "name": "x", "scopes": [] }), 422, "invalid_field", "scopes"),
        ("/v1/tokens", json!({ "name": "x", "scopes": ["all"] }), 422, "invalid_field", "all"),
        (
            "/v1/tokens",
            json!({ "name": "x", "scopes": ["read"], "ttl_s": 0 }),
            422,
            "invalid_field",
            "ttl_s",
        ),
        (
            "/v1/tokens",
            json!({ "name": "x", "scopes": ["read"], "ttl_s": u64::MAX }),
            422,
            "invalid_field",
            "ttl_s",
        ),
        ("/v1/join-tokens", json!({ "ttl_s": 0 }), 422, "invalid_field", "ttl_s"),
        ("/v1/join-tokens", json!({ "role": "node" }), 422, "invalid_field", "`gateway`"),
        ("/v1/join-tokens", json!({ "ttl_s": 99_999_999 }), 422, "invalid_field", "ttl_s"),
    ];
    for (path, body, status, code, says) in cases {
        let (found, answer) = api.admin("POST", path, body.clone()).await;
        assert_eq!((found, answer["code"].as_str().unwrap()), (status, code), "{body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{body}: {answer}");
    }
    for (path, code) in [
        ("/v1/domains?limit=x", "invalid_parameter"),
        ("/v1/domains?more=1", "invalid_parameter"),
        ("/v1/domains?after=A", "invalid_parameter"),
        ("/v1/tokens?kind=all", "invalid_parameter"),
        ("/v1/tokens?after=zz", "invalid_parameter"),
    ] {
        assert_eq!(api.admin("GET", path, Value::Null).await.1["code"], code, "{path}");
    }
    let ask = async |body: &str| api.ask("POST", "/v1/tokens", Some(&api.admin), Some(body)).await;
    assert_eq!(ask("{").await.1["code"], "invalid_json");
    let (status, huge) = ask(&"x".repeat(100 * 1024 + 1)).await;
    assert_eq!((status, &huge["code"]), (413, &json!("too_large")));
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_without_showing_a_secret_again() {
    let api = Api::new().await;
    let body = json!({ "name": "ci", "scopes": ["read", "gateway"], "ttl_s": 60 });
    let (status, made) = api.admin("POST", "/v1/tokens", body).await;
    assert_eq!(status, 201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("rtk_"));
    assert_eq!(made["token"]["scopes"], json!(["read", "gateway"]));
    let (_, list) = api.admin("GET", "/v1/tokens", Value::Null).await;
    assert_eq!(list["tokens"].as_array().unwrap().len(), 2, "the admin's and this one");
    assert!(!list.to_string().contains(secret));
    let id = made["token"]["id"].as_str().unwrap();
    let (status, revoked) = api.admin("DELETE", &format!("/v1/tokens/{id}"), Value::Null).await;
    assert_eq!(status, 200);
    assert!(revoked["revoked"].is_number(), "{revoked}");
    let (status, _) = api.ask("GET", "/v1/tokens", Some(secret), None).await;
    assert_eq!(status, 401);
    let (status, join) = api.admin("POST", "/v1/join-tokens", json!({ "reusable": true })).await;
    assert_eq!((status, &join["reusable"]), (201, &json!(true)));
    let line = format!("http://192.0.2.1:7070#{}", join["secret"].as_str().unwrap());
    assert_eq!(join["join"], json!(line));
    let (_, list) = api.admin("GET", "/v1/tokens?kind=join", Value::Null).await;
    assert_eq!(list["tokens"][0]["id"], join["id"]);
}

#[test]
fn a_join_line_carries_the_pin_where_there_is_one() {
    let pin = Some(Pin([0xab; 32]));
    let options = ApiOptions::new("https://192.0.2.1:7070".into(), pin);
    let expected = format!("https://192.0.2.1:7070#rtj_x.{}", "ab".repeat(32));
    assert_eq!(options.join_line("rtj_x"), expected);
}
