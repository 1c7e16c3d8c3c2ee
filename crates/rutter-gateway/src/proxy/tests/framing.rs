//! Requests with two meanings, and what an origin gets to see of them.

use crate::testing::{Act, Origin, TestGateway, route};

/// What must become of a request.
enum Want {
    /// This status, and no origin sees anything.
    Refused(&'static [u16]),
    /// The connection may close without an answer, and no origin sees anything.
    RefusedOrCut,
    /// The origin sees exactly one request with this body.
    One(&'static str),
}

#[tokio::test]
async fn a_request_with_two_meanings_is_refused_or_has_one_at_the_origin() {
    use Want::{One, Refused, RefusedOrCut};
    let bad: &'static [u16] = &[400];
    let cases: &[(&str, Want)] = &[
        // Lengths.
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
            Refused(bad),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
            One("abcd"),
        ),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 4, 4\r\n\r\nabcd", Refused(bad)),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: +4\r\n\r\nabcd", Refused(bad)),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: -4\r\n\r\nabcd", Refused(bad)),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 0x4\r\n\r\nabcd", Refused(bad)),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 4_0\r\n\r\nabcd", Refused(bad)),
        ("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length:\r\n\r\nabcd", Refused(bad)),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 99999999999999999999\r\n\r\n",
            Refused(&[400, 413, 431]),
        ),
        // Both.
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            One("ab"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            One("ab"),
        ),
        // Codings.
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Refused(&[501]),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            Refused(bad),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            Refused(bad),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
            Refused(&[400, 501]),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(&[400, 501]),
        ),
        (
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n",
            Refused(bad),
        ),
        (
            "POST / HTTP/1.0\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(bad),
        ),
        // Heads.
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nA : b\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\n Host: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\r\n c\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\rc\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nA: b\0c\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nnocolon\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\n: x\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nA\u{e9}: x\r\n\r\n", Refused(bad)),
        ("GET / x HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.32\r\nHost: alice.nsl.sh\r\n\r\n", RefusedOrCut),
        ("GET / HTTP/2.0\r\nHost: alice.nsl.sh\r\n\r\n", RefusedOrCut),
        ("GET /\r\n\r\n", RefusedOrCut),
        ("G(T / HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        // Hosts and targets.
        ("GET / HTTP/1.1\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.0\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nHost: bob.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: a@alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost: alice.nsl.sh/x\r\n\r\n", Refused(bad)),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Refused(bad)),
        ("GET ftp://alice.nsl.sh/ HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET * HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("GET alice.nsl.sh HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(bad)),
        ("CONNECT alice.nsl.sh:80 HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(&[501])),
        ("GET http://nobody.nsl.sh/ HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", Refused(&[404])),
        ("GET http://alice.nsl.sh/ HTTP/1.1\r\nHost: nobody.nsl.sh\r\n\r\n", One("")),
        ("OPTIONS * HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n", One("")),
    ];
    for (request, want) in cases {
        let origin = Origin::start(|_| Act::Ok("fine".to_owned())).await;
        let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
        let mut client = gateway.client().await;
        client.send(request).await;
        let status = client.answer().await.map(|a| a.status());
        let seen = origin.seen();
        match want {
            Refused(any_of) => {
                assert!(status.is_some_and(|s| any_of.contains(&s)), "{status:?} {request:?}");
                assert!(seen.is_empty(), "{request:?}");
            }
            RefusedOrCut => {
                assert!(status.is_none_or(|s| (400..600).contains(&s)), "{status:?} {request:?}");
                assert!(seen.is_empty(), "{request:?}");
            }
            One(body) => {
                assert_eq!(status, Some(200), "{request:?}");
                assert_eq!(seen.len(), 1, "{request:?}");
                assert_eq!(seen[0].text(), *body, "{request:?}");
                let both = seen[0].header("content-length").is_some()
                    && seen[0].header("transfer-encoding").is_some();
                assert!(!both, "{request:?}");
                assert_eq!(seen[0].all("host"), ["alice.nsl.sh"], "{request:?}");
            }
        }
    }
}

#[tokio::test]
async fn broken_chunks_end_the_request_and_the_connection() {
    let bodies = [
        "0x2\r\nab\r\n0\r\n\r\n",
        "+2\r\nab\r\n0\r\n\r\n",
        "-2\r\nab\r\n0\r\n\r\n",
        "2_0\r\nab\r\n0\r\n\r\n",
        "\r\nab\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nab\r\n0\r\n\r\n",
        "2\rXab\r\n0\r\n\r\n",
        "2\r\nabX\r\n0\r\n\r\n",
        "2\r\nabcd\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let origin = Origin::start(|_| Act::Ok("fine".to_owned())).await;
        let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
        let mut client = gateway.client().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nTransfer-Encoding: chunked\r\n\r\n{body}\
                 GET /smuggled HTTP/1.1\r\nHost: alice.nsl.sh\r\n\r\n"
            ))
            .await;
        while let Some(answer) = client.answer().await {
            assert_ne!(answer.status(), 200, "{body:?}");
        }
        assert!(origin.seen().iter().all(|m| !m.complete), "{body:?}: {:?}", origin.seen());
    }
}

#[tokio::test]
async fn length_beside_chunks_closes_the_connection_after_the_answer() {
    let origin = Origin::named("direct").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 5\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\
             Host: alice.nsl.sh\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.unwrap().status(), 200);
    assert!(client.answer().await.is_none());
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn heads_over_the_limits_are_refused_with_their_own_status() {
    let origin = Origin::named("direct").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let head = |target: &str, rest: &str| {
        format!("GET /{target} HTTP/1.1\r\nHost: alice.nsl.sh\r\n{rest}\r\n")
    };
    let many: String = (0..120).map(|n| format!("X-{n}: 1\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(40 * 1024));
    let cases = [
        (head(&"a".repeat(9000), ""), 414),
        (head("", &many), 431),
        (head("", &large), 431),
        (head(&"a".repeat(8000), ""), 200),
    ];
    for (request, status) in cases {
        assert_eq!(gateway.ask(&request).await.status(), status, "{} bytes", request.len());
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_with_two_lengths_reaches_the_client_with_one() {
    let origin = Origin::start(|_| {
        Act::Raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n\
              2\r\nok\r\n0\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let answer = gateway.ask(&crate::testing::get("/")).await;
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.header("content-length"), None);
}
