use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::tests::running::Running;
use crate::tests::server::{self, Recorded, Reply, TestServer};
use crate::tests::stun_responder::{Responder, config as stun_config};
use crate::{AgentConfig, AgentError, Pacing, Phase};

const FORMAT: &str = "Invalid PROVIDER format. Expected: <backend_url>,<userid>,<signature>";

fn from(vars: &[(&str, &str)]) -> Result<MeshRouterConfig, AgentError> {
    let vars: Vec<_> = vars.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    MeshRouterConfig::from_vars(move |name| {
        vars.iter().find(|(k, _)| k == name).map(|(_, v)| OsString::from(v))
    })
}

#[test]
fn the_originals_defaults_hold() {
    let config = from(&[("PROVIDER", "https://api.nsl.sh/,u@x,ksig"), ("PUBLIC_IP", "")]).unwrap();
    assert_eq!(config.provider.backend.to_string(), "https://api.nsl.sh");
    assert_eq!(config.provider.user_id, "u@x");
    assert_eq!(config.provider.signature.reveal(), "ksig");
    assert_eq!((config.target_port, config.priority.as_whole()), (10_443, Some(1)));
    assert_eq!((config.refresh.as_secs(), config.error_retry), (300, None));
    assert_eq!((config.public_ip, config.health_check), (None, None));
    assert_eq!(config.certificates, CertificatePaths::default());
}

#[test]
fn every_variable_is_read() {
    let config = from(&[
        ("PROVIDER", "http://b:8192/base,u,s,ignored,too"),
        ("PUBLIC_IP", "2001:db8::5"),
        ("TARGET_PORT", "443"),
        ("ROUTE_PRIORITY", "-1.5"),
        ("HEARTBEAT_INTERVAL", "60"),
        ("ERROR_RETRY_INTERVAL", "30"),
        ("HEALTH_CHECK_PATH", "/.well-known/health"),
        ("HEALTH_CHECK_HOST", "alice.nsl.sh"),
        ("CERT_KEY_PATH", "/k"),
        ("CERT_PATH", "/c"),
        ("CA_CERT_PATH", "/ca"),
    ])
    .unwrap();
    assert_eq!(config.provider.backend.to_string(), "http://b:8192/base");
    assert_eq!(config.public_ip.unwrap().to_string(), "[2001:db8::5]");
    assert_eq!((config.target_port, config.priority.as_f64()), (443, -1.5));
    assert_eq!(config.refresh.as_secs(), 60);
    assert_eq!(config.error_retry, Some(Duration::from_secs(30)));
    let check = config.health_check.unwrap();
    assert_eq!(
        (check.path.as_str(), check.host.as_deref()),
        ("/.well-known/health", Some("alice.nsl.sh"))
    );
    let paths = config.certificates;
    assert_eq!(paths.complaints().len(), 3, "{:?}", paths.complaints());
    assert!(paths.complaints()[1].starts_with("CERT_PATH names /c, which can't be read"));

    let both =
        [("PROVIDER", "http://b,u,s"), ("REFRESH_INTERVAL", "7"), ("HEARTBEAT_INTERVAL", "9")];
    assert_eq!(from(&both).unwrap().refresh.as_secs(), 7);
}

#[test]
fn wrong_variables_are_named() {
    let malformed = [
        "http://b",
        "http://b,u",
        "http://b,,s",
        ",,",
        "b,u,CANARY",
        "ftp://b,u,CANARY",
        "http://x:CANARY@b,u,s",
        "http://b,..,CANARY",
    ];
    for provider in malformed {
        let error = from(&[("PROVIDER", provider)]).unwrap_err();
        assert_eq!(error.to_string(), FORMAT, "{provider}");
    }
    for missing in [&[][..], &[("PROVIDER", "")]] {
        assert!(matches!(from(missing), Err(AgentError::NoProvider)));
    }
    let cases = [
        ("PUBLIC_IP", "my home", "an IP address or a DNS name"),
        ("TARGET_PORT", "0", "a port"),
        ("TARGET_PORT", "65536", "a port"),
        ("ROUTE_PRIORITY", "first", "a number"),
        ("REFRESH_INTERVAL", "0", "1 to 86400"),
        ("HEARTBEAT_INTERVAL", "5m", "1 to 86400"),
        ("ERROR_RETRY_INTERVAL", "86401", "1 to 86400"),
        ("HEALTH_CHECK_PATH", "health", "begins with `/`"),
    ];
    for (name, value, expected) in cases {
        let error = from(&[("PROVIDER", "http://b,u,s"), (name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}=`{value}` is not valid")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let raw = MeshRouterConfig::from_vars(|_| Some(OsString::from_vec(b"\xffCANARY".to_vec())));
    assert_eq!(raw.unwrap_err().to_string(), FORMAT);
}

#[test]
fn a_configured_retry_interval_is_the_longest_back_off() {
    let provider = ("PROVIDER", "http://b,u,s");
    let config = |vars: &[_]| AgentConfig::mesh_router(from(vars).unwrap()).pacing;
    assert_eq!(config(&[provider]), Pacing::default());
    let slow = config(&[provider, ("ERROR_RETRY_INTERVAL", "600")]);
    assert_eq!(slow.backoff.longest, Duration::from_secs(600));
}

/// How a backend of today answers.
fn well(asked: &Recorded) -> Reply {
    let path = asked.line.split(' ').nth(1).unwrap();
    match (asked.line.split(' ').next().unwrap(), path) {
        ("GET", "/router/api/version") => {
            server::json(200, json!({ "version": 2, "minClientVersion": 2 }))
        }
        ("POST", _) => {
            let body = json!({
                "message": "Routes registered successfully.",
                "routes": asked.body["routes"], "domain": "alice.nsl.sh",
            });
            server::json(200, body)
        }
        ("GET", _) => server::json(200, json!({ "routes": [{ "source": "agent" }] })),
        _ => server::json(200, json!({ "message": "Routes deleted successfully." })),
    }
}

fn config(server: &TestServer, change: impl FnOnce(&mut MeshRouterConfig)) -> AgentConfig {
    let provider = format!("{},user@example.com,ksig/nature", server.url()).parse().unwrap();
    let mut mesh = MeshRouterConfig::new(provider);
    change(&mut mesh);
    let mut config = AgentConfig::mesh_router(mesh);
    config.pacing.backoff.first = Duration::from_millis(5);
    config.pacing.backoff.longest = Duration::from_millis(20);
    config.stun.servers.clear();
    config
}

#[tokio::test]
async fn it_registers_as_the_original_and_withdraws() {
    let mut server = TestServer::start(well).await;
    let config = config(&server, |c| {
        c.public_ip = Some("2001:db8::5".parse().unwrap());
        c.health_check =
            Some(rutter_route::HealthCheck { path: "/h".into(), host: Some("x".into()) });
    });
    let mut agent = Running::start(config);
    let status = agent.until_registered().await;
    assert_eq!(status.routes[0].to_string(), "alice.nsl.sh -> https://[2001:db8::5]:10443");
    agent.stop().await.unwrap();
    assert_eq!(server.next().await.line, "GET /router/api/version");
    let post = server.next().await;
    assert_eq!(post.line, "POST /router/api/routes/user@example.com/ksig%2Fnature");
    let route = json!({
        "ip": "2001:db8::5", "port": 10443, "priority": 1, "source": "agent",
        "healthCheck": { "path": "/h", "host": "x" },
    });
    assert_eq!(post.body, json!({ "routes": [route] }));
    let rest = [
        "GET /router/api/routes/user@example.com",
        "DELETE /router/api/routes/user@example.com/ksig%2Fnature",
    ];
    assert_eq!(server.rest(), rest);
}

#[tokio::test]
async fn the_version_is_asked_once_and_routes_again_and_again() {
    let mut server = TestServer::start(well).await;
    let mut agent = Running::start(config(&server, |c| c.refresh = Duration::from_secs(1)));
    let status = agent.until(|s| s.n_registrations == 2).await;
    assert_eq!(status.routes[0].endpoint.to_string(), "https://127.0.0.1:10443", "over loopback");
    agent.stop().await.unwrap();
    let n = |word: &str, lines: &[String]| lines.iter().filter(|l| l.contains(word)).count();
    let lines = server.rest();
    assert_eq!((n("version", &lines), n("POST", &lines)), (1, 2), "{lines:?}");
}

#[tokio::test]
async fn old_and_odd_versions_are_refused() {
    for version in [json!(1), json!(1.9), json!("2"), Value::Null, json!([2])] {
        let answer = json!({ "version": version });
        let mut server = TestServer::start(move |_| server::json(200, answer.clone())).await;
        let mut agent = Running::start(config(&server, |_| {}));
        let status = agent.until(|s| s.n_failures == 2).await;
        let error = status.last_error.unwrap();
        assert!(error.contains(&format!("version {version} ")), "{error}");
        assert!(error.contains("upgrade the backend"), "{error}");
        agent.stop().await.unwrap();
        assert!(server.rest().iter().all(|l| l.ends_with("/version")), "nothing was registered");
    }
}

#[tokio::test]
async fn what_the_original_overlooks_is_a_failure() {
    let cases = [
        (500, json!({}), "its side"),
        (401, json!({ "error": "Invalid signature." }), "copy PROVIDER anew"),
        (404, json!({ "error": "User not found." }), "register the domain first"),
        (400, json!({ "error": "All routes failed validation" }), "TARGET_PORT"),
        (200, json!({ "error": "odd" }), "registered nothing: odd"),
        (200, json!({ "routes": [], "rejected": [{ "error": "fetch failed" }] }), "fetch failed"),
        (200, json!("no object"), "something unexpected"),
    ];
    for (status, body, expected) in cases {
        let n_posts = AtomicUsize::new(0);
        let server = TestServer::start(move |asked| {
            let post = asked.line.starts_with("POST");
            match post && n_posts.fetch_add(1, Ordering::Relaxed) < 2 {
                true => server::json(status, body.clone()),
                false => well(asked),
            }
        })
        .await;
        let mut agent = Running::start(config(&server, |_| {}));
        let failing = agent.until(|s| s.phase == Phase::Retrying).await;
        let error = failing.last_error.unwrap();
        assert!(error.contains(expected), "{status}: {error}");
        agent.until_registered().await;
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_withdrawal_spares_a_tunnels_routes() {
    let mut server = TestServer::start(|asked| match asked.line.as_str() {
        "GET /router/api/routes/user@example.com" => {
            let routes = json!([{ "source": "agent" }, { "source": "tunnel" }]);
            server::json(200, json!({ "routes": routes }))
        }
        _ => well(asked),
    })
    .await;
    let mut agent = Running::start(config(&server, |_| {}));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    assert!(server.rest().iter().all(|line| !line.starts_with("DELETE")));
}

#[tokio::test]
async fn routes_that_are_not_shown_to_us_are_withdrawn_all_the_same() {
    let mut server = TestServer::start(|asked| match asked.line.as_str() {
        "GET /router/api/routes/user@example.com" => server::json(404, json!({})),
        _ => well(asked),
    })
    .await;
    let mut agent = Running::start(config(&server, |_| {}));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    assert!(server.rest().last().unwrap().starts_with("DELETE"));
}

#[tokio::test]
async fn an_address_that_stun_lost_is_kept() {
    let responder = Responder::start(|request, count| match count {
        0 => vec![crate::tests::stun_responder::success(request, "203.0.113.5".parse().unwrap())],
        _ => vec![],
    })
    .await;
    let mut addresses = crate::address::Addresses::new(None, stun_config(&[&responder]));
    for _ in 0..2 {
        let found = addresses.find(false, None).await.unwrap().unwrap();
        assert_eq!(found.to_string(), "203.0.113.5");
    }
    let mut never = crate::address::Addresses::new(None, stun_config(&[]));
    assert!(never.find(false, Some("127.0.0.1".parse().unwrap())).await.is_err());
}
