//! HTTP/2 from clients, over real sockets with h2's own client.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response, Version};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::config::ListenerConfig;
use crate::testing::{
    Act, Authority, Origin, PATIENCE, TestGateway, any_port, config, route, until,
};

/// A client's end of one HTTP/2 connection.
struct Client {
    send: SendRequest<Bytes>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    head: Response<()>,
    body: String,
    trailers: Option<HeaderMap>,
}

impl Client {
    async fn connect(to: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    async fn ask(&self, request: Request<()>, body: Option<&str>) -> Result<Answer, h2::Error> {
        let mut send = self.send.clone().ready().await?;
        let (answer, mut stream) = send.send_request(request, body.is_none())?;
        if let Some(body) = body {
            stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        }
        read(answer).await
    }
}

async fn read(answer: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
    let all = async {
        let (head, mut body) = answer.await?.into_parts();
        let mut text = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            text.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await?;
        let body = String::from_utf8(text).unwrap();
        Ok(Answer { head: Response::from_parts(head, ()), body, trailers })
    };
    tokio::time::timeout(PATIENCE, all).await.expect("an answer in time")
}

fn get(path: &str) -> http::request::Builder {
    Request::builder().version(Version::HTTP_2).uri(format!("http://alice.nsl.sh{path}"))
}

/// A gateway that takes HTTP/2 unasked, with `alice.nsl.sh` at the origin.
async fn gateway(origin: &Origin) -> TestGateway {
    let mut config = config();
    config.listeners[0].h2c = true;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    gateway
}

#[tokio::test]
async fn tls_clients_choose_by_alpn_and_plain_ones_begin_with_http2_only_where_allowed() {
    let origin = Origin::named("direct").await;
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let files = authority.sign(&["alice.nsl.sh"]).write(directory.path());
    let mut config = config();
    config.listeners.push(ListenerConfig::tls(any_port(), files));
    config.listeners.push(ListenerConfig { h2c: true, ..ListenerConfig::plain(any_port()) });
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let at = gateway.server.addresses().to_vec();

    for (offered, taken) in
        [(vec!["h2", "http/1.1"], Some("h2")), (vec!["http/1.1"], Some("http/1.1")), (vec![], None)]
    {
        let stream = TcpStream::connect(at[1]).await.unwrap();
        let connector = authority.connector_with_alpn(&offered);
        let stream = connector.connect("alice.nsl.sh".try_into().unwrap(), stream).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen.as_deref(), taken.map(str::as_bytes));
        if taken == Some("h2") {
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            let client = Client { send, connection: tokio::spawn(connection) };
            let answer = client.ask(get("/tls").body(()).unwrap(), None).await.unwrap();
            assert_eq!((answer.head.status().as_u16(), answer.body.as_str()), (200, "direct"));
        }
    }
    assert_eq!(origin.seen()[0].header("x-forwarded-proto"), Some("https"));

    let client = Client::connect(at[2]).await;
    let answer = client.ask(get("/plain").body(()).unwrap(), None).await.unwrap();
    assert_eq!(answer.body, "direct");
    // The same listener still speaks HTTP/1.1.
    let mut http1 = crate::testing::RawClient::new(TcpStream::connect(at[2]).await.unwrap());
    assert_eq!(http1.ask(&crate::testing::get("/")).await.text(), "direct");

    let refused = Client::connect(at[0]).await;
    assert!(refused.ask(get("/").body(()).unwrap(), None).await.is_err(), "not allowed there");
    assert_eq!(origin.seen().len(), 3);
}

#[tokio::test]
async fn a_request_of_http2_reaches_the_origin_as_one_of_http1() {
    let origin = Origin::named("direct").await;
    let gateway = gateway(&origin).await;
    let client = Client::connect(gateway.address()).await;
    let request = get("/path?q=1")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("accept", "*/*")
        .body(())
        .unwrap();
    let answer = client.ask(request, None).await.unwrap();
    assert_eq!(answer.head.status(), 200);
    assert_eq!(answer.head.headers()["content-length"], "6");
    let seen = &origin.seen()[0];
    assert_eq!(seen.start_line(), "GET /path?q=1 HTTP/1.1");
    assert_eq!(seen.all("host"), ["alice.nsl.sh"]);
    assert_eq!(seen.all("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.all("te"), ["trailers"]);
    assert!(seen.header("via").unwrap().starts_with("2.0 rutter-"), "{:?}", seen.header("via"));
    assert_eq!(seen.header("transfer-encoding"), None);

    // Bodies: with a length it stays, without one they go in chunks.
    let with = Request::post("http://alice.nsl.sh/a").version(Version::HTTP_2);
    client.ask(with.header("content-length", "4").body(()).unwrap(), Some("abcd")).await.unwrap();
    let without = Request::post("http://alice.nsl.sh/b").version(Version::HTTP_2);
    client.ask(without.body(()).unwrap(), Some("abcd")).await.unwrap();
    let seen = origin.seen();
    assert_eq!((seen[1].header("content-length"), seen[1].text()), (Some("4"), "abcd".to_owned()));
    assert_eq!(seen[2].header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen[2].text(), "abcd");
    // An `HEAD` has a length and no body.
    let head = Request::head("http://alice.nsl.sh/").version(Version::HTTP_2).body(()).unwrap();
    assert_eq!(client.ask(head, None).await.unwrap().body, "");
}

#[tokio::test]
async fn what_http2_lets_pass_and_http1_reads_differently_is_refused() {
    let origin = Origin::named("direct").await;
    let gateway = gateway(&origin).await;
    let client = Client::connect(gateway.address()).await;
    let many = (0..101).fold(get("/"), |r, n| r.header(format!("x-{n}"), "1"));
    let cases = [
        (get("/").header("host", "bob.nsl.sh"), 400, "BAD_HOST"),
        (get("/").header("x-a", " b"), 400, "BAD_HEADER"),
        (get("/").header("x-a", "b\t"), 400, "BAD_HEADER"),
        (get("/").header("content-length", ""), 400, "BAD_LENGTH"),
        (Request::get("http://nobody.nsl.sh/").version(Version::HTTP_2), 404, "UNKNOWN_HOST"),
        (Request::get("ftp://alice.nsl.sh/").version(Version::HTTP_2), 400, "BAD_TARGET"),
        (get("/").method("CONNECT"), 501, "NO_CONNECT"),
        (get(&format!("/{}", "x".repeat(9000))), 414, "TARGET_TOO_LONG"),
        (many, 431, "HEADERS_TOO_MANY"),
        (get("/").header("via", "1.1 other"), 200, "direct"),
        (get("/").header("host", "ALICE.nsl.sh"), 200, "direct"),
    ];
    for (n, (request, status, text)) in cases.into_iter().enumerate() {
        let answer = client.ask(request.body(()).unwrap(), None).await.unwrap();
        assert_eq!(answer.head.status().as_u16(), status, "case {n}: {answer:?}");
        assert!(answer.body.contains(text), "case {n}: {answer:?}");
    }
    assert_eq!(origin.seen().len(), 2);

    // A head over the limit: h2 answers, or takes the stream back.
    let large = get("/").header("x-large", "x".repeat(40 * 1024)).body(()).unwrap();
    let answer = client.ask(large, None).await;
    assert!(answer.as_ref().map_or(true, |a| a.head.status() == 431), "{answer:?}");
    // A body longer or shorter than it was said to be.
    for (said, body) in [("3", "abcd"), ("5", "abcd")] {
        let request = Request::post("http://alice.nsl.sh/").version(Version::HTTP_2);
        let request = request.header("content-length", said).body(()).unwrap();
        let answer = client.ask(request, Some(body)).await;
        assert!(answer.as_ref().map_or(true, |a| a.head.status() == 400), "{said}: {answer:?}");
    }
    assert!(origin.seen().iter().all(|m| !m.complete || m.body.is_empty()));
}

#[tokio::test]
async fn many_requests_share_a_connection_and_its_answers_have_no_connection_headers() {
    let origin = Origin::start(|m| match m.start_line().contains("trailers") {
        true => Act::Raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\
              Connection: x-private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\r\n\
              2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n"
                .to_vec(),
        ),
        false => Act::Ok(m.start_line().to_owned()),
    })
    .await;
    let gateway = gateway(&origin).await;
    let client = Client::connect(gateway.address()).await;
    let asked = (0..100).map(|n| {
        let request = get(&format!("/{n}")).body(()).unwrap();
        async { client.ask(request, None).await.unwrap().body }
    });
    let answers = futures_util::future::join_all(asked).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, format!("GET /{n} HTTP/1.1"));
    }
    assert_eq!(gateway.metrics().connections.get(), 1);

    let request = get("/trailers").header("te", "trailers").body(()).unwrap();
    let answer = client.ask(request, None).await.unwrap();
    for name in ["connection", "keep-alive", "transfer-encoding", "x-private"] {
        assert!(!answer.head.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.body, "ok");
    assert_eq!(answer.trailers.unwrap()["x-sum"], "42");
}

#[tokio::test]
async fn a_drain_lets_streams_end_and_says_goaway() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let origin = crate::testing::slow_origin(gate).await;
    let mut config = config();
    config.listeners[0].h2c = true;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin)]).await;
    let client = Client::connect(gateway.address()).await;
    let mut send = client.send.clone().ready().await.unwrap();
    let (answer, _) = send.send_request(get("/").body(()).unwrap(), true).unwrap();
    let metrics = gateway.metrics();
    until("the request upstream", || metrics.upstream_connects.get() == 1).await;

    let ending = tokio::spawn(gateway.server.shutdown(std::time::Duration::ZERO));
    // Nothing new is taken once the GOAWAY is here.
    let refused = async {
        while client
            .ask(get("/new").body(()).unwrap(), None)
            .await
            .is_ok_and(|a| a.head.status() != 503)
        {}
    };
    release.send(true).unwrap();
    assert_eq!(read(answer).await.unwrap().body, "slow");
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    tokio::time::timeout(PATIENCE, ending).await.unwrap().unwrap();
    assert!(client.connection.await.unwrap().is_ok(), "closed without an error");
    assert_eq!(metrics.active_connections.get(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_413_and_the_connection_goes_on() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.listeners[0].h2c = true;
    config.limits.max_body_bytes = 1000;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let client = Client::connect(gateway.address()).await;
    let post = || Request::post("http://alice.nsl.sh/").version(Version::HTTP_2);

    // By its length: before a byte of the body, and before anything is sent on.
    let mut send = client.send.clone().ready().await.unwrap();
    let said = post().header("content-length", "1001").body(()).unwrap();
    let (answer, _body) = send.send_request(said, false).unwrap();
    let answer = read(answer).await.unwrap();
    assert_eq!(answer.head.status(), 413);
    assert_eq!(answer.head.headers()["x-rutter-error"], "BODY_TOO_LARGE");
    assert_eq!(origin.n_connections(), 0);

    // By counting, with and without an end in sight.
    for ends in [false, true] {
        let mut send = client.send.clone().ready().await.unwrap();
        let (answer, mut body) = send.send_request(post().body(()).unwrap(), false).unwrap();
        for (size, last) in [(600, false), (600, ends)] {
            body.send_data(Bytes::from("x".repeat(size)), last).unwrap();
        }
        assert_eq!(read(answer).await.unwrap().head.status(), 413, "ends: {ends}");
    }
    assert!(origin.seen().iter().all(|m| !m.complete), "{:?}", origin.seen());
    assert_eq!(gateway.metrics().large_bodies.get(), 3);

    let fits = "x".repeat(1000);
    let answer = client.ask(post().body(()).unwrap(), Some(&fits)).await.unwrap();
    assert_eq!((answer.head.status().as_u16(), answer.body.as_str()), (200, "direct"));
    assert_eq!(gateway.metrics().connections.get(), 1);
}
