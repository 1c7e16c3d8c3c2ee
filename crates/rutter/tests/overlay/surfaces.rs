//! n-netman's health endpoints and metrics, at its own addresses.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::host::{Host, Says};
use crate::scene::{Place, Scene};

/// Status line, content type and body of an answer.
fn get(place: &Place, port: u16, path: &str) -> (String, String, String) {
    let answer = place.inside.enter(|| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().to_owned();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    (status, kind.unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn health_and_metrics_answer_where_n_netman_does() {
    let Some(scene) = Scene::new(2) else { return };
    let host = Host::start(scene.place(1), Says::of(1, 2));
    let _other = Host::start(scene.place(2), Says::of(2, 2));
    host.learns(&["172.16.20.0/24"]);
    host.sees(2, "there");
    let place = scene.place(1);
    let (status, kind, body) = get(place, 9110, "/healthz");
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", r#"{"status": "healthy"}"#));
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert_eq!(get(place, 9110, "/readyz").2, r#"{"status": "ready"}"#);
    assert!(get(place, 9110, "/livez").2.starts_with(r#"{"status": "alive", "uptime_seconds": "#));
    let (_, kind, body) = get(place, 9110, "/status");
    assert_eq!(kind, "application/json");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["node_id"], "host-1");
    assert_eq!(told["peers"]["host-2"]["status"], "healthy");
    assert_eq!(told["peers"]["host-2"]["routes"], 1);
    assert_eq!(told["routes"], serde_json::json!({ "exported": 1, "installed": 1 }));
    let (_, _, text) = get(place, 9109, "/metrics");
    for line in [
        "nnetman_peers_healthy 1",
        "nnetman_routes_imported 1",
        "nnetman_reconciliation_errors_total 0",
        "rutter_kernel_routes{table=\"100\"} 1",
        "rutter_table_routes{table=\"overlay/100\"} 2",
    ] {
        assert!(text.lines().any(|told| told == line), "no `{line}` in:\n{text}");
    }
}
