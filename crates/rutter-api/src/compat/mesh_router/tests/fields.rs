//! Fields: the original's texts for each that is wrong, and what stands for each that is right.

use super::*;

/// A good route with one field replaced; `null` takes it away.
fn with(field: &str, value: Value) -> Value {
    let mut route = agent("192.0.2.1");
    match value {
        Value::Null => route.as_object_mut().unwrap().remove(field),
        value => route.as_object_mut().unwrap().insert(field.into(), value),
    };
    route
}

#[tokio::test]
async fn a_wrong_field_is_a_500_that_names_it_and_nothing_is_taken() {
    let mesh = Mesh::new().await;
    let port = "port must be between 1 and 65535.";
    let scheme = "scheme must be \"http\" or \"https\".";
    let kind = "type must be \"ip\" or \"domain\".";
    let ip = "Invalid IP address format.";
    let cases = [
        (with("ip", Value::Null), "ip is required."),
        (with("ip", json!("")), "ip is required."),
        (with("ip", json!(7)), "ip is required."),
        (with("ip", json!("127.0.0.1:8192/ca-cert?x=")), ip),
        (with("ip", json!("home.example")), ip),
        (with("port", Value::Null), port),
        (with("port", json!(0)), port),
        (with("port", json!(-1)), port),
        (with("port", json!(65536)), port),
        (with("port", json!(99999)), port),
        (with("port", json!(80.5)), port),
        (with("port", json!("no")), port),
        (with("port", json!("70000")), port),
        (with("priority", Value::Null), "priority is required."),
        (with("priority", json!("1")), "priority is required."),
        (with("priority", json!(1e13)), "priority must be between -1e12 and 1e12."),
        (with("source", json!("")), "source is required."),
        (with("source", json!(1)), "source is required."),
        (with("scheme", json!("ftp")), scheme),
        (with("scheme", json!("HTTP")), scheme),
        (with("type", json!("host")), kind),
        (with("type", json!("domain")), "domain is required when type is \"domain\"."),
        (with("domain", json!("a b")), "domain must be a host name."),
        (json!(null), "a route is an object with ip, port and priority."),
    ];
    for (route, text) in cases {
        let (status, body) = mesh.post(json!([agent("192.0.2.9"), route])).await;
        let expected = json!({ "error": format!("Error: Route 1: {text}") });
        assert_eq!((status, body), (500, expected), "{route}");
    }
    assert_eq!(mesh.get("/routes/alice").await.0, 404);
}

#[tokio::test]
async fn what_is_right_is_echoed_in_the_originals_order_and_the_rest_dropped() {
    let mesh = Mesh::new().await;
    // As sent; as echoed.
    let cases = [
        (
            r#"{"healthCheck":{"host":"h","path":"/p","more":1},"domain":"home.example","type":"domain","scheme":"http","source":"odd:source/x","priority":-1.5,"port":"80","ip":"192.0.2.1","extra":1}"#,
            r#"{"ip":"192.0.2.1","port":"80","priority":-1.5,"source":"odd:source/x","scheme":"http","type":"domain","domain":"home.example","healthCheck":{"path":"/p","host":"h"}}"#,
        ),
        (
            r#"{"ip":"2001:db8::1","port":443,"priority":1,"source":"agent","healthCheck":null}"#,
            r#"{"ip":"2001:db8::1","port":443,"priority":1,"source":"agent"}"#,
        ),
        (
            r#"{"ip":"[2001:db8::1]","port":443,"priority":1,"source":"agent","healthCheck":{"host":"h"}}"#,
            r#"{"ip":"[2001:db8::1]","port":443,"priority":1,"source":"agent"}"#,
        ),
        // The seed's form: no source, which follows from the priority.
        (
            r#"{"ip":"192.0.2.1","port":443,"priority":1}"#,
            r#"{"ip":"192.0.2.1","port":443,"priority":1,"source":"agent"}"#,
        ),
        (
            r#"{"ip":"10.77.0.5","port":80,"priority":2}"#,
            r#"{"ip":"10.77.0.5","port":80,"priority":2,"source":"tunnel"}"#,
        ),
        (
            r#"{"ip":"192.0.2.1","port":443,"priority":7}"#,
            r#"{"ip":"192.0.2.1","port":443,"priority":7,"source":"agent"}"#,
        ),
    ];
    for (sent, echoed) in cases {
        // The seed's body is a bare array.
        let (status, answer) = mesh.ask("POST", &mesh.alice, Some(&format!("[{sent}]"))).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(&format!("\"routes\":[{echoed}]")), "{answer}");
        let (_, listed) = mesh.get("/routes/alice").await;
        assert_eq!(listed, format!("{{\"routes\":[{echoed}]}}"));
        mesh.ask("DELETE", &mesh.alice, None).await;
    }
}

#[tokio::test]
async fn a_tunnels_two_schemes_of_one_address_are_two_routes() {
    let mesh = Mesh::new().await;
    let mut https = tunnel("10.77.0.5");
    https["scheme"] = json!("https");
    let both = json!([https, tunnel("10.77.0.5")]);
    assert_eq!(mesh.post(both.clone()).await.1["routes"], both);
    let listed = mesh.get("/routes/alice").await.1;
    assert_eq!(listed.matches("10.77.0.5").count(), 2, "{listed}");
    // The very same twice is one.
    let twice = json!([tunnel("10.77.0.5"), tunnel("10.77.0.5")]);
    assert_eq!(mesh.post(twice).await.1["routes"], json!([tunnel("10.77.0.5")]));
}

#[tokio::test]
async fn where_a_route_may_not_lead_it_is_rejected_with_the_reason() {
    let mesh = Mesh::new().await;
    let metadata = agent("169.254.169.254");
    let (status, body) = mesh.post(json!([metadata])).await;
    assert_eq!((status, &body["error"]), (400, &json!("All routes failed validation")));
    assert_eq!(body["rejected"][0]["ip"], "169.254.169.254");
    assert!(body["rejected"][0]["error"].as_str().unwrap().contains("link-local"), "{body}");
    let (status, body) = mesh.post(json!([metadata, agent("192.0.2.1")])).await;
    assert_eq!((status, &body["routes"]), (200, &json!([agent("192.0.2.1")])));
    assert_eq!(body["rejected"].as_array().unwrap().len(), 1);
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    // A source of which nothing is accepted keeps what it said before.
    let (status, _) = mesh.post(json!([metadata, tunnel("10.77.0.5")])).await;
    assert_eq!(status, 200);
    let listed = mesh.get("/routes/alice").await.1;
    assert!(listed.contains("192.0.2.1") && listed.contains("10.77.0.5"), "{listed}");
    // These tests come over loopback, and so may register it.
    assert_eq!(mesh.post(json!([agent("127.0.0.1")])).await.0, 200);
}

#[tokio::test]
async fn a_call_has_at_most_16_routes() {
    let mesh = Mesh::new().await;
    let routes = |n: usize| {
        let all: Vec<_> = (1..=n).map(|i| agent(&format!("192.0.2.{i}"))).collect();
        Value::Array(all)
    };
    assert_eq!(mesh.post(routes(16)).await.0, 200);
    let (status, body) = mesh.post(routes(17)).await;
    let expected = json!({ "error": "17 routes in one call; at most 16 are taken." });
    assert_eq!((status, body), (400, expected));
}

#[test]
fn what_is_spoken_to_a_route() {
    let cases = [
        (agent("192.0.2.1"), "https 192.0.2.1:443", "https://192.0.2.1:443"),
        (agent("2001:db8::1"), "https [2001:db8::1]:443", "https://[2001:db8::1]:443"),
        (tunnel("10.77.0.5"), "http 10.77.0.5:80", "http://10.77.0.5:80"),
        // A tunnel is plain HTTP inside, whatever its entry says.
        (
            json!({"ip":"10.77.0.5","port":80,"priority":2,"scheme":"https","source":"tunnel"}),
            "https 10.77.0.5:80",
            "http://10.77.0.5:80",
        ),
        (
            json!({"ip":"192.0.2.1","port":443,"priority":1,"source":"agent","type":"domain","domain":"home.example"}),
            "https home.example:443",
            "https://home.example:443?tls=home.example",
        ),
        (
            json!({"ip":"192.0.2.1","port":443,"priority":1,"source":"agent","domain":"home.example"}),
            "https 192.0.2.1:443",
            "https://192.0.2.1:443",
        ),
    ];
    for (entry, path, endpoint) in cases {
        let claim = map::claim_of(&map::route_of(&entry).unwrap()).unwrap();
        assert_eq!((claim.path.as_str(), &*claim.endpoint.to_string()), (path, endpoint));
        assert_eq!(
            map::said_of("agent", &claim).map(|r| serde_json::to_value(r).unwrap()),
            Some(entry)
        );
    }
}
