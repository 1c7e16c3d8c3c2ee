use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rutter_link::{Backoff, Refusal, RefusalCode};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::tests::link::{Event, TestLink};
use crate::tests::running::Running;
use crate::tests::server::{self, TestServer};
use crate::{Agent, AgentConfig, AgentError, Pacing, Phase};

mod by_http;

const WEB: &str = "web=127.0.0.1:3000,health=/healthz";
/// How the link hears of it.
const WEB_SAID: &str = "web.alice.localhost http 127.0.0.1:3000 http://127.0.0.1:3000 1 /healthz";

fn config(url: &str, token: &str, state: &Path, services: &[&str]) -> AgentConfig {
    let mut config = AgentConfig::join(JoinConfig {
        url: format!("{url}#{token}").parse().unwrap(),
        name: "alice".parse().unwrap(),
        services: services.iter().map(|s| s.parse().unwrap()).collect(),
        address: None,
        state_dir: state.to_owned(),
    });
    config.pacing = Pacing {
        backoff: Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(50) },
        ..Pacing::default()
    };
    // No test may ask a server on the network.
    config.stun.servers.clear();
    config
}

fn state() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn controller() -> (TestLink, TestServer) {
    let link = TestLink::start();
    let server = TestServer::start(link.told()).await;
    (link, server)
}

fn enrols(token: &str) -> Event {
    Event::Enrols(token.into(), "alice".into(), "agent".into())
}

fn says(source: &str, routes: &[&str]) -> Event {
    Event::Says(source.into(), routes.iter().map(|route| (*route).to_owned()).collect())
}

#[tokio::test]
async fn it_joins_then_registers_then_withdraws() {
    let ((mut link, mut server), state) = (controller().await, state());
    let directory = state.path().join("made/for/it");
    let mut agent = Running::start(config(&server.url(), "rtj_a", &directory, &[WEB]));
    let status = agent.until_registered().await;
    assert_eq!(status.routes[0].to_string(), "web.alice.localhost -> http://127.0.0.1:3000");
    assert!(status.next.is_some() && status.last_error.is_none());
    assert_eq!(server.rest(), ["GET /v1/link"], "all else goes over the link");
    assert_eq!(link.rest(), [enrols("rtj_a"), Event::Up, says("agent", &[WEB_SAID])]);

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in ["agent-alice.json", "agent-alice.key"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2, "nothing is left beside them");

    agent.stop().await.unwrap();
    assert_eq!(link.next().await, says("agent", &[]));
    assert_eq!(link.next().await, Event::Ended { goodbye: true });
}

#[tokio::test]
async fn a_restart_does_not_join_again_and_needs_the_link_alone() {
    let ((mut link, mut server), state) = (controller().await, state());
    let url = server.url();
    let mut agent = Running::start(config(&url, "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    link.until(|event| matches!(event, Event::Ended { .. })).await;
    assert_eq!(server.rest().len(), 1);
    drop(server);
    let mut agent = Running::start(config(&url, "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    assert_eq!(link.rest(), [Event::Up, says("agent", &[WEB_SAID])]);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn routes_are_renewed_before_a_lease_is_half_over() {
    for (lease, renew) in [(600, 1), (2, 3000)] {
        let ((mut link, server), state) = (controller().await, state());
        {
            let mut word = link.word.lock().unwrap();
            (word.lease, word.renew) = (Duration::from_secs(lease), Duration::from_secs(renew));
        }
        let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
        agent.until(|s| s.n_registrations == 3).await;
        agent.stop().await.unwrap();
        let n_enrolled = link.rest().iter().filter(|e| matches!(e, Event::Enrols(..))).count();
        assert_eq!(n_enrolled, 1);
    }
}

#[tokio::test]
async fn a_lost_session_comes_back_by_itself_and_withdraws_nothing() {
    let ((mut link, server), state) = (controller().await, state());
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    link.restart().await;
    agent.until(|s| s.n_registrations == 2).await;
    let status = agent.until_registered().await;
    assert_eq!((status.n_failures, status.routes.len()), (0, 1));
    let heard = link.rest();
    assert!(!heard.contains(&says("agent", &[])), "{heard:?}");
    assert!(heard.contains(&Event::Ended { goodbye: false }), "{heard:?}");
    assert_eq!(heard.iter().filter(|e| matches!(e, Event::Enrols(..))).count(), 1);
    agent.stop().await.unwrap();
    let is_end = |event: &Event| *event == Event::Ended { goodbye: true };
    link.until(is_end).await;
}

#[tokio::test]
async fn a_name_that_changes_at_the_controller_is_followed() {
    let ((mut link, server), state) = (controller().await, state());
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    link.word.lock().unwrap().domain = "alice.example.org".into();
    link.restart().await;
    let is_moved =
        |s: &crate::Status| s.routes.iter().any(|r| r.destination == "web.alice.example.org");
    agent.until(is_moved).await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn each_source_is_said_and_withdrawn_apart() {
    let ((mut link, server), state) = (controller().await, state());
    let services = [WEB, "10.0.0.7:80,source=tunnel"];
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &services));
    let status = agent.until_registered().await;
    assert_eq!(status.routes.len(), 2);
    let tunnel = "alice.localhost http 10.0.0.7:80 http://10.0.0.7:80 2";
    let said = [says("agent", &[WEB_SAID]), says("tunnel", &[tunnel])];
    let mut heard = link.rest();
    heard.sort_by_key(|event| format!("{event:?}"));
    let expected: Vec<_> = [enrols("rtj_a")].into_iter().chain(said).chain([Event::Up]).collect();
    assert_eq!(heard, expected);
    agent.stop().await.unwrap();
    let mut withdrawn = vec![link.next().await, link.next().await];
    withdrawn.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(withdrawn, [says("agent", &[]), says("tunnel", &[])]);
}

#[tokio::test]
async fn what_is_refused_ends_a_newcomer_and_is_tried_again_by_who_has_registered() {
    let ((mut link, server), state) = (controller().await, state());
    let refusal = || Refusal::new(RefusalCode::Invalid, "the address is loopback");
    link.word.lock().unwrap().refusals.push(refusal());
    let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("correct --service") && error.contains("is loopback"), "{error}");

    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    link.word.lock().unwrap().refusals.push(refusal());
    link.restart().await;
    let failing = agent.until(|s| s.last_error.as_ref().is_some_and(|e| e.contains("is loopback")));
    failing.await;
    let status = agent.until_registered().await;
    assert_eq!((status.n_failures, status.last_error), (0, None));
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn two_services_that_lead_to_one_address_are_refused() {
    let ((_link, server), state) = (controller().await, state());
    let services = ["web=127.0.0.1:3000", "web=127.0.0.2:3000"];
    let mut config = config(&server.url(), "rtj_a", state.path(), &services);
    let crate::Mode::Join(join) = &mut config.mode else { panic!("it joins") };
    join.address = Some("home.example.com".parse().unwrap());
    let error = Running::start(config).ended().await.unwrap_err();
    assert!(matches!(error, AgentError::Services(_)), "{error}");
    assert!(error.to_string().contains("two services have one address"), "{error}");
}

#[tokio::test]
async fn a_refused_join_ends_with_what_to_do() {
    let cases = [
        (404, "it needs `listeners.link`"),
        (302, "redirects are not followed"),
        (401, "check address, port"),
    ];
    for (status, advice) in cases {
        let mut server =
            TestServer::start(move |_| server::json(status, json!({ "error": "no" }))).await;
        let state = state();
        let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
        let error = agent.ended().await.unwrap_err().to_string();
        assert!(error.contains(advice) && error.contains(&status.to_string()), "{error}");
        assert_eq!(server.rest(), ["GET /v1/link"]);
        assert!(!state.path().join("agent-alice.json").exists());
    }
    let ((_link, server), state) = (controller().await, state());
    let agent = Running::start(config(&server.url(), "rtj_b", state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("make a new one on the controller"), "{error}");
    assert!(error.contains("the token [redacted] opens nothing"), "{error}");
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_asked_for_again_with_the_same_key() {
    let ((mut link, server), state) = (controller().await, state());
    // As it stands when the answer is lost: the key is stored and known, and nothing else.
    let file = state::StateFile::new(state.path(), "agent", &"alice".parse().unwrap());
    link.word.lock().unwrap().keys.push(file.key().unwrap().public().unwrap());
    link.word.lock().unwrap().tokens.clear();
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    assert_eq!(link.next().await, enrols("rtj_a"));
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_new_join_token_replaces_an_identity_that_is_not_known() {
    let ((mut link, server), state) = (controller().await, state());
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    link.until(|event| *event == Event::Ended { goodbye: true }).await;
    {
        // As a controller with a new data directory has it.
        let mut word = link.word.lock().unwrap();
        (word.keys, word.tokens) = (Vec::new(), vec!["rtj_a", "rtj_b"]);
    }
    let agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    let error = agent.ended().await.unwrap_err().to_string();
    assert!(error.contains("join again with a new join token"), "{error}");
    assert_eq!(link.rest(), [], "a spent token is not sent again");

    let mut agent = Running::start(config(&server.url(), "rtj_b", state.path(), &[WEB]));
    agent.until_registered().await;
    assert_eq!(link.rest(), [enrols("rtj_b"), Event::Up, says("agent", &[WEB_SAID])]);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_removed_loses_its_session_and_is_tried_again() {
    let ((mut link, server), state) = (controller().await, state());
    let mut agent = Running::start(config(&server.url(), "rtj_a", state.path(), &[WEB]));
    agent.until_registered().await;
    link.word.lock().unwrap().knows = false;
    let lost = agent.until(|s| s.phase == Phase::Retrying).await;
    assert!(lost.last_error.unwrap().contains("new join token"));
    link.word.lock().unwrap().knows = true;
    agent.until_registered().await;
    assert!(link.rest().contains(&Event::Ended { goodbye: false }));
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_processes_with_one_identity_the_second_waits_for_the_first() {
    let ((mut link, server), state) = (controller().await, state());
    let config = |service| config(&server.url(), "rtj_a", state.path(), &[service]);
    let mut first = Running::start(config(WEB));
    first.until_registered().await;
    let mut second = Running::start(config("api=127.0.0.1:3001"));
    let waiting = second.until(|s| s.phase == Phase::Retrying).await;
    let told = waiting.last_error.unwrap();
    assert!(told.contains("in use by another agent"), "{told}");
    first.stop().await.unwrap();
    second.until_registered().await;
    let heard = link.rest();
    assert!(!heard.contains(&Event::Ended { goodbye: false }), "{heard:?}");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn an_identity_is_not_shown_to_another_controller() {
    let state = state();
    let (mut first, first_api) = controller().await;
    let (mut second, second_api) = controller().await;
    for (link, api) in [(&mut first, &first_api), (&mut second, &second_api)] {
        let mut agent = Running::start(config(&api.url(), "rtj_a", state.path(), &[WEB]));
        agent.until_registered().await;
        assert_eq!(link.next().await, enrols("rtj_a"));
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_spends_no_token() {
    let ((mut link, mut server), state) = (controller().await, state());
    let file = state.path().join("file");
    std::fs::write(&file, "").unwrap();
    let agent = Running::start(config(&server.url(), "rtj_a", &file.join("below"), &[WEB]));
    let error = agent.ended().await.unwrap_err();
    assert!(matches!(error, AgentError::State { .. }), "{error}");
    assert!(error.to_string().contains("name a state directory"), "{error}");
    assert!(server.rest().is_empty() && link.rest().is_empty());
}

#[tokio::test]
async fn an_identity_that_cannot_be_stored_is_used_and_stored_later() {
    let (mut link, state) = (TestLink::start(), state());
    let directory = state.path().join("state");
    link.word.lock().unwrap().renew = Duration::from_secs(1);
    let (lost, told) = (directory.clone(), link.told());
    let server = TestServer::start(move |asked| {
        std::fs::remove_dir_all(&lost).unwrap();
        told(asked)
    })
    .await;
    let mut agent = Running::start(config(&server.url(), "rtj_a", &directory, &[WEB]));
    agent.until_registered().await;
    assert!(!directory.exists());
    std::fs::create_dir(&directory).unwrap();
    // One of two renewals comes after a look, which is when it is tried again.
    let n = agent.until_registered().await.n_registrations;
    agent.until(|s| s.n_registrations >= n + 2).await;
    assert!(directory.join("agent-alice.json").exists());
    agent.stop().await.unwrap();
    assert_eq!(link.next().await, enrols("rtj_a"));
}

#[test]
fn join_urls_are_parsed() {
    let pin = "ab".repeat(32);
    let full: JoinUrl = format!("https://[2001:db8::1]:7070#rtj_x-Y_9.{pin}").parse().unwrap();
    assert_eq!(full.controller.to_string(), "https://[2001:db8::1]:7070");
    assert_eq!(full.token.unwrap().reveal(), "rtj_x-Y_9");
    assert_eq!(full.pin.unwrap().to_string(), pin);
    let plain: JoinUrl = "http://127.0.0.1:7070/#rtj_x".parse().unwrap();
    assert_eq!((plain.controller.to_string().as_str(), plain.pin), ("http://127.0.0.1:7070", None));
    for text in ["http://h:1", "http://h:1#", &format!("https://h:1#.{pin}")] {
        let bare: JoinUrl = text.parse().unwrap();
        assert_eq!((&bare.token, bare.pin.is_some()), (&None, text.contains(&pin)));
        let error = bare.with_token().unwrap_err().to_string();
        assert!(error.contains("`#TOKEN` is missing"), "{error}");
    }
    let cases = [
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
