//! No secret is shown: a canary stands in each, the server repeats all it gets, and whatever the
//! agent writes is searched for it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::link::TestLink;
use super::running::Running;
use super::server::{self, Recorded, Reply, TestServer};
use crate::{AgentConfig, JoinConfig, MeshRouterConfig};

/// All that was logged on this thread, from TRACE up, ours and the HTTP client's.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Says back, as an error, all that it was told, as it came and with the path decoded.
fn echo(status: u16, asked: &Recorded) -> Reply {
    let decoded = asked.line.replace("%22", "\"");
    let error = format!("Cannot {}, {decoded}, for {:?}", asked.line, asked.bearer);
    server::json(status, json!({ "error": error }))
}

fn assert_clean(what: &str, text: &str) {
    assert!(!text.contains("CANARY"), "{what} shows a secret: {text}");
}

/// Runs until two attempts have failed, and searches all that was shown.
async fn search(config: AgentConfig, log: Log) {
    assert_clean("the configuration", &format!("{config:?}"));
    let mut agent = Running::start(config);
    let status = agent.until(|s| s.n_failures >= 2).await;
    assert!(format!("{status:?}").contains("[redacted]"), "the echo was seen: {status:?}");
    assert_clean("the status", &format!("{status:?}"));
    agent.stop().await.unwrap();
    let log = log.text();
    assert!(log.contains("not registered"), "the log was seen: {log}");
    assert_clean("the log", &log);
}

#[tokio::test]
async fn providers_signature_is_not_shown() {
    let (log, _guard) = Log::start();
    let server = TestServer::start(|asked| match asked.line.ends_with("/version") {
        true => server::json(200, json!({ "version": 2 })),
        false => echo(500, asked),
    })
    .await;
    // With a character that the path has encoded.
    let provider = format!("{},alice,kCANARY\"CANARY", server.url()).parse().unwrap();
    assert_clean("Display", &format!("{provider}", provider = &provider as &crate::Provider));
    let mut config = AgentConfig::mesh_router(MeshRouterConfig::new(provider));
    config.pacing.backoff.longest = Duration::from_millis(5);
    search(config, log).await;
}

fn joining(url: &str, state: &std::path::Path) -> AgentConfig {
    let mut config = AgentConfig::join(JoinConfig {
        url: format!("{url}#rtj_CANARY").parse().unwrap(),
        name: "alice".parse().unwrap(),
        services: vec!["127.0.0.1:1".parse().unwrap()],
        address: None,
        state_dir: state.to_owned(),
    });
    config.pacing.backoff.longest = Duration::from_millis(5);
    config
}

#[tokio::test]
async fn a_join_token_is_not_shown() {
    let (log, _guard) = Log::start();
    // It says the token that it refuses.
    let link = TestLink::start();
    let server = TestServer::start(link.told()).await;
    let state = tempfile::tempdir().unwrap();
    let config = joining(&server.url(), state.path());
    assert_clean("the configuration", &format!("{config:?}"));
    let error = Running::start(config).ended().await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("[redacted]"), "{told}");
    assert_clean("the error", &told);
    assert_clean("the log", &log.text());
}

#[tokio::test]
async fn an_agents_token_is_not_shown() {
    let (log, _guard) = Log::start();
    let server = TestServer::start(|asked| echo(500, asked)).await;
    let state = tempfile::tempdir().unwrap();
    let stored = json!({
        "version": 1, "controller": server.url(), "pin": null, "user_id": "u", "name": "alice",
        "domain": "alice.localhost", "agent_token": "rta_CANARY", "loopback": true, "seen": null,
        "spent": "",
    });
    std::fs::write(state.path().join("agent-alice.json"), stored.to_string()).unwrap();
    search(joining(&server.url(), state.path()), log).await;
}
