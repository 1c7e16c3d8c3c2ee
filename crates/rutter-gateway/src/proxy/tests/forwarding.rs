//! Requests and answers that go through as they should.

use tokio::io::AsyncWriteExt;

use crate::testing::{Act, Message, Origin, TestGateway, get, route, with_body};

#[tokio::test]
async fn a_connection_is_kept_on_both_sides() {
    let origin = Origin::named("direct").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    for n in 0..5 {
        let answer = client.ask(&get(&format!("/{n}"))).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "direct"));
    }
    let lines: Vec<_> = origin.seen().iter().map(|m| m.start_line().to_owned()).collect();
    let want: Vec<_> = (0..5).map(|n| format!("GET /{n} HTTP/1.1")).collect();
    assert_eq!(lines, want);
    assert_eq!(origin.n_connections(), 1);
    assert_eq!(gateway.metrics().upstream_reuses.get(), 4);
    assert_eq!(gateway.metrics().answers[1].get(), 5);
}

#[tokio::test]
async fn bodies_go_through_whole_with_either_framing() {
    let origin = Origin::start(|m| Act::Ok(m.text())).await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(&with_body("POST", "/a", "sized")).await.text(), "sized");
    let chunked = "POST /b HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n";
    assert_eq!(client.ask(chunked).await.text(), "abcde");
    // A GET may have a body, and what is dropped from it would be the next request.
    let get = chunked.replace("POST /b", "GET /c");
    assert_eq!(client.ask(&get).await.text(), "abcde");
    let seen = origin.seen();
    assert_eq!(seen[0].header("content-length"), Some("5"));
    assert_eq!(seen[1].header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen[2].header("transfer-encoding"), Some("chunked"));
}

#[tokio::test]
async fn headers_of_one_connection_stay_there_and_the_origin_learns_who_asked() {
    let origin = Origin::start(|_| {
        Act::Raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-mine\r\nX-Mine: 1\r\n\
              Keep-Alive: timeout=5\r\nX-Kept: 1\r\n\r\nok"
                .to_vec(),
        )
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let answer = gateway
        .ask(
            "GET /path?q=1 HTTP/1.1\r\nHost: App.Alice.nsl.sh:8080\r\n\
             Connection: keep-alive, X-Secret, Host, Content-Length\r\nX-Secret: 1\r\n\
             Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\nTE: gzip\r\n\
             Upgrade: h2c\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
             X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Kept: yes\r\n\
             X-Request-ID: my-id.1\r\nX-Mesh-Trace: 1\r\n\r\n",
        )
        .await;
    let seen = &origin.seen()[0];
    assert_eq!(seen.start_line(), "GET /path?q=1 HTTP/1.1");
    let wanted = [
        ("host", Some("App.Alice.nsl.sh:8080")),
        ("x-kept", Some("yes")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("App.Alice.nsl.sh:8080")),
        ("forwarded", None),
        ("x-secret", None),
        ("connection", None),
        ("keep-alive", None),
        ("proxy-connection", None),
        ("proxy-authorization", None),
        ("te", None),
        ("upgrade", None),
    ];
    for (name, want) in wanted {
        assert_eq!(seen.header(name), want, "{name}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.header("x-mine"), None);
    assert_eq!(answer.header("keep-alive"), None);
    assert_ne!(answer.header("x-request-id"), Some("my-id.1"), "nobody names itself");
    assert_eq!(answer.header("x-request-id"), seen.header("x-request-id"));
    assert_eq!(answer.header("x-mesh-route"), Some("agent,pcs"));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_its_client() {
    let origin = Origin::named("direct").await;
    let mut config = crate::testing::config();
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    gateway
        .ask(
            "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 1.2.3.4\r\n\r\n",
        )
        .await;
    let seen = &origin.seen()[0];
    assert_eq!(seen.all("x-forwarded-for"), ["1.2.3.4, 10.0.0.1, 127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-real-ip"), Some("1.2.3.4"));
}

#[tokio::test]
async fn an_upload_and_a_download_stream_through() {
    // The origin answers with the head at once and echoes what it reads, so a gateway that held
    // back either body would never come to the end of the first round.
    let origin = echo_origin().await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin)]).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let block = vec![b'#'; 256 * 1024];
    let mut echoed = 0;
    for round in 1..=40 {
        client.send(format!("{:x}\r\n", block.len())).await;
        client.send(&block).await;
        client.send("\r\n").await;
        while echoed < round * block.len() {
            let mut buffer = [0; 64 * 1024];
            let n = crate::testing::PATIENCE;
            let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut buffer);
            let n = tokio::time::timeout(n, read).await.expect("an echo in time").unwrap();
            assert!(n > 0, "the answer ended early");
            echoed += buffer[..n].iter().filter(|b| **b == b'#').count();
        }
    }
    assert_eq!(echoed, 40 * block.len());
}

/// Answers 200 to the head alone and echoes the `#`s of the body, in chunks of the connection's own.
async fn echo_origin() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind(crate::testing::any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut in_body = false;
        while let Ok(n @ 1..) = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await {
            let mut data = &buffer[..n];
            if !in_body {
                let end = data.windows(4).position(|w| w == b"\r\n\r\n").expect("the head at once");
                data = &data[end + 4..];
                in_body = true;
                let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
                stream.write_all(head).await.unwrap();
            }
            let only: Vec<u8> = data.iter().copied().filter(|b| *b == b'#').collect();
            if stream.write_all(&only).await.is_err() {
                return;
            }
        }
    });
    address
}

#[tokio::test]
async fn the_gateways_own_answers_say_what_is_wrong_in_the_clients_form() {
    let mut gateway = TestGateway::alice(vec![]).await;
    gateway.set("bob.nsl.sh", vec![route("agent/bob", crate::testing::refused().await)]).await;
    let cases = [
        ("nobody.nsl.sh", "", 404, "application/json", "UNKNOWN_HOST"),
        ("nobody.nsl.sh", "Accept: */*\r\n", 404, "application/json", "UNKNOWN_HOST"),
        (
            "nobody.nsl.sh",
            "Accept: text/html,*/*;q=0.8\r\n",
            404,
            "text/html; charset=utf-8",
            "UNKNOWN_HOST",
        ),
        (
            "nobody.nsl.sh",
            "Accept: text/html;q=0.5,application/json\r\n",
            404,
            "application/json",
            "UNKNOWN_HOST",
        ),
        (
            "nobody.nsl.sh",
            "Accept: text/plain\r\n",
            404,
            "text/plain; charset=utf-8",
            "404 Not Found: No service has this name (UNKNOWN_HOST)\n",
        ),
        ("alice.nsl.sh", "", 503, "application/json", "NO_ROUTES"),
        ("bob.nsl.sh", "", 502, "application/json", "ROUTES_EXHAUSTED"),
    ];
    for (host, accept, status, kind, code) in cases {
        let answer = gateway.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{accept}\r\n")).await;
        assert_eq!(answer.status(), status, "{host} {accept}");
        assert_eq!(answer.header("content-type"), Some(kind), "{host} {accept}");
        assert!(answer.text().contains(code), "{host} {accept}: {}", answer.text());
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 16));
    }
    let exhausted = gateway.ask("GET / HTTP/1.1\r\nHost: bob.nsl.sh\r\n\r\n").await;
    assert_eq!(
        exhausted.text(),
        r#"{"error":"All backend routes failed","code":"ROUTES_EXHAUSTED"}"#
    );
}

#[tokio::test]
async fn a_head_request_and_an_answer_without_length_end_where_they_should() {
    let origin = Origin::start(|m: &Message| match m.start_line() {
        "HEAD /h HTTP/1.1" => Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec()),
        "GET /304 HTTP/1.1" => Act::Raw(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()),
        _ => Act::RawThenClose(b"HTTP/1.0 200 OK\r\n\r\nto the end".to_vec()),
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    client.send("HEAD /h HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n").await;
    client.send(get("/304")).await;
    let bytes = {
        let mut head = Vec::new();
        let mut chunk = [0; 4096];
        while head.windows(4).filter(|w| *w == b"\r\n\r\n").count() < 2 {
            let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut chunk);
            let n = tokio::time::timeout(crate::testing::PATIENCE, read).await.unwrap().unwrap();
            assert!(n > 0);
            head.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8(head).unwrap()
    };
    assert!(bytes.to_lowercase().contains("content-length: 5\r\n"), "{bytes}");
    assert!(bytes.contains("304 Not Modified"), "{bytes}");
    let to_the_end = client.ask(&get("/close")).await;
    assert_eq!(to_the_end.text(), "to the end");
}

#[tokio::test]
async fn a_route_that_leads_back_to_the_gateway_is_a_loop_and_ends_at_once() {
    let mut gateway = TestGateway::alice(vec![]).await;
    let back = gateway.address();
    gateway.set("alice.nsl.sh", vec![route("agent/alice", back)]).await;
    let answer = gateway.ask(&get("/")).await;
    assert_eq!(answer.status(), 508);
    assert_eq!(gateway.metrics().connections.get(), 2);
    // Another proxy's line is kept, and is no loop.
    let origin = Origin::named("direct").await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let request = get("/").replace("Host:", "Via: 1.1 rutter-0, 2 other\r\nHost:");
    assert_eq!(gateway.ask(&request).await.text(), "direct");
    let via = origin.seen()[0].all("via").join(", ");
    assert!(via.starts_with("1.1 rutter-0, 2 other, 1.1 rutter-"), "{via}");
}

#[tokio::test]
async fn an_answer_may_come_before_the_upload_ends() {
    // It reads nothing but the head, and answers.
    let listener = tokio::net::TcpListener::bind(crate::testing::any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 256];
        tokio::io::AsyncReadExt::read(&mut stream, &mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!").await.unwrap();
        std::future::pending::<()>().await;
    });
    let gateway = TestGateway::alice(vec![route("agent/alice", address)]).await;
    let mut client = gateway.client().await;
    client
        .send("PUT / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 100000000\r\n\r\nbegin")
        .await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (413, "no!"));
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_what_it_understands() {
    let origin = Origin::start(|_| {
        Act::Raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
        )
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    let answer = client.ask("GET / HTTP/1.0\r\nHost: alice.nsl.sh\r\n\r\n").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(origin.seen()[0].start_line(), "GET / HTTP/1.1");
    assert!(client.answer().await.is_none(), "and the connection ends");
}

#[tokio::test]
async fn trailers_pass_to_a_client_that_wants_them() {
    let origin = Origin::start(|_| {
        Act::RawThenClose(
            b"HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
              2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    let request = get("/").replace("Host:", "TE: trailers\r\nConnection: TE\r\nHost:");
    client.send(request).await;
    let mut text = String::new();
    let mut chunk = [0; 1024];
    while !text.ends_with("\r\n0\r\nx-sum: 42\r\n\r\n") {
        let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut chunk);
        let n = tokio::time::timeout(crate::testing::PATIENCE, read).await.unwrap().unwrap();
        assert!(n > 0, "{text}");
        text.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
    }
    assert_eq!(origin.seen()[0].header("te"), Some("trailers"));
}
