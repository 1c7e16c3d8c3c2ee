//! Connections between two requests: what they hold, and that nothing shifts when they give their
//! state back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::time::Duration;

use crate::server::worker::BEAT;
use crate::testing::{Act, Origin, TestGateway, config, get, refused, route, until, with_body};

/// Waits until so many connections hold no more than a socket.
async fn idle(gateway: &TestGateway, n: u64) {
    let metrics = gateway.metrics();
    until("connections to be idle", || metrics.idle_connections.get() == n).await;
}

#[tokio::test]
async fn a_connection_serves_on_after_it_gave_its_state_back() {
    let origin = Origin::start(|m| Act::Ok(m.text())).await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    idle(&gateway, 1).await;
    for round in 0..2 {
        let body = format!("body {round}");
        assert_eq!(client.ask(&with_body("POST", "/", &body)).await.text(), body);
        assert_eq!(client.ask(&get("/")).await.status(), 200);
        idle(&gateway, 1).await;
    }
    // A large answer, read late: written to its end before anything is given back.
    let large = "x".repeat(8 << 20);
    client.send(with_body("POST", "/", &large)).await;
    assert_eq!(client.answer().await.unwrap().text().len(), large.len());
    idle(&gateway, 1).await;
    drop(client);
    let metrics = gateway.metrics();
    until("the end noticed", || metrics.active_connections.get() == 0).await;
    assert_eq!(metrics.connections.get(), 1);
}

#[tokio::test]
async fn a_head_that_begins_before_the_state_is_given_back_and_ends_after_is_one_request() {
    let origin = Origin::named("direct").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    // Two requests and half of a third, in one piece.
    let (half, rest) = ("GET /third HTTP/1.1\r\nHo", "st: alice.nsl.sh\r\n\r\n");
    client.send(format!("{}{}{half}", get("/first"), get("/second"))).await;
    assert_eq!(client.answer().await.unwrap().status(), 200);
    assert_eq!(client.answer().await.unwrap().status(), 200);
    // Three beats: by then its state was given back, and made anew for the half.
    tokio::time::sleep(BEAT * 3).await;
    client.send(rest).await;
    assert_eq!(client.answer().await.unwrap().status(), 200);
    let targets: Vec<_> = origin.seen().iter().map(|m| m.start_line().to_owned()).collect();
    assert_eq!(targets, ["GET /first HTTP/1.1", "GET /second HTTP/1.1", "GET /third HTTP/1.1"]);
}

#[tokio::test]
async fn the_rest_of_a_body_that_nobody_reads_is_no_request() {
    // The name leads nowhere, so the answer comes before the body does.
    let gateway = TestGateway::alice(vec![route("agent/alice", refused().await)]).await;
    let mut client = gateway.client().await;
    let head = "POST / HTTP/1.1\r\nHost: nobody.nsl.sh\r\nContent-Length: 100\r\n\r\n";
    assert_eq!(client.ask(head).await.status(), 404);
    // The connection closes, now or when this comes; in no case is it a request.
    let body = format!("{:<100}", get("/smuggled"));
    if client.try_send(body).await.is_ok() {
        assert!(client.answer().await.is_none());
    }
    assert_eq!(gateway.metrics().upstream_connect_failures.get(), 0);
}

#[tokio::test]
async fn an_origin_that_answers_before_the_body_is_there_leaves_the_framing_whole() {
    let origin = Origin::early("early").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin)]).await;
    let mut client = gateway.client().await;
    client.send("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 80\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().text(), "early");
    tokio::time::sleep(BEAT * 3).await;
    // Bare line feeds, so that the origin takes it for no head either.
    let body = "GET /smuggled HTTP/1.1\nHost: nobody.nsl.sh\nX: ";
    client.send(format!("{body}{}\n\n", "x".repeat(78 - body.len()))).await;
    // What is answered next is the next request, and not what stood in the body.
    assert_eq!(client.ask(&get("/next")).await.text(), "early");
    until("both counted", || gateway.metrics().answers[1].get() >= 2).await;
    assert_eq!(gateway.metrics().answers[1].get(), 2, "a body is no request");
    assert_eq!(gateway.metrics().answers[3].get(), 0);
}

#[tokio::test]
async fn a_head_that_is_too_slow_is_told_so_first_and_later() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.limits.header_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let mut first = gateway.client().await;
    assert_eq!(first.ask("GET / HTTP/1.1\r\nHost: al").await.status(), 408);
    assert!(first.answer().await.is_none(), "and it closes");
    let mut later = gateway.client().await;
    assert_eq!(later.ask(&get("/")).await.status(), 200);
    assert_eq!(later.ask("GET / HTTP/1.1\r\nHost: al").await.status(), 408);
    // Who says nothing gets no answer, before and after a request.
    let mut silent = gateway.client().await;
    assert!(silent.answer().await.is_none());
    let mut sated = gateway.client().await;
    assert_eq!(sated.ask(&get("/")).await.status(), 200);
    assert!(sated.answer().await.is_none());
}

/// Opens connections from outside of tokio: these hold nothing in this process but a descriptor.
fn open(to: SocketAddr, n: usize, request: Option<&str>) -> Vec<StdStream> {
    let connect = || {
        let mut stream = StdStream::connect(to).unwrap();
        stream.set_read_timeout(Some(crate::testing::PATIENCE)).unwrap();
        if let Some(request) = request {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 1024];
            let n = stream.read(&mut answer).unwrap();
            assert!(answer[..n].starts_with(b"HTTP/1.1 200"));
        }
        stream
    };
    std::iter::repeat_with(connect).take(n).collect()
}

/// This process's proportional share of memory, in bytes.
fn pss() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|l| l.starts_with("Pss:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Holds `n` connections open, each after `request` if there is one, in a process that did nothing
/// else before, until they hold at most 4 KiB each: what a burst of requests leaves free with the
/// allocator goes back to the system a little later.
async fn hold(n: usize, request: Option<String>) {
    let origin = Origin::early("direct").await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin)]).await;
    let to = gateway.address();
    let metrics = gateway.metrics();
    drop(open(to, 10, request.as_deref()));
    until("nobody", || metrics.active_connections.get() == 0).await;
    let before = pss();
    let opened = tokio::task::spawn_blocking(move || open(to, n, request.as_deref()));
    let opened = opened.await.unwrap();
    idle(&gateway, n as u64).await;
    let each = || pss().saturating_sub(before) / n as u64;
    until("4 KiB a connection", || each() <= 4096).await;
    println!("{} bytes a connection, {n} of them", each());
    drop(opened);
}

/// How many connections are measured: `RUTTER_IDLE` of them, whose two ends are this process's.
fn n_measured() -> usize {
    std::env::var("RUTTER_IDLE").map_or(3000, |n| n.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_says_nothing_holds_at_most_4_kib() {
    hold(n_measured(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_idle_after_a_request_holds_at_most_4_kib() {
    hold(n_measured(), Some(get("/"))).await;
}
