//! An agent and its controller over the link: what each survives of the other.

use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rutter_link::{Announcer, Answered, Backoff, Dialer, LinkKey, Remote, SourceUpdate};
use rutter_route::{Attributes, Destination, HealthCheck, Service};
use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::visit::{served, unserved, visitor};
use crate::support::{PATIENCE, Running, Up, rutter, stderr};
use crate::ways_out::{register_all, server};

const HOST: &str = "alice.localhost";

/// The port of one of a controller's listeners.
fn port(up: &Up, of: &str) -> String {
    let run = up.run_file();
    run[of].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// The same controller again, in a new process.
fn again(up: Up, api: &str, link: &str) -> Up {
    Up::start_in(up.leave(), &["--api-port", api, "--link-port", link])
}

/// The routes of the name, as the controller has them.
fn routes(up: &Up) -> Vec<Value> {
    let routes = up.json(&["routes", "list"]);
    routes.as_array().unwrap().iter().filter(|r| r["destination"] == HOST).cloned().collect()
}

fn standings(up: &Up) -> Vec<String> {
    routes(up).iter().map(|r| r["standing"].as_str().unwrap().to_owned()).collect()
}

/// Looks until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < until, "{what}");
    }
}

/// An agent's command line; its state is in the controller's directory.
fn agent(up: &Up, join: &str, service: &str) -> std::process::Command {
    let state = up.path().join("agent").to_string_lossy().into_owned();
    rutter(&["agent", "--join", join, "--name", "alice", "--state", &state, "--service", service])
}

fn join_line(up: &Up) -> String {
    up.json(&["tokens", "join"])["join"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_outlives_its_controllers_restarts_and_finds_a_link_that_moved() {
    let origin = Origin::start("page").await;
    let mut up = Up::start();
    let (api, link) = (port(&up, "api"), port(&up, "link"));
    let mut agent = up.agent("alice", &[&origin.address.to_string()]);
    assert_eq!(served(up.gateway(), HOST).await, (200, "page".to_owned()));

    up.process.kill();
    let mut up = again(up, &api, &link);
    // It is served from what the controller has kept, and the agent says it again.
    assert_eq!(served(up.gateway(), HOST).await, (200, "page".to_owned()));
    agent.says("registered ");
    assert_eq!(standings(&up), ["eligible"]);

    up.process.terminate();
    let up = again(up, &api, "0");
    assert_ne!(port(&up, "link"), link);
    agent.says("the link has moved");
    agent.says("registered ");
    assert_eq!(served(up.gateway(), HOST).await, (200, "page".to_owned()));
    assert_eq!(agent.said().matches("joined").count(), 1, "{}", agent.said());

    assert!(agent.terminate().success());
    assert!(agent.said().contains("withdrawn"), "{}", agent.said());
    assert_eq!(routes(&up), [] as [Value; 0]);
    unserved(up.gateway(), HOST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_killed_is_stale_and_the_same_line_brings_it_back() {
    let origin = Origin::start("page").await;
    let up = Up::start();
    let (join, service) = (join_line(&up), origin.address.to_string());
    let mut first = Running::start(&mut agent(&up, &join, &service));
    first.says("registered ");
    first.kill();
    until("it isn't stale", || standings(&up) == ["stale"]);
    assert_eq!(served(up.gateway(), HOST).await, (200, "page".to_owned()));
    let mut second = Running::start(&mut agent(&up, &join, &service));
    second.says("registered ");
    assert_eq!(standings(&up), ["eligible"]);
    assert!(!second.said().contains("joined"), "{}", second.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_removed_ends_its_agents_session_until_it_joins_anew() {
    let up = Up::start();
    let join = join_line(&up);
    let mut first = Running::start(&mut agent(&up, &join, "127.0.0.1:1"));
    first.says("registered ");
    up.text(&["domains", "remove", "alice"]);
    let told = first.says("not registered");
    assert!(told.contains("join again with a new join token"), "{told}");
    assert_eq!(routes(&up), [] as [Value; 0]);
    assert!(first.terminate().success());

    // As a newcomer it is told so at once; another token lets it in again.
    let output = agent(&up, &join, "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("join again with a new join token"), "{told}");
    let mut second = Running::start(&mut agent(&up, &join_line(&up), "127.0.0.1:1"));
    second.says("joining anew");
    second.says("registered ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_joined_over_http_keeps_its_name_and_moves_to_the_link() {
    let origin = Origin::start("page").await;
    let up = Up::start();
    let join = join_line(&up);
    let (api, token) = join.split_once('#').unwrap();
    let ask = |request: reqwest::RequestBuilder| async {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        answer.json::<Value>().await.unwrap()
    };
    let client = visitor(None);
    let body = json!({ "name": "alice" });
    let request = client.post(format!("{api}/v1/join")).bearer_auth(token).json(&body);
    let joined = ask(request).await;
    let own = joined["agent_token"].as_str().unwrap();
    let endpoint = format!("http://{}", origin.address);
    let body = json!({ "source": "agent", "routes": [{ "endpoint": endpoint, "priority": 1 }] });
    let request = client.put(format!("{api}/v1/agent/routes")).bearer_auth(own).json(&body);
    ask(request).await;
    let before = routes(&up);

    // What the version before left.
    let state = up.path().join("agent");
    std::fs::create_dir(&state).unwrap();
    let file = state.join("agent-alice.json");
    let stored = json!({
        "version": 1, "controller": api, "pin": null, "user_id": joined["user_id"],
        "name": "alice", "domain": HOST, "agent_token": own, "loopback": true,
        "seen": "127.0.0.1", "spent": "",
    });
    std::fs::write(&file, stored.to_string()).unwrap();
    let service = origin.address.to_string();
    let mut moved = Running::start(&mut agent(&up, &join, &service));
    moved.says("registered ");
    assert!(!moved.said().contains("HTTP"), "{}", moved.said());
    let after = routes(&up);
    let source = |routes: &[Value]| routes[0]["source"].clone();
    assert_eq!((after.len(), source(&after)), (1, source(&before)), "{before:?}\n{after:?}");
    let stored: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(stored["version"], 2);
    assert_eq!(served(up.gateway(), HOST).await, (200, "page".to_owned()));
    assert!(moved.terminate().success());
    assert_eq!(routes(&up), [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_an_agents_to_say_is_refused_and_the_rest_stands() {
    let up = Up::start();
    let join = join_line(&up);
    let (api, token) = join.split_once('#').unwrap();
    let told = visitor(None).get(format!("{api}/v1/link")).send().await.unwrap();
    let told = told.json::<Value>().await.unwrap();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    let remote = Remote { address: text("address"), pin: text("pin").parse().unwrap() };
    let dialer = Dialer::new(remote, &LinkKey::generate().unwrap()).unwrap();
    let enrolled = dialer.enrol(token, "alice", "agent").await.unwrap();
    assert_eq!(enrolled.domain.as_deref(), Some(HOST));
    let checked = |path: &str| {
        let health_check = Some(HealthCheck { path: path.to_owned(), host: None });
        let hop = "http://127.0.0.1:1".parse().unwrap();
        Attributes { health_check, ..Attributes::via(hop) }
    };
    let route = |name: &str, attributes| {
        (name.parse::<Service>().unwrap(), "http 127.0.0.1:1".parse().unwrap(), attributes)
    };
    let node = Attributes::via("node:1".parse().unwrap());
    let delivered = Attributes { delivery: Some(Arc::default()), ..checked("/") };
    let routes = [
        route(HOST, checked("/healthz")),
        route("web.alice.localhost", checked("/ HTTP/1.1\r\nx: y")),
        route("node.alice.localhost", node),
        route("bob.localhost", checked("/")),
        route("placed.alice.localhost@:8443", checked("/")),
        route("delivered.alice.localhost", delivered),
        route("malice.localhost", checked("/")),
    ];
    let by = "agent/alice".parse().unwrap();
    let table = "services".parse().unwrap();
    let mut announcer = Announcer::start(Arc::new(dialer), Backoff::default());
    announcer.say(SourceUpdate::services(table, "agent".into(), &by, routes)).unwrap();
    let report = loop {
        match tokio::time::timeout(PATIENCE, announcer.next()).await.unwrap().unwrap() {
            Answered::Report { what, .. } => break what.unwrap(),
            Answered::Up { domain, .. } => assert_eq!(domain, HOST),
            other => panic!("{other:?}"),
        }
    };
    let fares = |name: &str| {
        let of = name.parse::<Service>().unwrap().to_any();
        let outcome = report.outcomes.iter().find(|o| o.destination.as_ref() == Some(&of));
        match &outcome.unwrap().is {
            Ok(standing) => standing.to_string(),
            Err(why) => why.clone(),
        }
    };
    assert_eq!(fares(HOST), "eligible");
    for (name, why) in [
        ("web.alice.localhost", "printable ASCII"),
        ("node.alice.localhost", "an endpoint"),
        ("bob.localhost", "doesn't lie under it"),
        ("malice.localhost", "doesn't lie under it"),
        ("placed.alice.localhost@:8443", "without a place"),
        ("delivered.alice.localhost", "passed on"),
    ] {
        assert!(fares(name).contains(why), "{name}: {}", fares(name));
    }
    assert_eq!(up.json(&["routes", "list"]).as_array().unwrap().len(), 1);
    announcer.goodbye().await;
    // A goodbye is no withdrawal either: the lease ends what wasn't withdrawn.
    until("it isn't stale", || standings(&up) == ["stale"]);
}

#[test]
fn a_controller_without_a_link_says_so_to_a_newcomer() {
    let file = "controller:\nlisteners: {api: '127.0.0.1:0', link: off}\n";
    let up = Up::run(tempfile::tempdir().unwrap(), file);
    let output = agent(&up, &join_line(&up), "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("it needs `listeners.link`"), "{told}");
}

#[test]
fn a_token_for_a_gateway_makes_no_agent_and_stays_good() {
    let up = Up::start();
    let join = up.json(&["tokens", "join", "--role", "gateway"])["join"].clone();
    let output = agent(&up, join.as_str().unwrap(), "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another role"), "{}", stderr(&output));
    assert_eq!(up.json(&["members", "list"]), json!([]));
    let tokens = up.json(&["tokens", "list", "--kind", "join"]);
    assert!(!tokens.to_string().contains("\"last_used\":1"), "{tokens}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_joins_while_it_runs_believes_the_controllers_ca() {
    let file = |api: &str, link: &str, mesh: &str| {
        format!(
            "controller:\nlisteners:\n  api: 127.0.0.1:{api}\n  link: 127.0.0.1:{link}\n  \
             compat: {{mesh_router: '127.0.0.1:{mesh}'}}\n"
        )
    };
    let mut first = Up::run(tempfile::tempdir().unwrap(), &file("0", "0", "0"));
    let (api, link) = (port(&first, "api"), port(&first, "link"));
    let join = first.json(&["tokens", "join", "--role", "gateway"])["join"].clone();
    first.process.terminate();
    let ca = std::fs::read_to_string(first.data.join("ca.pem")).unwrap();
    let controller = first.leave();

    let dir = tempfile::tempdir().unwrap();
    let gateway = format!(
        "gateway: {{name: edge-1, join: '{}'}}\nlisteners: {{gateway: {{http: '127.0.0.1:0'}}}}\n",
        join.as_str().unwrap()
    );
    let mut gateway = Up::run(dir, &gateway);
    assert!(gateway.process.said().contains("hasn't joined yet"), "{}", gateway.process.said());

    let controller = Up::run(controller, &file(&api, &link, "0"));
    let (certificate, private) = ca.split_at(ca.rfind("-----BEGIN").unwrap());
    let private = KeyPair::from_pem(private).unwrap();
    let issuer = Issuer::from_ca_cert_pem(certificate, private).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let origin = Origin::over_tls("own", server(&leaf, &key)).await;
    let route = json!([{ "ip": "127.0.0.1", "port": origin.address.port(), "scheme": "https",
        "source": "agent", "priority": 1 }]);
    register_all(&controller, "alice", route).await;
    gateway.process.says("joined");
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        // Before it has joined, and heard of the name, it says that it doesn't know.
        let request = visitor(None).get(format!("http://{}/", gateway.gateway()));
        let answer = request.header("host", HOST).send().await.unwrap();
        if answer.status().as_u16() == 200 {
            break assert_eq!(answer.text().await.unwrap(), "own");
        }
        assert!(std::time::Instant::now() < until, "{}", answer.text().await.unwrap());
    }
}
