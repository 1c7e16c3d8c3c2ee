use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rutter_link::Backoff;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::tests::running::Running;
use crate::tests::server::{self, Recorded, Reply, TestServer};
use crate::tests::stun_responder::{Responder, config as stun_config};
use crate::{Agent, AgentConfig, AgentError, Pacing, Phase};

const WEB: &str = "web=127.0.0.1:3000,health=/healthz";

/// How a controller that is well answers.
fn well(asked: &Recorded) -> Reply {
    match asked.line.as_str() {
        "POST /v1/join" => server::json(200, joined("rta_one", true)),
        "PUT /v1/agent/routes" => server::json(200, registered(asked, 300)),
        _ => server::json(200, json!({ "withdrawn": 1 })),
    }
}

fn joined(agent_token: &str, loopback: bool) -> Value {
    let address = if loopback { "as text" } else { "192.0.2.9:5000" };
    json!({
        "user_id": "u1", "name": "alice", "domain": "alice.localhost",
        "server_domain": "localhost", "agent_token": agent_token, "lease_s": 600,
        "renew_s": 300, "address": address, "loopback": loopback, "more": "of a later version",
    })
}

fn registered(asked: &Recorded, renew_s: u64) -> Value {
    let route = |route: &Value| {
        let name = route.get("service").and_then(Value::as_str);
        let destination = name.map_or("alice.localhost".into(), |n| format!("{n}.alice.localhost"));
        json!({ "destination": destination, "endpoint": route["endpoint"], "standing": "eligible" })
    };
    let routes: Vec<_> = asked.body["routes"].as_array().unwrap().iter().map(route).collect();
    json!({ "routes": routes, "lease_s": 600, "renew_s": renew_s })
}

fn config(url: &str, token: &str, state: &Path, services: &[&str]) -> AgentConfig {
    let mut config = AgentConfig::join(JoinConfig {
        url: format!("{url}#{token}").parse().unwrap(),
        name: "alice".parse().unwrap(),
        services: services.iter().map(|s| s.parse().unwrap()).collect(),
        address: None,
        state_dir: state.to_owned(),
    });
    config.pacing = Pacing {
        backoff: Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(20) },
        ..Pacing::default()
    };
    // No test may ask a server on the network.
    config.stun.servers.clear();
    config
}

fn state() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn it_joins_then_registers_then_withdraws() {
    let (mut server, state) = (TestServer::start(well).await, state());
    let directory = state.path().join("made/for/it");
    let mut agent = Running::start(config(&server.url(), "rtj_a", &directory, &[WEB]));
    let status = agent.until_registered().await;
    assert_eq!(status.routes[0].to_string(), "web.alice.localhost -> http://127.0.0.1:3000");
    assert!(status.next.is_some() && status.last_error.is_none());

    let join = server.next().await;
    assert_eq!(join.line, "POST /v1/join");
    assert_eq!(join.bearer.as_deref(), Some("rtj_a"));
    assert_eq!(join.body, json!({ "name": "alice" }));
    let put = server.next().await;
    assert_eq!(put.line, "PUT /v1/agent/routes");
    assert_eq!(put.bearer.as_deref(), Some("rta_one"));
    let route = json!({
        "service": "web", "endpoint": "http://127.0.0.1:3000", "priority": 1,
        "health_check": { "path": "/healthz" },
    });
    assert_eq!(put.body, json!({ "source": "agent", "routes": [route] }));

    let file = directory.join("agent-alice.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&directory)), (0o600, 0o700));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");

    agent.stop().await.unwrap();
    let delete = server.next().await;
    assert_eq!(delete.line, "DELETE /v1/agent/routes?source=agent");
    assert_eq!(delete.bearer.as_deref(), Some("rta_one"));
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn a_restart_does_not_join_again() {
    let (mut server, state) = (TestServer::start(well).await, state());
    for expected in [vec!["POST /v1/join", "PUT /v1/agent/routes"], vec!["PUT /v1/agent/routes"]] {
        let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
        agent.until_registered().await;
        assert_eq!(server.rest(), expected);
        agent.stop().await.unwrap();
        server.next().await;
    }
}

#[tokio::test]
async fn routes_are_renewed() {
    let mut server = TestServer::start(|asked| match asked.line.as_str() {
        "PUT /v1/agent/routes" => server::json(200, registered(asked, 1)),
        _ => well(asked),
    })
    .await;
    let state = state();
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until(|s| s.n_registrations == 3).await;
    agent.stop().await.unwrap();
    let lines = server.rest();
    let n_puts = lines.iter().filter(|l| l.starts_with("PUT")).count();
    assert_eq!((n_puts, lines[0].as_str()), (3, "POST /v1/join"));
}

#[tokio::test]
async fn a_lease_is_renewed_before_it_is_half_over() {
    let server = TestServer::start(|asked| match asked.line.as_str() {
        "PUT /v1/agent/routes" => {
            let mut answer = registered(asked, 3000);
            answer["lease_s"] = json!(2);
            server::json(200, answer)
        }
        _ => well(asked),
    })
    .await;
    let state = state();
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until(|s| s.n_registrations == 2).await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn server_errors_are_outlived() {
    let n_puts = AtomicUsize::new(0);
    let mut server = TestServer::start(move |asked| {
        let put = asked.line.starts_with("PUT");
        match put && n_puts.fetch_add(1, Ordering::Relaxed) < 3 {
            true => server::json(500, json!({ "error": "disk full", "code": "storage" })),
            false => well(asked),
        }
    })
    .await;
    let state = state();
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    let failing = agent.until(|s| s.phase == Phase::Retrying).await;
    assert!(failing.last_error.unwrap().contains("with 500 (`disk full`)"));
    let status = agent.until_registered().await;
    assert_eq!((status.n_failures, status.last_error), (0, None));
    let put = "PUT /v1/agent/routes";
    assert_eq!(server.rest(), ["POST /v1/join", put, put, put, put], "it joined once");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn each_source_is_registered_and_withdrawn_apart() {
    let (mut server, state) = (TestServer::start(well).await, state());
    let services = [WEB, "10.0.0.7:80,source=tunnel"];
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &services));
    let status = agent.until_registered().await;
    assert_eq!(status.routes.len(), 2);
    server.next().await;
    assert_eq!(server.next().await.body["source"], "agent");
    let tunnel = json!([{ "endpoint": "http://10.0.0.7:80", "priority": 2 }]);
    let put = server.next().await;
    assert_eq!(put.body, json!({ "source": "tunnel", "routes": tunnel }));
    agent.stop().await.unwrap();
    let delete = "DELETE /v1/agent/routes?source=";
    assert_eq!(server.rest(), [format!("{delete}agent"), format!("{delete}tunnel")]);
}

#[tokio::test]
async fn a_refused_join_ends_with_what_to_do() {
    let cases = [
        (401, "make a new one"),
        (409, "choose another with --name"),
        (422, "choose another with --name"),
        (404, "not the API that was expected"),
    ];
    for (status, advice) in cases {
        let mut server =
            TestServer::start(move |_| server::json(status, json!({ "error": "no" }))).await;
        let state = state();
        let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
        let error = agent.ended().await.unwrap_err().to_string();
        assert!(error.contains(advice) && error.contains(&status.to_string()), "{error}");
        assert_eq!(server.rest(), ["POST /v1/join"]);
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_told_so() {
    let n = AtomicUsize::new(0);
    let server = TestServer::start(move |_| match n.fetch_add(1, Ordering::Relaxed) {
        0 => (200, "{".into()),
        _ => server::json(401, json!({})),
    })
    .await;
    let state = state();
    let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("an earlier attempt's answer was lost"), "{error}");
}

#[tokio::test]
async fn a_new_join_token_replaces_a_refused_identity() {
    let knows = |token: &'static str| {
        move |asked: &Recorded| match (asked.line.as_str(), asked.bearer.as_deref()) {
            ("POST /v1/join", _) => server::json(200, joined(token, true)),
            (_, Some(bearer)) if bearer == token => well(asked),
            _ => server::json(401, json!({})),
        }
    };
    let state = state();
    // One server, whose answers change as a controller with a new data directory's would.
    let fresh = std::sync::Arc::new(AtomicUsize::new(0));
    let era = fresh.clone();
    let mut server = TestServer::start(move |asked| match era.load(Ordering::Relaxed) {
        0 => knows("rta_one")(asked),
        _ => knows("rta_two")(asked),
    })
    .await;
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    server.rest();
    fresh.store(1, Ordering::Relaxed);

    let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("join again with a new join token"), "{error}");
    assert_eq!(server.rest(), ["PUT /v1/agent/routes"], "a spent token is not sent again");

    let mut agent = Running::start(config(&server.url(), "rtj_b", state.path(), &[WEB]));
    agent.until_registered().await;
    let put = "PUT /v1/agent/routes";
    assert_eq!(server.rest(), [put, "POST /v1/join", put]);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn an_identity_is_not_shown_to_another_controller() {
    let (mut first, mut second) = (TestServer::start(well).await, TestServer::start(well).await);
    let state = state();
    for server in [&mut first, &mut second] {
        let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
        agent.until_registered().await;
        assert_eq!(server.next().await.line, "POST /v1/join");
        agent.stop().await.unwrap();
    }
}

/// What was registered for a direct and a tunnel's service, where the controller isn't on loopback.
async fn registered_far_away(change: impl FnOnce(&mut AgentConfig)) -> Result<Vec<String>, String> {
    let server = TestServer::start(|asked| match asked.line.as_str() {
        "POST /v1/join" => server::json(200, joined("rta_one", false)),
        _ => well(asked),
    })
    .await;
    let state = state();
    let services = ["web=127.0.0.1:3000", "10.0.0.7:80,source=tunnel"];
    let mut config = config(&server.url(), "rtj_a", state.path(), &services);
    change(&mut config);
    let mut agent = Running::start(config);
    let status = agent.until(|s| s.phase != Phase::Starting).await;
    agent.stop().await.unwrap();
    match status.last_error {
        Some(error) => Err(error),
        None => Ok(status.routes.iter().map(|r| r.endpoint.to_string()).collect()),
    }
}

#[tokio::test]
async fn far_from_the_controller_the_hosts_address_is_registered() {
    let responder = Responder::honest("203.0.113.5").await;
    let stun = stun_config(&[&responder]);
    let by_stun = registered_far_away(|c| c.stun = stun.clone()).await.unwrap();
    assert_eq!(by_stun, ["http://203.0.113.5:3000", "http://10.0.0.7:80"]);

    let given = registered_far_away(|c| {
        c.stun = stun.clone();
        let crate::Mode::Join(join) = &mut c.mode else { panic!("it joins") };
        join.address = Some("home.example.com".parse().unwrap());
    });
    assert_eq!(given.await.unwrap(), ["http://home.example.com:3000", "http://10.0.0.7:80"]);

    let seen = registered_far_away(|c| c.stun.servers.clear()).await.unwrap();
    assert_eq!(seen, ["http://192.0.2.9:3000", "http://10.0.0.7:80"], "as the controller saw it");
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_spends_no_token() {
    let (mut server, state) = (TestServer::start(well).await, state());
    let file = state.path().join("file");
    std::fs::write(&file, "").unwrap();
    let agent = Running::start(config(&server.url(), "rtj_a", &file.join("below"), &[WEB]));
    let error = agent.ended().await.unwrap_err();
    assert!(matches!(error, AgentError::State { .. }), "{error}");
    assert!(error.to_string().contains("name a state directory"), "{error}");
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn an_identity_that_cannot_be_stored_is_used_and_stored_later() {
    let state = state();
    let directory = state.path().join("state");
    let (lost, n_puts) = (directory.clone(), AtomicUsize::new(0));
    let mut server = TestServer::start(move |asked| match asked.line.as_str() {
        "POST /v1/join" => {
            std::fs::remove_dir(&lost).unwrap();
            well(asked)
        }
        "PUT /v1/agent/routes" => {
            if n_puts.fetch_add(1, Ordering::Relaxed) == 0 {
                assert!(!lost.exists());
                std::fs::create_dir(&lost).unwrap();
            }
            server::json(200, registered(asked, 1))
        }
        _ => well(asked),
    })
    .await;
    let mut agent = Running::start(config(&server.url(), "rtj_a", &directory, &[WEB]));
    agent.until(|s| s.n_registrations == 2).await;
    assert!(directory.join("agent-alice.json").exists());
    agent.stop().await.unwrap();
    assert_eq!(server.next().await.line, "POST /v1/join");
    assert!(server.rest().iter().all(|line| !line.starts_with("POST")));
}

#[test]
fn join_urls_are_parsed() {
    let pin = "ab".repeat(32);
    let full: JoinUrl = format!("https://[2001:db8::1]:7070#rtj_x-Y_9.{pin}").parse().unwrap();
    assert_eq!(full.controller.to_string(), "https://[2001:db8::1]:7070");
    assert_eq!(full.token.reveal(), "rtj_x-Y_9");
    assert_eq!(full.pin.unwrap().to_string(), pin);
    let plain: JoinUrl = "http://127.0.0.1:7070/#rtj_x".parse().unwrap();
    assert_eq!((plain.controller.to_string().as_str(), plain.pin), ("http://127.0.0.1:7070", None));
    let cases = [
        ("http://h:1", "`#TOKEN` is missing"),
        ("ftp://h:1#rtj_CANARY", "http or https"),
        ("http://u:CANARY@h:1#rtj_x", "refused"),
        ("http://h:1#CANARY", "begins with `rtj_`"),
        ("http://h:1#rtj_", "after `rtj_`"),
        ("http://h:1#rtj_CANARY!", "after `rtj_`"),
        ("https://h:1#rtj_CANARY.beef", "64 hexadecimal"),
        (&format!("http://h:1#rtj_CANARY.{pin}"), "for https"),
    ];
    for (text, why) in cases {
        let error = text.parse::<JoinUrl>().unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains("CANARY"), "{error}");
    }
}

#[test]
fn an_agent_without_services_is_refused() {
    let error = Agent::new(config("http://127.0.0.1:1", "rtj_a", Path::new("/x"), &[]));
    assert!(matches!(error, Err(AgentError::Services(_))));
}
