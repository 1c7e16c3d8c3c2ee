//! Bodies that are larger than they may be: what the client, the origin and the log see.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::access::{AccessLogConfig, AccessLogFormat};
use crate::testing::{
    Act, Origin, PATIENCE, TestGateway, any_port, config, get, refused, route, until, with_body,
};

const MAX: usize = 1000;

async fn bounded(routes: Vec<crate::feed::RouteSpec>, log: Option<&Path>) -> TestGateway {
    let mut config = config();
    config.limits.max_body_bytes = MAX as u64;
    config.access_log = log
        .map(|file| AccessLogConfig { file: Some(file.to_owned()), format: AccessLogFormat::Json });
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", routes).await;
    gateway
}

/// The head of a `POST` whose body comes in chunks.
fn chunked(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n")
}

fn chunk(size: usize) -> String {
    format!("{size:x}\r\n{}\r\n", "x".repeat(size))
}

/// The last line of the log, once there are so many.
async fn line(file: &Path, n: usize) -> Value {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    until("lines in the log", || read().lines().count() >= n).await;
    serde_json::from_str(read().lines().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let origin = Origin::start(|m| Act::Ok(m.body.len().to_string())).await;
    let routes = vec![route("agent/alice", origin.address)];
    let gateway = bounded(routes, Some(&file)).await;
    let at_the_bound = gateway.ask(&with_body("POST", "/", &"x".repeat(MAX))).await;
    assert_eq!((at_the_bound.status(), at_the_bound.text()), (200, MAX.to_string()));
    let said = MAX + 1;
    for extra in ["", "Expect: 100-continue\r\n"] {
        let mut client = gateway.client().await;
        let head = format!(
            "PUT / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: {said}\r\n{extra}\r\n"
        );
        // Whoever waits for a 100 gets this in its place: the first answer is the last.
        let answer = client.ask(&head).await;
        assert_eq!(answer.status(), 413, "{extra:?}");
        assert_eq!(answer.header("x-rutter-error"), Some("BODY_TOO_LARGE"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.answer().await.is_none(), "the connection ends");
    }
    assert_eq!(origin.seen().len(), 1, "nothing of them was sent");
    assert_eq!(origin.n_connections(), 1);
    assert_eq!(gateway.metrics().large_bodies.get(), 2);
    let line = line(&file, 3).await;
    assert_eq!((&line["status"], &line["error"]), (&413.into(), &"BODY_TOO_LARGE".into()));
    assert_eq!((&line["sent_upstream"], &line["bytes_in"]), (&false.into(), &0.into()));
}

#[tokio::test]
async fn chunks_are_counted_and_the_origin_never_sees_a_shorter_body_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let cases = [
        vec![MAX + 1],
        vec![MAX, 1],
        vec![1, MAX],
        vec![300; 4],
        vec![1; MAX + 1],
        // More than the connection's buffers hold at once.
        vec![MAX, 300_000],
    ];
    for (n, sizes) in cases.iter().enumerate() {
        for method in ["POST", "PUT"] {
            let _fresh_log = std::fs::remove_file(&file);
            let origin = Origin::named("direct").await;
            let tunnel = Origin::named("tunnel").await;
            let routes =
                vec![route("agent/alice", origin.address), route("tunnel/alice", tunnel.address)];
            let gateway = bounded(routes, Some(&file)).await;
            let mut client = gateway.client().await;
            client.send(chunked(method)).await;
            let body: String = sizes.iter().map(|size| chunk(*size)).collect();
            // The gateway may have closed before it has taken all.
            let _closed = client.try_send(format!("{body}0\r\n\r\n{}", get("/smuggled"))).await;
            let answer = client.answer().await.expect("an answer");
            assert_eq!(answer.status(), 413, "case {n} {method}");
            assert_eq!(answer.header("connection"), Some("close"), "case {n} {method}");
            assert!(client.answer().await.is_none(), "case {n} {method}: and it closes");
            assert!(origin.seen().iter().all(|m| !m.complete), "case {n}: {:?}", origin.seen());
            assert!(tunnel.seen().is_empty(), "case {n} {method}: it went nowhere else");
            assert_eq!(gateway.metrics().large_bodies.get(), 1, "case {n} {method}");
            let line = line(&file, 1).await;
            assert_eq!((&line["status"], &line["error"]), (&413.into(), &"BODY_TOO_LARGE".into()));
        }
    }
}

#[tokio::test]
async fn chunks_up_to_the_bound_pass_and_a_second_try_does_not_count_them_again() {
    let direct = Origin::start(|_| Act::Close).await;
    let tunnel = Origin::start(|m| Act::Ok(m.body.len().to_string())).await;
    let routes = vec![route("agent/alice", direct.address), route("tunnel/alice", tunnel.address)];
    let gateway = bounded(routes, None).await;
    let body = format!("{}{}{}0\r\n\r\n", chunked("PUT"), chunk(MAX - 1), chunk(1));
    let answer = gateway.ask(&body).await;
    assert_eq!((answer.status(), answer.text()), (200, MAX.to_string()));
    assert_eq!((direct.seen().len(), tunnel.seen().len()), (1, 1));
    assert_eq!(gateway.metrics().large_bodies.get(), 0);
}

#[tokio::test]
async fn without_a_route_that_connects_a_body_is_not_read_at_all() {
    let gateway = bounded(vec![route("agent/alice", refused().await)], None).await;
    let mut client = gateway.client().await;
    client.send(format!("{}{}0\r\n\r\n", chunked("POST"), chunk(MAX + 1))).await;
    assert_eq!(client.answer().await.unwrap().status(), 502);
    assert_eq!(gateway.metrics().large_bodies.get(), 0);
}

/// An origin that begins its answer with the head and never ends it; says when it was cut off.
async fn begins_and_waits() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, cuts) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let cut = cut.clone();
            tokio::spawn(async move {
                let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if got.is_empty() {
                        let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
                        stream.write_all(begun).await.unwrap();
                    }
                    got.extend_from_slice(&buffer[..n]);
                }
                cut.send(got).unwrap();
            });
        }
    });
    (address, cuts)
}

#[tokio::test]
async fn an_answer_that_had_begun_breaks_off_and_the_route_is_not_blamed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let (origin, mut cuts) = begins_and_waits().await;
    let mut rounds = 0;
    let gateway = bounded(vec![route("agent/alice", origin)], Some(&file)).await;
    // One more than the failures that eject a route.
    while rounds < 5 {
        rounds += 1;
        let mut client = gateway.client().await;
        client.send(format!("{}{}", chunked("POST"), chunk(10))).await;
        let mut begun = [0; 12];
        client.stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200");
        client.send(chunk(MAX)).await;
        let mut rest = Vec::new();
        // A reset is an end like another.
        let read = client.stream.read_to_end(&mut rest);
        let _end = tokio::time::timeout(PATIENCE, read).await.expect("the connection ends");
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "there is one answer");
        let seen = tokio::time::timeout(PATIENCE, cuts.recv()).await.unwrap().unwrap();
        assert!(!seen.ends_with(b"0\r\n\r\n"), "cut, not ended");
        let line = line(&file, rounds).await;
        assert_eq!((&line["status"], &line["error"]), (&200.into(), &"BODY_TOO_LARGE".into()));
        assert_eq!(line["complete"], false);
    }
    let metrics = gateway.metrics();
    assert_eq!((metrics.ejections.get(), metrics.ejections_spared.get()), (0, 0));
    assert_eq!(metrics.large_bodies.get(), 5);
}

#[tokio::test]
async fn whoever_is_still_sending_when_it_is_refused_hears_why() {
    let origin = Origin::named("direct").await;
    let gateway = bounded(vec![route("agent/alice", origin.address)], None).await;
    let large = 4 << 20;
    let whole = with_body("POST", "/", &"x".repeat(large));
    let in_chunks = format!("{}{}0\r\n\r\n", chunked("POST"), chunk(large));
    for request in [whole, in_chunks] {
        // As a client that writes all before it reads.
        let mut client = gateway.client().await;
        client.send(&request).await;
        assert_eq!(client.answer().await.expect("an answer").status(), 413);
    }
}
