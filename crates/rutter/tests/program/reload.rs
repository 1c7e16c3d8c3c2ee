//! A reload: what it shows, what it takes, and that nobody who is served notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::origin::Origin;
use crate::support::visit::{get, served, visitor};
use crate::support::{PATIENCE, Up, stderr};

fn file(recheck: &str, more: &str) -> String {
    format!(
        "controller:\ngateway: {{health: {{recheck: {recheck}}}}}\n\
         listeners: {{api: '127.0.0.1:0', link: '127.0.0.1:0', gateway: {{http: '127.0.0.1:0'}}}}\n{more}"
    )
}

const DENY: &str = "tables: {services: {policy: {import: {rules: [{name: no bob, match: \
                    {service_suffix: bob.localhost}, then: {action: deny}}]}}}}\n";

#[test]
fn a_dry_run_shows_and_a_reload_takes() {
    let up = Up::run(tempfile::tempdir().unwrap(), &file("5s", ""));
    let _agent = up.agent("bob", &["127.0.0.1:1"]);
    assert_eq!(up.text(&["reload", "--dry-run"]), "nothing differs\n");

    std::fs::write(up.file(), file("7s", &format!("domain: example.org\n{DENY}"))).unwrap();
    let told = up.json(&["reload", "--dry-run"]);
    let changes: Vec<_> = told["changes"].as_array().unwrap().iter().map(|c| &c["path"]).collect();
    let expected = [
        "domain",
        "gateway.domains",
        "gateway.health.recheck",
        "tables.services.policy.import.rules",
    ];
    assert_eq!(changes, expected);
    assert_eq!(up.json(&["routes", "list"])[0]["standing"], "eligible", "a dry run changed it");

    let told = up.text(&["reload"]);
    assert!(told.contains("domain: localhost -> example.org  (needs a restart)"), "{told}");
    assert_eq!(up.json(&["routes", "list"])[0]["standing"], "denied");
    let left = up.text(&["reload"]);
    assert!(left.contains("domain") && !left.contains("recheck"), "{left}");
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let mut up = Up::run(tempfile::tempdir().unwrap(), &file("5s", ""));
    std::fs::write(up.file(), file("soon", "")).unwrap();
    let refused = up.command(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("rutter.yaml:2:") && told.contains("`soon`"), "{told}");
    up.process.signal("-HUP");
    up.process.says("not reloaded, all goes on as before");
    assert!(up.process.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_under_load_loses_no_request() {
    let origin = Origin::start("page").await;
    let mut up = Up::run(tempfile::tempdir().unwrap(), &file("5s", ""));
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    assert_eq!(served(up.gateway(), "alice.localhost").await.0, 200);
    let (gateway, stop) = (up.gateway(), Arc::new(AtomicBool::new(false)));
    let n_answers = Arc::new(AtomicU64::new(0));
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let (stop, n_answers) = (stop.clone(), n_answers.clone());
        visitors.push(tokio::spawn(async move {
            let client = visitor(None);
            while !stop.load(Ordering::Relaxed) {
                let request = client.get(format!("http://{gateway}/"));
                let answer = request.header("host", "alice.localhost").send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 200);
                answer.bytes().await.unwrap();
                n_answers.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for n in 0..20 {
        let policy = if n % 2 == 0 { DENY } else { "" };
        std::fs::write(up.file(), file(&format!("{}s", n + 10), policy)).unwrap();
        let before = n_answers.load(Ordering::Relaxed);
        up.process.signal("-HUP");
        up.process.says("reloaded: gateway.health.recheck");
        // Requests go on after each.
        while n_answers.load(Ordering::Relaxed) < before + 20 {
            assert!(visitors.iter().all(|v| !v.is_finished()), "a request failed");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("no request fails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_access_log_is_opened_again_on_sigusr1() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let file = format!(
        "controller:\ngateway: {{access_log: {{file: '{}'}}}}\n\
         listeners: {{api: '127.0.0.1:0', link: '127.0.0.1:0', gateway: {{http: '127.0.0.1:0'}}}}\n",
        log.display()
    );
    let mut up = Up::run(dir, &file);
    let gateway = up.gateway();
    let n_lines = |path: &std::path::Path| {
        std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
    };
    let written = async |path: &std::path::Path, n: usize| {
        let until = std::time::Instant::now() + PATIENCE;
        while n_lines(path) < n {
            assert!(std::time::Instant::now() < until, "{} lines", n_lines(path));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    get(gateway, "nobody.localhost").await;
    written(&log, 1).await;
    let rotated = up.path().join("access.log.1");
    std::fs::rename(&log, &rotated).unwrap();
    up.process.signal("-USR1");
    up.process.says("the access log is opened again");
    get(gateway, "nobody.localhost").await;
    written(&log, 1).await;
    assert_eq!(n_lines(&rotated), 1);
}
