//! One program hands over to another, or can't and goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::heir::Heir;
use crate::support::origin::Origin;
use crate::support::visit::{get, served};
use crate::support::{PATIENCE, Up, stderr};

const FILE: &str = "controller:\ngateway: {limits: {drain: 2s}}\nlisteners:\n  \
    api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  compat: {mesh_router: '127.0.0.1:0'}\n  gateway: {http: '127.0.0.1:0'}\n";

fn start(file: &str) -> Up {
    Up::run(tempfile::tempdir().unwrap(), file)
}

fn addresses(run: &Value) -> Vec<Value> {
    ["api", "gateway", "link", "mesh_router"].iter().map(|key| run[key].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_process_has_the_addresses_the_routes_and_the_directory() {
    let origin = Origin::start("page").await;
    let mut up = start(FILE);
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    assert_eq!(served(up.gateway(), "alice.localhost").await.0, 200);
    let before = up.run_file();

    let upgraded = up.json(&["upgrade"]);
    let first = Heir::of(&up);
    assert_eq!(upgraded["pid"], first.0, "run.json is the new one's when it is told");
    assert_ne!(upgraded["pid"], before["pid"]);
    assert_eq!(addresses(&up.run_file()), addresses(&before));
    assert_eq!(get(up.gateway(), "alice.localhost").await, (200, "page".to_owned()));
    assert_eq!(up.json(&["routes", "list"]).as_array().unwrap().len(), 1);
    assert!(up.process.end().success(), "the old one ends by itself: {}", up.process.said());

    // Its own successor has it from it, by a signal this time.
    assert!(first.signal("-USR2"));
    let until = Instant::now() + PATIENCE;
    while up.run_file()["pid"] == first.0 {
        assert!(Instant::now() < until, "no second hand-over: {}", up.process.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = Heir::of(&up);
    up.text(&["domains", "add", "bob"]);
    assert_eq!(up.json(&["domains", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(get(up.gateway(), "alice.localhost").await.0, 200);
    second.end();
    assert!(!up.data.join("run.json").exists());
    assert!(!up.data.join("control.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_cant_start_leaves_everything_as_it_was() {
    let origin = Origin::start("page").await;
    let up = start(FILE);
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    assert_eq!(served(up.gateway(), "alice.localhost").await.0, 200);
    let before = up.run_file();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let two = |http: &str| FILE.replace("{http: '127.0.0.1:0'}", http);
    let binary = |path: &Path| path.to_string_lossy().into_owned();
    let nothing = up.path().join("nothing");
    let plain = up.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    let cases = [
        // Never begins, or ends at once.
        (vec!["--binary".to_owned(), binary(&nothing)], None, "can't be run"),
        (vec!["--binary".to_owned(), binary(&plain)], None, "can't be started"),
        (vec!["--binary".to_owned(), "/bin/false".to_owned()], None, "it ended before"),
        // Says why before it has anything.
        (vec![], Some(format!("{FILE}bogus: 1\n")), "unknown key `bogus`"),
        // Has the directory when it fails.
        (
            vec![],
            Some(two(&format!("{{http: '127.0.0.1:0', https: '127.0.0.1:{port}'}}"))),
            "another program listens on port",
        ),
    ];
    for (number, (arguments, file, said)) in cases.into_iter().enumerate() {
        std::fs::write(up.file(), file.unwrap_or_else(|| FILE.to_owned())).unwrap();
        let mut all = vec!["upgrade"];
        all.extend(arguments.iter().map(String::as_str));
        let failed = up.command(&all);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(stderr(&failed).contains(said), "no `{said}` in: {}", stderr(&failed));
        assert_eq!(up.run_file(), before);
        assert_eq!(get(up.gateway(), "alice.localhost").await.0, 200);
        up.text(&["domains", "add", &format!("name{number}")]);
    }
    assert_eq!(up.json(&["domains", "list"]).as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_process_has_the_listeners_of_its_own_file() {
    let origin = Origin::start("page").await;
    let mut up = start(FILE);
    let _agent = up.agent("alice", &[&origin.address.to_string()]);
    let (before, gateway) = (up.run_file(), up.gateway());
    assert_eq!(served(gateway, "alice.localhost").await.0, 200);
    // Mesh Router's listener goes, HTTPS comes; the port of HTTP stays as it was found.
    let file = FILE
        .replace("compat: {mesh_router: '127.0.0.1:0'}\n  ", "")
        .replace("{http: '127.0.0.1:0'}", "{http: '127.0.0.1:0', https: '127.0.0.1:0'}");
    std::fs::write(up.file(), file).unwrap();
    up.text(&["upgrade"]);
    let heir = Heir::of(&up);
    assert!(up.process.end().success());
    let after = up.run_file();
    assert_eq!(after["gateway"][0], before["gateway"][0]);
    assert_eq!(after["gateway"].as_array().unwrap().len(), 2);
    assert_eq!(after["mesh_router"], Value::Null);
    let gone = before["mesh_router"].as_str().unwrap().trim_start_matches("http://");
    assert!(std::net::TcpStream::connect(gone).is_err(), "nobody listens there any more");
    assert_eq!(get(gateway, "alice.localhost").await.0, 200);
    heir.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_who_is_ready_and_who_is_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let n = socket.recv(&mut bytes).expect("a word in time");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    };
    let up = Up::start_with(tempfile::tempdir().unwrap(), &[], &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(heard(), format!("READY=1\nMAINPID={}", up.process.pid()));
    up.text(&["upgrade"]);
    let heir = Heir::of(&up);
    let mut said = [heard(), heard()];
    said.sort();
    let pid = heir.0;
    assert_eq!(said, [format!("MAINPID={pid}"), format!("READY=1\nMAINPID={pid}")]);
    heir.end();
    assert_eq!(heard(), "STOPPING=1");
}
