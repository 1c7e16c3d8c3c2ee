//! Looking at tables.

use super::*;

/// An agent with routes: one service of each name, at that port of 192.0.2.1.
async fn serving(api: &Api, name: &str, ports: &[u16]) -> String {
    let token = api.agent(name).await;
    let routes: Vec<_> = ports
        .iter()
        .map(|port| json!({ "endpoint": format!("http://192.0.2.1:{port}"), "priority": port }))
        .collect();
    let body = json!({ "routes": routes }).to_string();
    let (status, answer) = api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
    token
}

#[tokio::test]
async fn tables_of_all_books_are_listed() {
    let api = Api::new().await;
    serving(&api, "alice", &[80, 81]).await;
    let (_, answer) = api.admin("GET", "/v1/tables", Value::Null).await;
    let tables = answer["tables"].as_array().unwrap();
    let brief: Vec<_> = tables
        .iter()
        .map(|t| {
            (
                t["name"].as_str().unwrap(),
                t["kind"].as_str().unwrap(),
                t["counts"]["routes"].clone(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [("services", "service", json!(2)), ("gateway/services", "service", json!(0))]
    );
    // A name with a `/` is one segment of the path.
    let path = "/v1/tables/gateway%2Fservices/routes";
    assert_eq!(api.admin("GET", path, Value::Null).await, (200, json!({ "routes": [] })));
}

#[tokio::test]
async fn routes_come_in_pages_by_destination_and_rank() {
    let api = Api::new().await;
    for name in ["alice", "bob", "carol"] {
        serving(&api, name, &[81, 80]).await;
    }
    let page = async |query: &str| {
        let path = format!("/v1/tables/services/routes{query}");
        let (status, answer) = api.admin("GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let routes = answer["routes"].as_array().unwrap().clone();
        let lines: Vec<_> = routes
            .iter()
            .map(|r| {
                let text = |field: &str| r[field].as_str().unwrap().to_owned();
                let (to, path, standing) = (text("destination"), text("path"), text("standing"));
                format!("{to} {path} {standing} {} {}", r["rank"], r["best"])
            })
            .collect();
        (lines, answer["next"].clone())
    };
    let alice = [
        "alice.nsl.sh http 192.0.2.1:80 eligible 1 true",
        "alice.nsl.sh http 192.0.2.1:81 eligible 2 false",
    ];
    let (lines, next) = page("?limit=1").await;
    assert_eq!((lines, next), (alice.map(str::to_owned).to_vec(), json!("alice.nsl.sh")));
    let (lines, next) = page("?limit=2&after=alice.nsl.sh").await;
    assert_eq!((lines.len(), next), (4, json!("carol.nsl.sh")));
    assert_eq!(page("?after=carol.nsl.sh").await, (vec![], Value::Null));
    assert_eq!(page("?destination=bob.nsl.sh").await.0.len(), 2);
    assert_eq!(page("?destination=nobody.nsl.sh").await.0.len(), 0);
    let (_, all) = api.admin("GET", "/v1/tables/services/routes", Value::Null).await;
    let source = all["routes"][0]["source"].as_str().unwrap();
    let (lines, _) = page(&format!("?source={source}")).await;
    assert_eq!(lines, alice);
    assert_eq!(all["routes"][0]["attributes"]["next_hop"], "http://192.0.2.1:80");
}

#[tokio::test]
async fn an_explanation_names_candidates_and_what_happened() {
    let api = Api::new().await;
    let token = serving(&api, "alice", &[80, 81]).await;
    let explain = async || {
        let path = "/v1/tables/services/routes/explain?destination=alice.nsl.sh";
        let (status, told) = api.admin("GET", path, Value::Null).await;
        assert_eq!((status, &told["table"]), (200, &json!("services")), "{told}");
        told
    };
    let told = explain().await;
    let candidates = told["candidates"].as_array().unwrap();
    assert_eq!(candidates[0]["rank"], 1);
    assert_eq!(candidates[1]["lost_by"]["criterion"], "priority", "{told}");
    let body = json!({ "routes": [{ "endpoint": "http://192.0.2.1:81", "priority": 81 }] });
    api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body.to_string())).await;
    let told = explain().await;
    let moved = |e: &Value| e["moved"]["to"]["path"] == "http 192.0.2.1:81";
    assert!(told["events"].as_array().unwrap().iter().any(moved), "{told}");
}

#[tokio::test]
async fn what_is_not_there_or_not_meant_is_said() {
    let api = Api::new().await;
    let cases = [
        ("/v1/tables/none/routes", 404, "services, gateway/services"),
        ("/v1/tables/none/watch", 404, "services"),
        ("/v1/tables/services/routes?source=alice", 400, "source"),
        ("/v1/tables/services/routes?destination=a..b", 400, "destination"),
        ("/v1/tables/services/routes?limit=-1", 400, "limit"),
        ("/v1/tables/services/routes/explain", 400, "destination"),
        ("/v1/tables/services/routes/explain?destination=nobody.nsl.sh", 404, "nobody.nsl.sh"),
    ];
    for (path, status, says) in cases {
        let (found, answer) = api.admin("GET", path, Value::Null).await;
        assert_eq!(found, status, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{path}: {answer}");
    }
}

#[tokio::test]
async fn metrics_say_how_full_tables_are_and_what_was_refused() {
    let api = Api::new().await;
    let token = serving(&api, "alice", &[80, 81]).await;
    let body = json!({ "routes": [{ "endpoint": "http://169.254.169.254:80" }] }).to_string();
    let refused = api.ask("PUT", "/v1/agent/routes", Some(&token), Some(&body)).await;
    assert_eq!(refused.0, 422);
    let url = format!("{}/metrics", api.served.url);
    let response = api.client.get(url).bearer_auth(&api.admin).send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().contains("openmetrics-text"));
    let text = response.text().await.unwrap();
    for line in [
        r#"rutter_table_routes{table="services"} 2"#,
        r#"rutter_table_routes{table="gateway/services"} 0"#,
        r#"rutter_table_destinations{table="services"} 1"#,
        r#"rutter_refusals_total{reason="address_link_local"} 1"#,
        "rutter_users 1",
        "rutter_leases 1",
        r#"rutter_http_requests_total{listener="api",method="PUT",path="/v1/agent/routes",status="422"} 1"#,
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn odd_requests_add_no_labels() {
    let api = Api::new().await;
    for i in 0..20 {
        api.ask("GET", &format!("/odd/{i}"), None, None).await;
        api.ask(&format!("ODD{i}"), "/healthz", None, None).await;
    }
    let url = format!("{}/metrics", api.served.url);
    let response = api.client.get(url).bearer_auth(&api.admin).send().await.unwrap();
    let text = response.text().await.unwrap();
    let n_lines = text.lines().filter(|l| l.starts_with("rutter_http_requests_total")).count();
    assert_eq!(n_lines, 2, "{text}");
}
