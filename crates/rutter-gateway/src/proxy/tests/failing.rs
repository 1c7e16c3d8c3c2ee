//! Failover inside a request: what is sent again, what isn't; the origins count.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::testing::{Act, Origin, PATIENCE, TestGateway, get, refused, route, until, with_body};

/// A gateway with a direct route and a tunnel route behind it.
async fn two(direct: std::net::SocketAddr, tunnel: &Origin) -> TestGateway {
    TestGateway::alice(vec![route("agent/alice", direct), route("tunnel/alice", tunnel.address)])
        .await
}

#[tokio::test]
async fn after_a_refused_connect_any_method_goes_to_the_next_route_with_its_body() {
    let tunnel = Origin::start(|m| Act::Ok(format!("tunnel got {}", m.text()))).await;
    let gateway = two(refused().await, &tunnel).await;
    let big = "x".repeat(300 * 1024);
    for (method, body) in
        [("GET", ""), ("POST", "order"), ("PATCH", "p"), ("PUT", "q"), ("POST", big.as_str())]
    {
        let request = with_body(method, "/", body).replace("Host:", "X-Mesh-Trace: 1\r\nHost:");
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(answer.text(), format!("tunnel got {body}"), "{method}");
        assert!(matches!(answer.header("x-mesh-route"), Some("agent,tunnel,pcs" | "tunnel,pcs")));
    }
    assert_eq!(tunnel.seen().len(), 5);
}

#[tokio::test]
async fn a_post_that_is_out_is_sent_once_and_answered_502_once() {
    let direct = Origin::start(|_| Act::Close).await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    for request in [with_body("POST", "/", "order"), with_body("PATCH", "/", "order")] {
        let mut client = gateway.client().await;
        let answer = client.ask(&request).await;
        assert_eq!(answer.status(), 502);
        assert!(answer.text().contains("BACKEND_FAILED"), "{}", answer.text());
        // And nothing behind it: the connection goes on with the next request, or ends.
        client.send("GET / HTTP/1.1\r\nHost: nobody.nsl.sh\r\n\r\n").await;
        assert!(client.answer().await.is_none_or(|a| a.status() == 404));
    }
    assert_eq!(direct.seen().len(), 2);
    assert_eq!(tunnel.seen().len(), 0);
    assert_eq!(gateway.metrics().retries_refused.get(), 2);
    assert_eq!(gateway.metrics().failovers.get(), 0);
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_with_a_body_up_to_64_kib() {
    let direct = Origin::start(|_| Act::Close).await;
    let tunnel = Origin::start(|m| Act::Ok(m.body.len().to_string())).await;
    let gateway = two(direct.address, &tunnel).await;
    for size in [0, 1, 1000, 64 * 1024] {
        let answer = gateway.ask(&with_body("PUT", "/", &"x".repeat(size))).await;
        assert_eq!((answer.status(), answer.text()), (200, size.to_string()), "{size}");
    }
    let chunked = format!(
        "PUT / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nabcde\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        1000,
        "y".repeat(1000)
    );
    assert_eq!(gateway.ask(&chunked).await.text(), "1005");
    let bodies: Vec<_> = tunnel.seen().iter().map(|m| m.body.len()).collect();
    assert_eq!(bodies, [0, 1, 1000, 64 * 1024, 1005]);
}

#[tokio::test]
async fn an_idempotent_request_with_a_larger_body_is_sent_once() {
    let direct = Origin::start(|_| Act::Close).await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    let answer = gateway.ask(&with_body("PUT", "/", &"x".repeat(64 * 1024 + 1))).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(direct.seen().len(), 1);
    assert_eq!(tunnel.seen().len(), 0);
}

#[tokio::test]
async fn once_a_byte_of_an_answer_came_nothing_is_sent_again() {
    let partial: [&[u8]; 3] =
        [b"H", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"];
    for bytes in partial {
        let direct = Origin::start(move |_| Act::RawThenClose(bytes.to_vec())).await;
        let tunnel = Origin::named("tunnel").await;
        let gateway = two(direct.address, &tunnel).await;
        assert_eq!(gateway.ask(&get("/")).await.status(), 502);
        assert_eq!((direct.seen().len(), tunnel.seen().len()), (1, 0));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_body_is_seen_as_broken() {
    let direct = Origin::start(|_| {
        Act::RawThenClose(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec())
    })
    .await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.complete);
    assert_eq!(tunnel.seen().len(), 0);
}

#[tokio::test]
async fn a_stale_pooled_connection_is_no_fault_of_the_route() {
    // The origin closes each connection after one answer, without saying so.
    let direct = Origin::start(|m| {
        let body = m.text();
        let n = body.len();
        Act::RawThenClose(format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n{body}").into())
    })
    .await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    let mut client = gateway.client().await;
    for n in 0..50 {
        let body = format!("order {n}");
        let answer = client.ask(&with_body("PUT", "/", &body)).await;
        assert_eq!((answer.status(), answer.text()), (200, body));
    }
    assert_eq!(direct.seen().len(), 50);
    assert_eq!(tunnel.seen().len(), 0);
    assert_eq!(gateway.metrics().failovers.get(), 0);
}

#[tokio::test]
async fn a_post_on_a_connection_closed_while_idle_goes_out_anew() {
    let direct = Origin::named("direct").await;
    let address = direct.address;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(address, &tunnel).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(&get("/")).await.text(), "direct");
    // Its process ends; the gateway still has the connection in its pool.
    direct.kill().await;
    let answer = client.ask(&with_body("POST", "/", "order")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "tunnel"));
    assert_eq!(tunnel.seen().len(), 1);
    assert_eq!(tunnel.seen()[0].text(), "order");
}

#[tokio::test]
async fn a_killed_origin_with_requests_unanswered_fails_only_what_may_not_be_repeated() {
    let direct = Origin::start(|_| Act::Hang).await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    let (mut getter, mut poster) = (gateway.client().await, gateway.client().await);
    getter.send(get("/")).await;
    poster.send(with_body("POST", "/", "order")).await;
    direct.got(2).await;
    direct.kill().await;
    let got = getter.answer().await.unwrap();
    assert_eq!((got.status(), got.text().as_str()), (200, "tunnel"));
    assert_eq!(poster.answer().await.unwrap().status(), 502);
    let lines: Vec<_> = tunnel.seen().iter().map(|m| m.start_line().to_owned()).collect();
    assert_eq!(lines, ["GET / HTTP/1.1"]);
}

#[tokio::test]
async fn an_origin_that_is_too_slow_is_504_and_nobody_else_gets_the_request() {
    let direct = Origin::start(|_| Act::Hang).await;
    let tunnel = Origin::named("tunnel").await;
    let mut config = crate::testing::config();
    config.upstream.response_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    let routes = vec![route("agent/alice", direct.address), route("tunnel/alice", tunnel.address)];
    gateway.set("alice.nsl.sh", routes).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("BACKEND_TIMEOUT"));
    assert_eq!(tunnel.seen().len(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_fault_of_the_route() {
    let direct = Origin::named("direct").await;
    let tunnel = Origin::named("tunnel").await;
    let gateway = two(direct.address, &tunnel).await;
    for _ in 0..6 {
        let mut client = gateway.client().await;
        client.send("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 9\r\n\r\nhalf").await;
        until("the connection upstream", || gateway.metrics().upstream_connects.get() > 0).await;
        drop(client);
    }
    until("all clients gone", || gateway.metrics().active_connections.get() == 0).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "direct");
    assert_eq!((direct.seen().iter().filter(|m| m.complete).count(), tunnel.seen().len()), (1, 0));
}

#[tokio::test]
async fn when_every_route_fails_the_client_gets_one_502_that_lists_them() {
    let (a, b) = (refused().await, refused().await);
    let gateway = TestGateway::alice(vec![route("agent/alice", a), route("tunnel/alice", b)]).await;
    let answer =
        gateway.ask("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nX-Mesh-Trace: 1\r\n\r\n").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.header("x-mesh-route"), Some("agent,tunnel,failed"));
    assert_eq!(gateway.metrics().routes_exhausted.get(), 1);
}

#[tokio::test]
async fn the_body_is_read_only_for_a_connection_that_exists() {
    // The client waits for 100 before it sends: with the first route refused and the second
    // alive, it must be asked once, and its body must arrive whole.
    let tunnel = Origin::start(|m| Act::Ok(m.text())).await;
    let gateway = two(refused().await, &tunnel).await;
    let mut client = gateway.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 5\r\n\
             Expect: 100-continue\r\n\r\n",
        )
        .await;
    let mut interim = [0; 25];
    let read = tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut interim);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("order").await;
    assert_eq!(client.answer().await.unwrap().text(), "order");
    assert_eq!(tunnel.seen()[0].header("expect"), None);
}

#[tokio::test]
async fn a_request_on_two_failing_routes_is_tried_once_on_each() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let close = |_: &crate::testing::Message| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Act::Close
    };
    let (direct, tunnel) = (Origin::start(close).await, Origin::start(close).await);
    let gateway = two(direct.address, &tunnel).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 502);
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_upload_that_goes_on_may_take_longer_than_an_answer() {
    let origin = Origin::start(|m| Act::Ok(m.body.len().to_string())).await;
    let mut config = crate::testing::config();
    config.upstream.response_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    client.send("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 20\r\n\r\n").await;
    let mut tick = tokio::time::interval(Duration::from_millis(25));
    for _ in 0..20 {
        tick.tick().await;
        client.send("x").await;
    }
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "20"));
}
