//! Agents that joined over HTTP, before there was a link.

use super::*;
use crate::tests::server::{Recorded, Reply};

/// How a controller's API is well to an agent with the token `rta_one`.
fn well(asked: &Recorded) -> Reply {
    match (asked.line.as_str(), asked.bearer.as_deref()) {
        ("PUT /v1/agent/routes", Some("rta_one")) => {
            let route = json!({
                "destination": "web.alice.localhost", "endpoint": "http://127.0.0.1:3000",
                "standing": "eligible",
            });
            server::json(200, json!({ "routes": [route], "lease_s": 600, "renew_s": 1 }))
        }
        (line, Some("rta_one")) if line.starts_with("DELETE ") => {
            server::json(200, json!({ "withdrawn": 1 }))
        }
        ("GET /v1/link", None) => server::json(404, json!({ "error": "no link" })),
        _ => server::json(401, json!({ "error": "no" })),
    }
}

/// What the version before left.
fn left_by(url: &str, state: &Path) {
    let stored = json!({
        "version": 1, "controller": url, "pin": null, "user_id": "u1", "name": "alice",
        "domain": "alice.localhost", "agent_token": "rta_one", "loopback": true, "seen": null,
        "spent": "b5a2c96250612366ea272ffac6d9744aaf4b45aacd96aa7cfcb931ee3b558259",
    });
    std::fs::write(state.join("agent-alice.json"), stored.to_string()).unwrap();
}

fn form(state: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(state.join("agent-alice.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["version"].clone()
}

#[tokio::test]
async fn its_key_joins_by_the_agents_token() {
    let ((mut link, mut server), state) = (controller().await, state());
    link.word.lock().unwrap().tokens = vec!["rta_one"];
    left_by(&server.url(), state.path());
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    assert_eq!(link.rest(), [enrols("rta_one"), Event::Up, says("agent", &[WEB_SAID])]);
    assert_eq!(server.rest(), ["GET /v1/link"]);
    assert_eq!(form(state.path()), 2);
    agent.stop().await.unwrap();

    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    let heard = link.rest();
    assert!(!heard.iter().any(|event| matches!(event, Event::Enrols(..))), "{heard:?}");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_link_it_goes_on_over_http_until_there_is_one() {
    let (mut link, state) = (TestLink::start(), state());
    link.word.lock().unwrap().tokens = vec!["rta_one"];
    let (has_link, told) = (Arc::new(AtomicBool::new(false)), link.told());
    let links = has_link.clone();
    let mut server = TestServer::start(move |asked| match asked.line.as_str() {
        "GET /v1/link" if links.load(Ordering::Relaxed) => told(asked),
        _ => well(asked),
    })
    .await;
    left_by(&server.url(), state.path());
    let put = "PUT /v1/agent/routes";
    let config = || config(&server.url(), "rtj_a", state.path(), &[WEB]);
    let mut agent = Running::start(config());
    let status = agent.until_registered().await;
    assert_eq!(status.routes[0].to_string(), "web.alice.localhost -> http://127.0.0.1:3000");
    assert_eq!(form(state.path()), 1, "it may still go back to the version before");
    agent.stop().await.unwrap();
    let mut agent = Running::start(config());
    agent.until(|s| s.n_registrations == 2).await;
    has_link.store(true, Ordering::Relaxed);
    link.until(|event| *event == says("agent", &[WEB_SAID])).await;
    agent.until_registered().await;
    assert_eq!(form(state.path()), 2);
    agent.stop().await.unwrap();
    let asked = server.rest();
    let ask = "GET /v1/link";
    let first = [ask, put, "DELETE /v1/agent/routes?source=agent", ask, put, ask, put, ask];
    assert_eq!(asked[..7], first[..7], "{asked:?}");
    assert_eq!(asked.last().unwrap(), ask, "it withdrew over the link: {asked:?}");
}

#[tokio::test]
async fn where_no_key_can_be_written_it_goes_on_over_http() {
    let (server, state) = (TestServer::start(well).await, state());
    left_by(&server.url(), state.path());
    // What stands in the key's place can be neither read nor replaced.
    std::fs::create_dir(state.path().join("agent-alice.key")).unwrap();
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_that_opens_nothing_ends_it_unless_there_is_a_new_join_token() {
    let ((mut link, server), state) = (controller().await, state());
    link.word.lock().unwrap().tokens = vec!["rtj_b"];
    let refusing = TestServer::start({
        let told = link.told();
        move |asked: &Recorded| match asked.line.as_str() {
            "GET /v1/link" => told(asked),
            _ => server::json(401, json!({})),
        }
    })
    .await;
    drop(server);
    left_by(&refusing.url(), state.path());
    let spent = "rtj_spent";
    let digest = config::JoinUrl::fingerprint(&format!("http://h:1#{spent}").parse().unwrap());
    let text = std::fs::read_to_string(state.path().join("agent-alice.json")).unwrap();
    let text =
        text.replace("b5a2c96250612366ea272ffac6d9744aaf4b45aacd96aa7cfcb931ee3b558259", &digest);
    std::fs::write(state.path().join("agent-alice.json"), text).unwrap();
    let agent = Running::start(super::config(&refusing.url(), spent, state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("join again with a new join token"), "{error}");

    let mut agent = Running::start(super::config(&refusing.url(), "rtj_b", state.path(), &[WEB]));
    agent.until_registered().await;
    let enrolled: Vec<_> =
        link.rest().into_iter().filter(|e| matches!(e, Event::Enrols(..))).collect();
    assert_eq!(enrolled, [enrols("rta_one"), enrols("rta_one"), enrols("rtj_b")]);
    agent.stop().await.unwrap();
}
