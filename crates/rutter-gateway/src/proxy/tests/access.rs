//! The access log beside what clients and origins saw.

use std::path::Path;

use serde_json::Value;
use tokio::net::TcpStream;

use crate::access::{AccessLogConfig, AccessLogFormat};
use crate::config::ListenerConfig;
use crate::testing::{
    Act, Authority, Origin, RawClient, TestGateway, any_port, config, get, refused, route, until,
    with_body,
};

/// The lines of a log, as soon as there are so many.
async fn lines(file: &Path, n: usize) -> Vec<Value> {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    until("lines in the log", || read().lines().count() >= n).await;
    let text = read();
    assert_eq!(text.lines().count(), n, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn logging(file: &Path) -> TestGateway {
    let mut config = config();
    let format = AccessLogFormat::Json;
    config.access_log = Some(AccessLogConfig { file: Some(file.to_owned()), format });
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    TestGateway::start(config).await
}

#[tokio::test]
async fn each_request_leaves_one_line_that_agrees_with_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let origin = Origin::start(|m| match m.start_line().contains("/close") {
        true => Act::Close,
        false => Act::Ok("fine".to_owned()),
    })
    .await;
    let mut gateway = logging(&file).await;
    let routes = vec![route("agent/alice", refused().await), route("tunnel/alice", origin.address)];
    gateway.set("alice.nsl.sh", routes).await;
    let cases: Vec<(String, u16, Option<&str>, bool)> = vec![
        (with_body("POST", "/a?q=1", "body"), 200, None, true),
        (get("/close").replace("GET", "POST"), 502, Some("BACKEND_FAILED"), true),
        (get("/").replace("alice", "nobody"), 404, Some("UNKNOWN_HOST"), false),
        (get(&format!("/{}", "x".repeat(9000))), 414, Some("TARGET_TOO_LONG"), false),
        ("GET / HTTP/1.1\r\nHost: a\r\nB : c\r\n\r\n".to_owned(), 400, Some("BAD_REQUEST"), false),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)),
            431,
            Some("BAD_REQUEST"),
            false,
        ),
    ];
    for (n, (request, status, code, sent)) in cases.iter().enumerate() {
        let answer = gateway.ask(request).await;
        assert_eq!(answer.status(), *status, "case {n}");
        let by_hyper = *code == Some("BAD_REQUEST");
        assert_eq!(answer.header("x-rutter-error"), code.filter(|_| !by_hyper), "case {n}");
        let line = lines(&file, n + 1).await.pop().unwrap();
        assert_eq!(line["status"], *status, "case {n}: {line}");
        assert_eq!(line["error"], code.map_or(Value::Null, Value::from), "case {n}: {line}");
        assert_eq!(line["sent_upstream"], *sent, "case {n}: {line}");
    }
    let all = lines(&file, cases.len()).await;
    let n_sent = all.iter().filter(|line| line["sent_upstream"] == true).count();
    assert_eq!(n_sent, origin.seen().len());
    let first = &all[0];
    assert_eq!((&first["method"], &first["path"]), (&"POST".into(), &"/a?q=1".into()));
    assert_eq!((&first["bytes_in"], &first["bytes_out"]), (&4.into(), &4.into()));
    assert_eq!(first["tried"], serde_json::json!(["agent", "tunnel"]));
    assert!(first["served"].as_str().unwrap().starts_with("tunnel/alice"), "{first}");
    assert_eq!((&first["host"], &first["complete"]), (&"alice.nsl.sh".into(), &true.into()));
    assert!(first["upstream_time"].as_f64() <= first["duration"].as_f64());
}

#[tokio::test]
async fn the_log_names_the_client_behind_a_trusted_proxy_and_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let origin = Origin::named("direct").await;
    let mut gateway = logging(&file).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let request = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nX-Request-ID: my-id.1\r\n\
                   X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.header("x-request-id"), Some("my-id.1"));
    let line = lines(&file, 1).await.pop().unwrap();
    assert_eq!((&line["client"], &line["request_id"]), (&"198.51.100.7".into(), &"my-id.1".into()));
    let seen = &origin.seen()[0];
    assert_eq!(seen.header("x-forwarded-for"), Some("6.6.6.6, 198.51.100.7, 127.0.0.1"));
    assert_eq!(seen.header("x-real-ip"), Some("198.51.100.7"));
}

#[tokio::test]
async fn who_goes_away_before_the_answer_is_in_the_log_with_499() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let origin = Origin::start(|_| Act::Hang).await;
    let mut gateway = logging(&file).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    client.send(get("/slow")).await;
    origin.got(1).await;
    drop(client);
    let line = lines(&file, 1).await.pop().unwrap();
    assert_eq!((&line["status"], &line["sent_upstream"]), (&499.into(), &true.into()), "{line}");
}

#[tokio::test]
async fn the_log_has_the_name_of_the_tls_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let (file, authority) = (directory.path().join("access.log"), Authority::new("test"));
    let origin = Origin::named("direct").await;
    let mut config = config();
    let format = AccessLogFormat::Json;
    config.access_log = Some(AccessLogConfig { file: Some(file.clone()), format });
    let files = authority.sign(&["alice.nsl.sh", "bob.nsl.sh"]).write(directory.path());
    config.listeners.push(ListenerConfig::tls(any_port(), files));
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;

    gateway.ask(&get("/plain")).await;
    let https = gateway.server.addresses()[1];
    // Not the host that is asked for: that is another field.
    let name = "bob.nsl.sh".try_into().unwrap();
    let stream = TcpStream::connect(https).await.unwrap();
    let mut client = RawClient::new(authority.connector().connect(name, stream).await.unwrap());
    client.ask(&get("/1")).await;
    client.ask(&get("/again")).await;
    let lines = lines(&file, 3).await;
    let named = |n: usize| (&lines[n]["path"], &lines[n]["tls_server_name"], &lines[n]["host"]);
    let (alice, bob) = (&Value::from("alice.nsl.sh"), &Value::from("bob.nsl.sh"));
    assert_eq!(named(0), (&"/plain".into(), &Value::Null, alice));
    assert!(lines[0].as_object().unwrap().contains_key("tls_server_name"));
    assert_eq!(named(1), (&"/1".into(), bob, alice));
    assert_eq!(named(2), (&"/again".into(), bob, alice));
}
