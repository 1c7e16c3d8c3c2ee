//! Hand-over and drain under a thousand requests a second: nobody may notice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::open_loop::OpenLoop;
use crate::support::origin::Origin;
use crate::support::visit::{served, visitor};
use crate::support::{Running, Up};
use crate::until;

const HOST: &str = "alice.localhost";
/// Answers before, between and after what happens.
const STEADY: usize = 1500;
const HAND_OVERS: usize = 3;

fn start(limits: &str) -> Up {
    let file = format!(
        "controller:\ngateway: {{limits: {limits}}}\nlisteners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  \
         compat: {{mesh_router: '127.0.0.1:0'}}\n  gateway: {{http: '127.0.0.1:0'}}\n"
    );
    Up::run(tempfile::tempdir().unwrap(), &file)
}

/// An agent whose service answers at the gateway.
async fn serving(up: &Up, origin: SocketAddr) -> Running {
    let agent = up.agent("alice", &[&origin.to_string()]);
    assert_eq!(served(up.gateway(), HOST).await.0, 200);
    agent
}

/// Claims names one after the other, each over a connection of its own; how many were given. Every
/// one has to be: what comes during a hand-over waits in the socket's queue.
async fn claims(up: &Up, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    let url = format!("{}/v1/domains", up.run_file()["api"].as_str().unwrap());
    let admin = std::fs::read_to_string(up.data.join("admin.token")).unwrap().trim().to_owned();
    tokio::spawn(async move {
        let http = visitor(None);
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let claim = http.post(&url).bearer_auth(&admin).header("connection", "close");
            let claim = claim.json(&json!({ "name": format!("name{n}") }));
            let answer = claim.send().await.unwrap_or_else(|e| panic!("name{n}: {e:?}"));
            assert!(answer.status().is_success(), "name{n}: {}", answer.status());
            n += 1;
        }
        n
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_a_second_see_nothing_of_hand_overs() {
    let origin = Origin::start("page").await;
    let mut up = start("{drain: 30s}");
    let _agent = serving(&up, origin.address).await;
    let stop = Arc::new(AtomicBool::new(false));
    let claiming = claims(&up, stop.clone()).await;
    let load = OpenLoop::start(up.gateway(), HOST);
    load.answered(STEADY).await;
    for _ in 0..HAND_OVERS {
        let upgraded = up.json(&["upgrade"]);
        println!("a hand-over took {} ms", upgraded["took_ms"]);
        load.answered(STEADY).await;
    }
    load.end(&format!("{HAND_OVERS} hand-overs")).await;
    stop.store(true, Ordering::Relaxed);
    let n = claiming.await.expect("every claim is answered well");
    let known = up.json(&["domains", "list"]).as_array().unwrap().len();
    assert_eq!(known, n + 1, "what was given is there, and alice");
    println!("{n} names were claimed meanwhile, 0 failed");
    let pid = up.run_file()["pid"].to_string();
    let ended = std::process::Command::new("kill").arg(&pid).status().unwrap();
    assert!(ended.success());
    assert!(up.process.end().success(), "the first one has ended well: {}", up.process.said());
    until("the last one's end", || !up.data.join("run.json").exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_a_thousand_requests_a_second_fails_none() {
    let origin = Origin::start("page").await;
    // As long as a busy machine may need to be asked.
    let (mut first, second) = (start("{drain_delay: 5s, drain: 30s}"), start("{}"));
    let _agents = [serving(&first, origin.address).await, serving(&second, origin.address).await];
    let load = OpenLoop::start(first.gateway(), HOST);
    load.answered(STEADY).await;
    first.process.signal("-TERM");
    // What a load balancer does.
    let readyz = format!("{}/readyz", first.run_file()["api"].as_str().unwrap());
    let http = visitor(None);
    while http.get(&readyz).send().await.unwrap().status() != 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.aim(second.gateway());
    load.answered(STEADY).await;
    assert!(first.process.end().success(), "{}", first.process.said());
    load.answered(STEADY).await;
    load.end("a drain").await;
    assert!(!first.process.said().contains("cut off"), "{}", first.process.said());
}
