//! Names, keys, signatures and heartbeats.

use super::*;

#[tokio::test]
async fn available() {
    let mesh = Mesh::new().await;
    let free = r#"{"available":true,"message":"Domain name is available."}"#;
    let taken = r#"{"available":false,"message":"Domain name is not available."}"#;
    let characters = r#"{"available":false,"message":"Domain name can only contain lowercase letters and numbers."}"#;
    let long =
        r#"{"available":false,"message":"Domain name cannot be longer than 63 characters."}"#;
    let long_name = format!("/available/{}", "a".repeat(64));
    let cases = [
        ("/available/bob", 200, free),
        ("/available/%20bob%20", 200, free),
        ("/available/alice", 209, taken),
        ("/available/root", 209, taken),
        ("/available/app", 209, taken),
        ("/available/www", 209, taken),
        ("/available/a-b", 209, characters),
        ("/available/Bob", 209, characters),
        (&*long_name, 209, long),
        ("/available/%20", 500, r#"{"error":"Error: Domain name is required."}"#),
    ];
    for (path, status, body) in cases {
        assert_eq!(mesh.get(path).await, (status, body.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn domain_and_verify() {
    let mesh = Mesh::new().await;
    let (key, signature) = alice_key();
    mesh.world.user("nameless", "", Some(key)).await;
    let domain = format!(r#"{{"domainName":"alice","serverDomain":"nsl.sh","publicKey":"{key}"}}"#);
    let nameless = format!(r#"{{"serverDomain":"nsl.sh","publicKey":"{key}"}}"#);
    let wrong = r#"{"valid":false}"#.to_owned();
    let cases = [
        ("/domain/alice".to_owned(), 200, domain),
        ("/domain/nameless".to_owned(), 200, nameless),
        ("/domain/nobody".to_owned(), 280, r#"{"error":"User not found."}"#.to_owned()),
        ("/domain/a%2Fb".to_owned(), 280, r#"{"error":"User not found."}"#.to_owned()),
        (
            format!("/verify/alice/{signature}"),
            200,
            r#"{"serverDomain":"nsl.sh","domainName":"alice"}"#.to_owned(),
        ),
        ("/verify/alice/k1234567890invalidSignature".to_owned(), 200, wrong.clone()),
        (format!("/verify/alice/{}", signature.to_uppercase()), 200, wrong.clone()),
        (format!("/verify/nameless/{signature}"), 200, wrong),
        (format!("/verify/nobody/{signature}"), 200, r#"{"error":"unknown user"}"#.to_owned()),
    ];
    for (path, status, body) in cases {
        assert_eq!(mesh.get(&path).await, (status, body), "{path}");
    }
}

#[tokio::test]
async fn a_user_id_may_be_any_text_and_comes_encoded_or_not() {
    let mesh = Mesh::new().await;
    let vectors =
        include_str!("../../../../../rutter-controller/testdata/mesh-router-vectors.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let find = |user: &str| {
        let all = vectors["vectors"].as_array().unwrap();
        all.iter().find(|v| v["user_id"] == user).unwrap().clone()
    };
    let paths = [
        ("user@example.com", "user@example.com", "mail"),
        ("user@example.com", "user%40example.com", "mail"),
        ("üser-é", "%C3%BCser-%C3%A9", "umlaut"),
        ("did:key:z6Mkabc", "did:key:z6Mkabc", "did"),
    ];
    for (user, path, name) in paths {
        let vector = find(user);
        mesh.world.user(user, name, vector["public_key_base36"].as_str()).await;
        let signature = vector["signature_base36"].as_str().unwrap();
        let routes = json!([agent("192.0.2.1")]).to_string();
        let path = format!("/routes/{path}/{signature}");
        let (status, answer) = mesh.ask("POST", &path, Some(&routes)).await;
        assert_eq!(status, 200, "{user}: {answer}");
        let (_, resolved) = mesh.get(&format!("/resolve/v2/{name}")).await;
        assert!(resolved.contains(&format!("\"userId\":\"{user}\"")), "{resolved}");
    }
}

#[tokio::test]
async fn a_domain_is_given_and_taken_by_a_token_that_names_the_user() {
    let mesh = Mesh::new().await;
    let read = mesh.world.token(&[rutter_registry::Scope::Read]).await;
    let admin = mesh.world.token(&[rutter_registry::Scope::Admin]).await;
    let (key, _) = alice_key();
    let d = &mesh.domains;
    let unauthorized = json!({ "error": "Unauthorized" });
    let no_uid = json!({ "error": "Unauthorized: Missing uid in service token" });
    let done = json!({ "message": "Domain information updated successfully." });
    let gone = json!({ "message": "Domain information deleted successfully." });
    let bob = json!({ "domainName": "bob" });
    let cases = [
        ("POST", String::new(), bob.clone(), 401, unauthorized.clone()),
        ("POST", "Basic x".into(), bob.clone(), 401, unauthorized.clone()),
        ("POST", "Bearer nonsense;u1".into(), bob.clone(), 401, unauthorized.clone()),
        ("POST", format!("Bearer {read};u1"), bob.clone(), 401, unauthorized.clone()),
        ("POST", format!("Bearer {d};a/b"), bob.clone(), 401, unauthorized),
        ("POST", format!("Bearer {d}"), bob.clone(), 401, no_uid.clone()),
        ("POST", format!("Bearer {d};"), bob.clone(), 401, no_uid),
        ("POST", format!("Bearer {d};u1"), bob.clone(), 200, done.clone()),
        ("POST", format!("Bearer {d};u1;rest"), json!({ "publicKey": key }), 200, done.clone()),
        (
            "POST",
            format!("Bearer {admin};u2"),
            bob,
            500,
            json!({ "error": "Error: Domain name is not owned by you." }),
        ),
        (
            "POST",
            format!("Bearer {d};u2"),
            json!({ "domainName": "www" }),
            500,
            json!({ "error": "Error: Domain name is not available." }),
        ),
        (
            "POST",
            format!("Bearer {d};u2"),
            json!({ "domainName": "a-b" }),
            500,
            json!({ "error": "Error: Domain name can only contain lowercase letters and numbers." }),
        ),
        (
            "POST",
            format!("Bearer {d};u2"),
            json!({ "serverDomain": "x" }),
            400,
            json!({ "error": "At least 'domainName' or 'publicKey' must be provided." }),
        ),
        ("POST", format!("Bearer {d};u1"), json!({ "domainName": "carol" }), 200, done),
        ("DELETE", format!("Bearer {d};u1"), Value::Null, 200, gone.clone()),
        ("DELETE", format!("Bearer {d};u1"), Value::Null, 200, gone),
    ];
    for (i, (method, authorization, body, status, answer)) in cases.into_iter().enumerate() {
        let url = format!("{}/domain", mesh.served.url);
        let request = mesh.client.request(method.parse().unwrap(), url).json(&body);
        let response = request.header("authorization", authorization).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "case {i}");
        assert_eq!(response.json::<Value>().await.unwrap(), answer, "case {i}");
        if i == 13 {
            let renamed = mesh.get("/domain/u1").await.1;
            assert!(renamed.contains("\"domainName\":\"carol\""), "{renamed}");
            assert!(renamed.contains(key), "the key stays: {renamed}");
        }
    }
    assert_eq!(mesh.get("/domain/u1").await.0, 280);
}

#[tokio::test]
async fn heartbeat_and_status() {
    let mesh = Mesh::new().await;
    let (_, signature) = alice_key();
    let status =
        |online, seen: &str| (200, format!(r#"{{"online":{online},"lastSeenOnline":{seen}}}"#));
    assert_eq!(mesh.get("/status/alice").await, status(false, "null"));
    let beat = format!("/heartbeat/alice/{signature}");
    let seen = "\"2027-01-15T08:00:00.000Z\"";
    let answer = format!(r#"{{"message":"Heartbeat received.","lastSeenOnline":{seen}}}"#);
    assert_eq!(mesh.ask("POST", &beat, Some("{")).await, (200, answer), "the body is ignored");
    mesh.world.hands.forward(Duration::from_secs(120));
    assert_eq!(mesh.get("/status/alice").await, status(true, seen));
    mesh.world.hands.forward(Duration::from_millis(1));
    assert_eq!(mesh.get("/status/alice").await, status(false, seen));
    let cases = [
        ("POST", "/heartbeat/alice/k1", 401, "Invalid signature."),
        ("POST", "/heartbeat/nobody/k1", 404, "User not found. Register a domain first."),
        ("GET", "/status/nobody", 404, "User not found."),
    ];
    for (method, path, code, error) in cases {
        let expected = (code, json!({ "error": error }).to_string());
        assert_eq!(mesh.ask(method, path, None).await, expected, "{path}");
    }
}
