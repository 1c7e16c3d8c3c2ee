//! A gateway whose controller is elsewhere has an API of its own: who may ask it, what it says, and
//! that it outlives what becomes of the controller, of its file and of its program.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::heir::Heir;
use crate::support::origin::Origin;
use crate::support::visit::{get, served, visitor};
use crate::support::{PATIENCE, Running, Up, rutter, stderr};

/// What Prometheus has.
const READ: &str = "read-0123456789abcdef";

fn controllers_file(api: &str, link: &str) -> String {
    format!("controller:\nlisteners:\n  api: {api}\n  link: {link}\n")
}

/// The file of a gateway that joins by that line, with a token to read by.
fn gateways_file(dir: &Path, join: &Value, more: &str) -> String {
    let token = dir.join("read.token");
    std::fs::write(&token, format!("{READ}\n")).unwrap();
    format!(
        "gateway: {{name: edge-1, join: '{}', read_token_file: '{}'{more}}}\n\
         listeners: {{api: '127.0.0.1:0', gateway: {{http: '127.0.0.1:0'}}}}\n",
        join.as_str().unwrap(),
        token.display()
    )
}

/// A controller whose addresses stay, and the line by which gateways join it.
fn controller() -> (Up, Value) {
    let up = Up::run(tempfile::tempdir().unwrap(), &controllers_file("127.0.0.1:0", "127.0.0.1:0"));
    let run = up.run_file();
    let of = |key: &str| run[key].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    std::fs::write(up.file(), controllers_file(&of("api"), &of("link"))).unwrap();
    let join = up.json(&["tokens", "join", "--role", "gateway", "--reusable"])["join"].clone();
    (up, join)
}

fn gateway(join: &Value, more: &str) -> Up {
    let dir = tempfile::tempdir().unwrap();
    let file = gateways_file(dir.path(), join, more);
    Up::run(dir, &file)
}

/// The process of a controller that has ended, begun again.
fn again(up: &mut Up) {
    let (data, path) = (up.data.clone(), up.file());
    let (data, path) = (data.to_string_lossy(), path.to_string_lossy());
    up.process = Running::start(&mut rutter(&["run", "--data", &data, "--config", &path]));
    up.process.says("ready");
}

/// Status and body of what its API answers.
async fn ask(gateway: &Up, path: &str, token: Option<&str>) -> (u16, String) {
    let api = gateway.run_file()["api"].as_str().unwrap().to_owned();
    let mut request = visitor(None).get(format!("{api}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Asks until the answer is as wanted.
async fn until(gateway: &Up, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, body) = ask(gateway, path, Some(READ)).await;
        if wanted(status, &body) {
            return body;
        }
        assert!(Instant::now() < until, "{path} never gets there: {status} {body}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_apart_shows_its_table_its_verdicts_and_its_numbers() {
    let origin = Origin::start("page").await;
    let (up, join) = controller();
    let address = origin.address.to_string();
    // Nobody listens on that port.
    let _agent = up.agent("alice", &[&address, "dead=127.0.0.1:1"]);
    let edge = gateway(&join, "");
    assert_eq!(served(edge.gateway(), "alice.localhost").await, (200, "page".to_owned()));

    assert_eq!(ask(&edge, "/readyz", None).await, (200, r#"{"status":"ready"}"#.to_owned()));
    assert_eq!(ask(&edge, "/healthz", None).await.0, 200);
    for (token, status) in [(None, 401), (Some("read-0123456789abcdeF"), 401), (Some(READ), 200)] {
        assert_eq!(ask(&edge, "/metrics", token).await.0, status, "{token:?}");
        assert_eq!(ask(&edge, "/v1/tables", token).await.0, status, "{token:?}");
    }
    assert_eq!(ask(&edge, "/v1/domains", Some(READ)).await.0, 403);
    let metrics = ask(&edge, "/metrics", Some(READ)).await.1;
    for (name, value) in [
        ("rutter_gateway_controller_up", 1),
        ("rutter_gateway_controller_silent_seconds", 0),
        ("rutter_gateway_controller_sessions_lost_total", 0),
        ("rutter_gateway_services_told", 1),
        ("rutter_gateway_routes_kept", 0),
        ("rutter_gateway_answers_total{status=\"2xx\"}", 1),
        ("rutter_table_routes{table=\"gateway/services\"}", 2),
    ] {
        assert_eq!(metric(&metrics, name), value, "{name}");
    }

    // The command finds it by its directory, and a token there.
    let routes = edge.json(&["routes", "list"]);
    assert_eq!(routes[0]["destination"], "alice.localhost");
    assert_eq!(served(edge.gateway(), "dead.alice.localhost").await.0, 502);
    let told = loop {
        let told = edge.text(&["routes", "explain", "dead.alice.localhost"]);
        if told.contains("seen by gateway/edge-1") {
            break told;
        }
        // One failure more.
        get(edge.gateway(), "dead.alice.localhost").await;
    };
    assert!(told.contains("gateway/services"), "{told}");
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(edge.data.join("admin.token")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let elsewhere = edge.command(&["domains", "list"]);
    assert!(!elsewhere.status.success());
    let (told, api) = (stderr(&elsewhere), up.run_file()["api"].as_str().unwrap().to_owned());
    assert!(told.contains("this is a gateway") && told.contains(&api), "{told}");

    // Another token in the file, and a reload.
    std::fs::write(edge.path().join("read.token"), "short").unwrap();
    let refused = edge.command(&["reload"]);
    assert!(stderr(&refused).contains("16 to 256 visible characters"), "{}", stderr(&refused));
    assert_eq!(ask(&edge, "/metrics", Some(READ)).await.0, 200);
    std::fs::write(edge.path().join("read.token"), "another-0123456789abcdef\n").unwrap();
    edge.text(&["reload"]);
    assert_eq!(ask(&edge, "/metrics", Some(READ)).await.0, 401);
    assert_eq!(ask(&edge, "/metrics", Some("another-0123456789abcdef")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_of_a_gateway_apart_follows_what_it_was_told_and_not_the_link() {
    let (mut up, join) = controller();
    assert!(up.process.terminate().success());
    // It has never joined, and there is nobody to join.
    let edge = gateway(&join, "");
    let (status, told) = ask(&edge, "/readyz", None).await;
    assert_eq!(status, 503);
    assert!(told.contains("waiting for services (the controller has been away for"), "{told}");
    assert_eq!(ask(&edge, "/healthz", None).await.0, 200);
    let metrics = ask(&edge, "/metrics", Some(READ)).await.1;
    assert_eq!(metric(&metrics, "rutter_gateway_services_told"), 0);
    assert_eq!(metric(&metrics, "rutter_gateway_routes_kept"), 0);

    again(&mut up);
    until(&edge, "/readyz", |status, body| status == 200 && !body.contains("notes")).await;

    // What it was told it keeps, so it may be sent traffic.
    up.process.kill();
    let told = until(&edge, "/readyz", |_, body| body.contains("notes")).await;
    assert_eq!(ask(&edge, "/readyz", None).await.0, 200);
    assert!(told.contains("its routes are kept for"), "{told}");
    let metrics = ask(&edge, "/metrics", Some(READ)).await.1;
    assert_eq!(metric(&metrics, "rutter_gateway_controller_up"), 0);
    assert_eq!(metric(&metrics, "rutter_gateway_controller_sessions_lost_total"), 1);
    assert_eq!(metric(&metrics, "rutter_gateway_routes_kept"), 1);

    again(&mut up);
    until(&edge, "/readyz", |status, body| status == 200 && !body.contains("notes")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_of_a_gateway_apart_keeps_its_api_and_a_failed_one_too() {
    let origin = Origin::start("page").await;
    let (mut up, join) = controller();
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    let mut edge = gateway(&join, "");
    assert_eq!(served(edge.gateway(), "alice.localhost").await.0, 200);
    let before = edge.run_file();
    let token = std::fs::read_to_string(edge.data.join("admin.token")).unwrap();

    edge.text(&["upgrade"]);
    let heir = Heir::of(&edge);
    assert!(edge.process.end().success(), "{}", edge.process.said());
    assert_eq!(edge.run_file()["api"], before["api"]);
    assert_ne!(edge.run_file()["pid"], before["pid"]);
    assert_eq!(ask(&edge, "/readyz", None).await.0, 200);
    assert_eq!(ask(&edge, "/metrics", Some(token.trim())).await.0, 200);
    assert_eq!(edge.json(&["routes", "list"]).as_array().unwrap().len(), 1);

    // Without its controller a new process would know nothing: the old one goes on, its API too.
    up.process.kill();
    let after = edge.run_file();
    let failed = edge.command(&["upgrade"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("the routes would be lost"), "{}", stderr(&failed));
    assert_eq!(edge.run_file()["pid"], after["pid"]);
    assert_eq!(ask(&edge, "/readyz", None).await.0, 200);
    assert_eq!(get(edge.gateway(), "alice.localhost").await, (200, "page".to_owned()));
    heir.end();
}

#[test]
fn the_command_trusts_the_own_ca_of_a_gateway_apart() {
    let (_up, join) = controller();
    let file = format!(
        "gateway: {{join: '{}'}}\nlisteners:\n  api: {{address: '127.0.0.1:0', tls: own}}\n  \
         gateway: {{http: '127.0.0.1:0'}}\n",
        join.as_str().unwrap()
    );
    let edge = Up::run(tempfile::tempdir().unwrap(), &file);
    assert!(edge.run_file()["api"].as_str().unwrap().starts_with("https://"));
    assert_eq!(edge.json(&["routes", "list"]), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_apart_that_drains_says_so_first() {
    let (up, join) = controller();
    let mut edge = gateway(&join, ", limits: {drain_delay: 3s}");
    assert_eq!(ask(&edge, "/readyz", None).await.0, 200);
    edge.process.signal("-TERM");
    let told = until(&edge, "/readyz", |status, _| status == 503).await;
    assert!(told.contains("waiting for gateway"), "{told}");
    assert_eq!(get(edge.gateway(), "nobody.localhost").await.0, 404, "it still accepts");
    assert!(edge.process.end().success());
    assert!(!edge.data.join("run.json").exists());
    drop(up);
}
