//! The wire as somebody else reads it: `nnetman.py`, which has a description of the messages of its
//! own, plays the golden rows as a client of our host and an original as its peer.
//!
//! It runs in the virtual environment that `cargo xtask test` makes; without it the test says that
//! it compares with nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_overlay::compat::nnetman::config;
use rutter_overlay::{Listener, Parting, PeerName, Speaker, SpeakerSpec, Timers, import};
use rutter_rib::Book;
use rutter_route::{Incarnation, Prefix, TableName};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio_util::sync::CancellationToken;

const NODE_A: &str = "
version: 2
node: {id: node-a}
overlays:
  - vni: 100
    name: vx100
    bridge: {name: br100, ipv4: 10.100.0.1/24}
    routing:
      export: {networks: [172.16.10.0/24]}
      import: {allow: [172.16.0.0/16], deny: [172.16.99.0/24], install: {table: 100}}
  - vni: 200
    name: vx200
    bridge: {name: br200, ipv4: 10.200.0.1/24}
    routing: {import: {accept_all: true, install: {table: 200}}}
peers:
  - {id: p1, endpoint: {address: 127.0.0.1}}
  - {id: p2, endpoint: {address: 127.0.0.1}, vnis: [100]}
rutter: {insecure: true}
";

/// Nobody listens there.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// A hang guard, never a measure.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), what).await.expect("it should have come by now")
}

/// A host whose peer p1 is at this address, and the other nowhere.
async fn host(p1_at: SocketAddr) -> (Speaker, BookHandle, SocketAddr) {
    let mut config = config::read("netman.yaml", NODE_A).unwrap().config;
    let quick = Timers { keepalive: Duration::from_millis(200), dead: Duration::from_secs(3) };
    config.peers.iter_mut().for_each(|peer| peer.timers_of_original = quick);
    let (tables, now) = (import::tables(&config), SystemClock.now());
    let book = Book::new("home".parse().unwrap(), tables, vec![], vec![], now, 1).unwrap();
    let (book, _owner) = rutter_book::spawn(book, SystemClock, 1, CancellationToken::new());
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, base) = (listener.address(), Incarnation(now.wall.0));
    let at: BTreeMap<PeerName, SocketAddr> =
        [("p1", p1_at), ("p2", NOWHERE)].map(|(peer, at)| (peer.parse().unwrap(), at)).into();
    let spec = SpeakerSpec { at, ..SpeakerSpec::new(config, base) };
    let speaker = Speaker::start(spec, book.clone(), listener).await.unwrap();
    (speaker, book, address)
}

/// The other's program; `None`, with a word about it, where it isn't installed.
fn other(arguments: &[&str]) -> Option<Command> {
    // The target directory, where `xtask` puts it.
    let python: PathBuf =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("grpcio/bin/python");
    if !python.is_file() {
        eprintln!("compared with nothing: `cargo xtask test` installs grpcio");
        return None;
    }
    let mut command = Command::new(python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/nnetman.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Some(command)
}

#[tokio::test]
async fn another_client_sees_the_golden_rows() {
    let (host, _book, address) = host(NOWHERE).await;
    let address = address.to_string();
    if let Some(mut client) = other(&["client", &address]) {
        let output = soon(client.output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.trim_end() == "ok", "{said}");
    }
    soon(host.end(Parting::Goodbye)).await;
}

/// The next call that the other heard, questions whether it is there apart.
async fn heard(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    loop {
        let line = soon(lines.next_line()).await.unwrap().expect("it should go on telling");
        if !line.contains(r#""call": "ExchangeState""#) || !line.contains(r#""routes": []"#) {
            return line;
        }
    }
}

#[tokio::test]
async fn another_server_is_told_as_an_original_wants_it() {
    let Some(mut server) = other(&["server"]) else { return };
    let mut server = server.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port: u16 = soon(lines.next_line()).await.unwrap().unwrap().parse().unwrap();

    // It is asked for `rutter.v1` first, which it doesn't know.
    let (host, book, _) = host(([127, 0, 0, 1], port).into()).await;

    let first = heard(&mut lines).await;
    for part in [
        r#""call": "ExchangeState""#,
        r#""node_id": "node-a""#,
        r#""prefix": "172.16.10.0/24", "next_hop": "10.100.0.1", "metric": 100"#,
        r#""lease_seconds": 30"#,
        r#""vni": 100"#,
    ] {
        assert!(first.contains(part), "{part} isn't in {first}");
    }
    // Its own route has no next hop, so it is there, and waits for one.
    let table: TableName = "overlay/100".parse().unwrap();
    let theirs: Prefix = "172.16.20.0/24".parse().unwrap();
    let there = async {
        loop {
            let explained = book.explain(table.clone(), theirs).await.unwrap().unwrap();
            if let Some(candidate) = explained.candidates.first() {
                return format!("{:?}", candidate.standing);
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(soon(there).await, "Unresolved");

    let ending = tokio::spawn(async move { host.end(Parting::Goodbye).await });
    let last = heard(&mut lines).await;
    assert!(last.contains("WithdrawRoutes") && last.contains("172.16.10.0/24"), "{last}");
    soon(ending).await.unwrap();
    drop(server.stdin.take());
    assert!(soon(server.wait()).await.unwrap().success());
}
