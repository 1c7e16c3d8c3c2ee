//! Upstreams that speak HTTP/2, without TLS and with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::testing::{
    Act, Authority, H2Origin, Origin, PATIENCE, RawClient, TestGateway, any_port, config, get,
    say_h2, spec, until, with_body,
};
use crate::upstream::Roots;

fn h2c(source: &str, at: std::net::SocketAddr) -> crate::feed::RouteSpec {
    spec(source, &format!("h2c://{at}"))
}

#[tokio::test]
async fn a_request_of_http1_reaches_an_origin_of_http2() {
    let origin = H2Origin::start(None, |n, request, mut answer| async move {
        let (body, _) = crate::testing::read_h2(request.into_body()).await;
        let head = Response::builder().status(if n == 0 { 200 } else { 201 });
        let head = head.header("x-length", body.len()).body(()).unwrap();
        let mut send = answer.send_response(head, false).unwrap();
        send.send_data(Bytes::from(body), true).unwrap();
    })
    .await;
    let gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    let request = "GET /path?q=1 HTTP/1.1\r\nHost: Alice.nsl.sh:80\r\nConnection: keep-alive, x-own\r\n\
                   X-Own: 1\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\n\r\n";
    assert_eq!(client.ask(request).await.status(), 200);
    let echoed = client.ask(&with_body("POST", "/post", "a body")).await;
    assert_eq!((echoed.status(), echoed.text().as_str()), (201, "a body"));

    let heads = origin.heads();
    assert_eq!(heads[0].uri().to_string(), "http://Alice.nsl.sh:80/path?q=1");
    let headers = heads[0].headers();
    for name in ["host", "connection", "x-own", "keep-alive", "transfer-encoding", "upgrade"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["x-forwarded-method"], "GET");
    assert_eq!(headers["x-forwarded-uri"], "/path?q=1");
    assert_eq!(heads[1].headers()["content-length"], "6");
    assert_eq!(origin.n_connections(), 1);
    let metrics = gateway.metrics();
    assert_eq!((metrics.upstream_connects.get(), metrics.upstream_reuses.get()), (1, 1));
}

#[tokio::test]
async fn large_bodies_pass_both_ways_whoever_speaks_what() {
    // Echoes as it reads, so that both ways are full at once.
    let origin = H2Origin::start(None, |_, request, mut answer| async move {
        let mut send = answer.send_response(Response::new(()), false).unwrap();
        let mut body = request.into_body();
        while let Some(Ok(mut chunk)) = body.data().await {
            while !chunk.is_empty() {
                send.reserve_capacity(chunk.len());
                let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
                let room = room.unwrap().unwrap().min(chunk.len());
                body.flow_control().release_capacity(room).unwrap();
                send.send_data(chunk.split_to(room), false).unwrap();
            }
        }
        send.send_data(Bytes::new(), true).unwrap();
    })
    .await;
    let gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    let sent: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let (from, mut to) = stream.into_split();
    let (head, body) = (with_body("POST", "/", ""), sent.clone());
    let head = head.replace("Content-Length: 0", &format!("Content-Length: {}", sent.len()));
    let sending = tokio::spawn(async move {
        to.write_all(head.as_bytes()).await.unwrap();
        to.write_all(&body).await.unwrap();
        to
    });
    let mut client = RawClient::new(tokio::io::join(from, tokio::io::sink()));
    let echoed = client.answer().await.unwrap();
    assert_eq!(echoed.status(), 200);
    assert!(echoed.body == sent, "{} of {}", echoed.body.len(), sent.len());
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn many_requests_share_a_connection_and_more_than_it_takes_open_another() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let origin = H2Origin::start(None, move |n, request, answer| {
        let mut gate = gate.clone();
        async move {
            if n > 0 {
                gate.wait_for(|open| *open).await.unwrap();
            }
            say_h2(request, answer, "shared").await;
        }
    })
    .await;
    let gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    let mut clients = Vec::new();
    for n in 0..=70 {
        clients.push(gateway.client().await);
        clients[n].send(get("/")).await;
        if n == 0 {
            assert_eq!(clients[0].answer().await.unwrap().text(), "shared");
            continue;
        }
        until("the request at the origin", || origin.heads().len() == n + 1).await;
        // 64 at once on one.
        assert_eq!(origin.n_connections(), if n <= 64 { 1 } else { 2 }, "request {n}");
    }
    release.send(true).unwrap();
    for client in clients.iter_mut().skip(1) {
        assert_eq!(client.answer().await.unwrap().text(), "shared");
    }
}

#[tokio::test]
async fn tls_upstreams_choose_the_version_and_upgrades_are_of_http1() {
    let authority = Authority::new("public");
    let identity = authority.sign(&["alice.nsl.sh"]);
    let both = identity.acceptor_with_alpn(&["h2", "http/1.1"]);
    let h2 = H2Origin::start(Some(both), |_, request, answer| say_h2(request, answer, "h2")).await;
    let only = identity.acceptor_with_alpn(&["http/1.1"]);
    let http1 = Origin::at(any_port(), Some(only), |_| Act::Ok("http/1.1".to_owned())).await;
    let silent =
        Origin::at(any_port(), Some(identity.acceptor()), |m| Act::Ok(m.start_line().to_owned()))
            .await;
    let mut config = config();
    config.upstream.roots = Roots::Only(vec![authority.certificate.clone()]);
    let mut gateway = TestGateway::start(config).await;
    for (at, expected) in
        [(h2.address, "h2"), (http1.address, "http/1.1"), (silent.address, "GET / HTTP/1.1")]
    {
        gateway.set("alice.nsl.sh", vec![spec("agent/alice", &format!("https://{at}"))]).await;
        let mut client = gateway.client().await;
        for _ in 0..2 {
            assert_eq!(client.ask(&get("/")).await.text(), expected);
        }
    }
    assert_eq!(h2.heads()[0].uri().scheme_str(), Some("https"));
    assert_eq!((h2.n_connections(), http1.n_connections()), (1, 1));
}

#[tokio::test]
async fn an_upgrade_over_tls_is_asked_for_in_http1_and_over_h2c_refused() {
    use futures_util::{SinkExt, StreamExt};

    let authority = Authority::new("public");
    let tls = authority.sign(&["alice.nsl.sh"]).acceptor_with_alpn(&["h2", "http/1.1"]);
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tls.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let message = socket.next().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
    });
    let mut config = config();
    config.upstream.roots = Roots::Only(vec![authority.certificate.clone()]);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![spec("agent/alice", &format!("https://{address}"))]).await;
    let stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://alice.nsl.sh/", stream).await.unwrap();
    socket.send("over TLS".into()).await.unwrap();
    let echoed = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echoed.into_text().unwrap(), "over TLS");
    echo.await.unwrap();

    let origin = H2Origin::named("never").await;
    gateway.set("alice.nsl.sh", vec![h2c("agent/alice", origin.address)]).await;
    let upgrade = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: upgrade\r\n\
                   Upgrade: websocket\r\n\r\n";
    let refused = gateway.ask(upgrade).await;
    assert_eq!((refused.status(), refused.header("x-rutter-error")), (501, Some("NO_UPGRADE")));
    assert_eq!(origin.n_connections(), 0);
}

/// An origin of HTTP/2 that resets each request with that reason, once it has its body.
async fn resetting(reason: Reason) -> H2Origin {
    H2Origin::start(None, move |_, request, mut answer| async move {
        crate::testing::read_h2(request.into_body()).await;
        answer.send_reset(reason);
    })
    .await
}

#[tokio::test]
async fn what_an_upstream_refused_goes_on_and_what_it_may_have_done_does_not() {
    let good = Origin::named("next").await;
    // The method, how the stream is reset, and what the client gets.
    let cases = [
        ("POST", Reason::REFUSED_STREAM, 200),
        ("GET", Reason::REFUSED_STREAM, 200),
        ("POST", Reason::INTERNAL_ERROR, 502),
        ("POST", Reason::CANCEL, 502),
        ("PUT", Reason::INTERNAL_ERROR, 200),
        ("GET", Reason::INTERNAL_ERROR, 200),
    ];
    for (method, reason, status) in cases {
        let bad = resetting(reason).await;
        let routes = vec![
            h2c("agent/alice", bad.address),
            spec("tunnel/alice", &format!("http://{}", good.address)),
        ];
        let gateway = TestGateway::alice(routes).await;
        let before = good.seen().len();
        let answer = gateway.ask(&with_body(method, "/", "the body")).await;
        assert_eq!(answer.status(), status, "{method} {reason:?}: {}", answer.text());
        assert_eq!(bad.heads().len(), 1, "{method} {reason:?}");
        let seen = good.seen();
        assert_eq!(seen.len() - before, usize::from(status == 200), "{method} {reason:?}");
        if status == 200 {
            assert_eq!(seen[before].text(), "the body", "{method} {reason:?}");
        }
    }
}

/// Says GOAWAY to the first request on each connection, beyond which it lies, and closes.
async fn going_away() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let (address, n) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = n.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(&SETTINGS).await.unwrap();
            let mut got = Vec::new();
            // A frame of HEADERS: type 1, on stream 1.
            while !got.windows(6).any(|w| w[0] == 1 && w[2..] == [0, 0, 0, 1]) {
                assert!(stream.read_buf(&mut got).await.unwrap() > 0);
            }
            counted.fetch_add(1, Ordering::Relaxed);
            stream.write_all(&GOAWAY).await.unwrap();
            // Until the other end has gone, so that nothing is reset.
            while stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) {}
        }
    });
    (address, n)
}

#[tokio::test]
async fn what_lies_beyond_a_goaway_was_not_processed_and_goes_on() {
    let (away, n_asked) = going_away().await;
    let good = Origin::named("next").await;
    let routes =
        vec![h2c("agent/alice", away), spec("tunnel/alice", &format!("http://{}", good.address))];
    let gateway = TestGateway::alice(routes).await;
    let answer = gateway.ask(&with_body("POST", "/", "once")).await;
    assert_eq!(answer.text(), "next", "{}", answer.status());
    assert_eq!(n_asked.load(Ordering::Relaxed), 1);
    assert_eq!(good.seen()[0].text(), "once");
}

#[tokio::test]
async fn a_connection_that_ended_while_it_was_idle_fails_no_request() {
    let origin = H2Origin::named("first").await;
    let mut gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "first");
    let address = origin.kill().await;
    let again = TcpListener::bind(address).await.unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = again.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, answer))) = connection.accept().await {
            tokio::spawn(say_h2(request, answer, "second"));
        }
    });
    let answer = gateway.ask(&with_body("POST", "/", "not to be repeated")).await;
    assert_eq!(answer.text(), "second");
    gateway.set("alice.nsl.sh", Vec::new()).await;
    served.abort();
}

#[tokio::test]
async fn a_slow_reader_of_one_answer_does_not_stop_others_on_its_connection() {
    let origin = H2Origin::start(None, |n, request, mut answer| async move {
        if n > 0 {
            return say_h2(request, answer, "quick").await;
        }
        let mut body = answer.send_response(Response::new(()), false).unwrap();
        // As much as anybody takes.
        loop {
            body.reserve_capacity(64 * 1024);
            let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else {
                return;
            };
            if body.send_data(Bytes::from(vec![0; room]), false).is_err() {
                return;
            }
        }
    })
    .await;
    let gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    // It reads the head and no more.
    let mut slow = gateway.client().await;
    slow.send(get("/")).await;
    let mut head = [0; 16];
    slow.stream.read_exact(&mut head).await.unwrap();
    for _ in 0..20 {
        assert_eq!(gateway.ask(&get("/")).await.text(), "quick");
    }
    assert_eq!(origin.n_connections(), 1);
}

#[tokio::test]
async fn an_answer_of_http2_has_its_trailers_told_to_clients_of_http1() {
    let origin = H2Origin::start(None, |_, _, mut answer| async move {
        let head = Response::builder().header("trailer", "x-sum").body(()).unwrap();
        let mut body = answer.send_response(head, false).unwrap();
        body.send_data(Bytes::from("ok"), false).unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "42".parse().unwrap());
        body.send_trailers(trailers).unwrap();
    })
    .await;
    let gateway = TestGateway::alice(vec![h2c("agent/alice", origin.address)]).await;
    let mut client: RawClient<_> = gateway.client().await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTE: trailers\r\nConnection: te, close\r\n\r\n",
        )
        .await;
    let mut all = String::new();
    client.stream.read_to_string(&mut all).await.unwrap();
    assert!(all.to_lowercase().ends_with("2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n"), "{all}");
}
