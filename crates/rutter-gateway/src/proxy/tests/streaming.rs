//! Conversations and answers that don't end: gRPC and event streams, in both versions of HTTP.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::GatewayConfig;
use crate::testing::{H2Origin, PATIENCE, TestGateway, any_port, config, get, read_h2, spec};

/// A gateway whose patience with heads and bodies is short, and that takes HTTP/2 unasked.
async fn impatient(endpoint: &str) -> TestGateway {
    let mut config: GatewayConfig = config();
    config.listeners[0].h2c = true;
    config.limits.body_timeout = Duration::from_millis(100);
    config.limits.send_timeout = Duration::from_millis(100);
    config.upstream.response_timeout = Duration::from_millis(400);
    config.upstream.try_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![spec("agent/alice", endpoint)]).await;
    gateway
}

/// Longer than any patience of that gateway.
async fn quiet() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

async fn client(gateway: &TestGateway) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send
}

fn call(path: &str) -> Request<()> {
    Request::post(format!("http://alice.nsl.sh{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

fn status(code: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers
}

#[tokio::test]
async fn a_call_of_grpc_passes_with_its_trailers() {
    let origin = H2Origin::start(None, |_, request, mut answer| async move {
        if request.uri().path() == "/echo.Echo/Refuse" {
            // Trailers alone: a head that is the end.
            let head = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "7");
            answer.send_response(head.body(()).unwrap(), true).unwrap();
            return;
        }
        let (body, trailers) = read_h2(request.into_body()).await;
        let head = Response::builder().header("content-type", "application/grpc");
        let mut send = answer.send_response(head.body(()).unwrap(), false).unwrap();
        send.send_data(Bytes::from(body), false).unwrap();
        let mut said = status("0");
        // A client's trailers come through too.
        said.insert("x-seen", trailers.unwrap()["x-sum"].clone());
        send.send_trailers(said).unwrap();
    })
    .await;
    let gateway = impatient(&format!("h2c://{}", origin.address)).await;
    let mut send = client(&gateway).await.ready().await.unwrap();
    let (answer, mut body) = send.send_request(call("/echo.Echo/Say"), false).unwrap();
    body.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), false).unwrap();
    let mut sum = HeaderMap::new();
    sum.insert("x-sum", "2".parse().unwrap());
    body.send_trailers(sum).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (200.try_into().unwrap(), &"application/grpc".parse::<http::HeaderValue>().unwrap())
    );
    let (body, trailers) = read_h2(answer.into_body()).await;
    assert_eq!(body, b"\0\0\0\0\x02hi");
    let trailers = trailers.unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-seen"]),
        (&"0".parse::<http::HeaderValue>().unwrap(), &"2".parse::<http::HeaderValue>().unwrap())
    );
    assert_eq!(origin.heads()[0].headers()["te"], "trailers");

    let (answer, _body) = send.send_request(call("/echo.Echo/Refuse"), true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.headers()["grpc-status"], "7");
    assert!(answer.body().is_end_stream());
    assert_eq!(origin.n_connections(), 1);
}

#[tokio::test]
async fn both_sides_of_a_stream_speak_in_turn_and_may_be_quiet() {
    // Echoes each message as it comes, and says how it ended.
    let origin = H2Origin::start(None, |_, request, mut answer| async move {
        let mut send = answer.send_response(Response::new(()), false).unwrap();
        let mut body = request.into_body();
        while let Some(Ok(message)) = body.data().await {
            body.flow_control().release_capacity(message.len()).unwrap();
            send.send_data(message, false).unwrap();
        }
        send.send_trailers(status("0")).unwrap();
    })
    .await;
    let gateway = impatient(&format!("h2c://{}", origin.address)).await;
    let mut send = client(&gateway).await.ready().await.unwrap();
    let (answer, mut talk) = send.send_request(call("/echo.Echo/Talk"), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    let mut listen = answer.into_body();
    for n in 0..100 {
        if n == 50 {
            quiet().await;
        }
        let message = Bytes::from(format!("message {n}"));
        talk.send_data(message.clone(), false).unwrap();
        // Not held back until there is more of it.
        let heard = tokio::time::timeout(PATIENCE, listen.data()).await.unwrap();
        assert_eq!(heard.unwrap().unwrap(), message);
        listen.flow_control().release_capacity(message.len()).unwrap();
    }
    talk.send_data(Bytes::new(), true).unwrap();
    assert!(tokio::time::timeout(PATIENCE, listen.data()).await.unwrap().is_none());
    assert_eq!(listen.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    assert_eq!(gateway.metrics().slow_bodies.get(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_told_to_the_origin() {
    let (left, mut told) = tokio::sync::mpsc::channel(1);
    let origin = H2Origin::start(None, move |_, request, mut answer| {
        let left = left.clone();
        async move {
            let _send = answer.send_response(Response::new(()), false).unwrap();
            let mut body = request.into_body();
            let ended = body.data().await;
            left.send(matches!(ended, Some(Err(_)))).await.unwrap();
        }
    })
    .await;
    let gateway = impatient(&format!("h2c://{}", origin.address)).await;
    let mut send = client(&gateway).await.ready().await.unwrap();
    let (answer, mut talk) = send.send_request(call("/echo.Echo/Talk"), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    talk.send_reset(h2::Reason::CANCEL);
    drop(answer);
    assert!(tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap(), "it was reset");
    // The connection goes on.
    let again = tokio::time::timeout(PATIENCE, send.ready()).await.unwrap();
    assert!(again.is_ok());
}

#[tokio::test]
async fn events_come_one_by_one_and_the_wait_between_them_is_nobodys_fault() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (say, mut said) = tokio::sync::mpsc::channel::<&'static str>(1);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            )
            .await
            .unwrap();
        while let Some(event) = said.recv().await {
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            stream.write_all(chunk.as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        // Until the gateway closes, so that nothing is reset.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
    });
    let gateway = impatient(&format!("http://{address}")).await;
    let mut client = gateway.client().await;
    client.send(get("/events")).await;
    let mut seen = Vec::new();
    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        say.send(event).await.unwrap();
        let read = async {
            while !String::from_utf8_lossy(&seen).contains(event) {
                assert!(client.stream.read_buf(&mut seen).await.unwrap() > 0);
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the event, before the next is sent");
        quiet().await;
    }
    drop(say);
    let read = async {
        while !seen.ends_with(b"0\r\n\r\n") {
            assert!(client.stream.read_buf(&mut seen).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the end");
}

#[tokio::test]
async fn events_over_http2_come_one_by_one() {
    let (say, said) = tokio::sync::mpsc::channel::<&'static str>(1);
    let said = std::sync::Arc::new(tokio::sync::Mutex::new(said));
    let origin = H2Origin::start(None, move |_, _, mut answer| {
        let said = said.clone();
        async move {
            let head = Response::builder().header("content-type", "text/event-stream");
            let mut send = answer.send_response(head.body(()).unwrap(), false).unwrap();
            while let Some(event) = said.lock().await.recv().await {
                send.send_data(Bytes::from(event), false).unwrap();
            }
            send.send_data(Bytes::new(), true).unwrap();
        }
    })
    .await;
    let gateway = impatient(&format!("h2c://{}", origin.address)).await;
    let mut send = client(&gateway).await.ready().await.unwrap();
    let asked = Request::get("http://alice.nsl.sh/events").body(()).unwrap();
    let (answer, _) = send.send_request(asked, true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    let mut events = answer.into_body();
    for event in ["data: one\n\n", "data: two\n\n"] {
        say.send(event).await.unwrap();
        let got = tokio::time::timeout(PATIENCE, events.data()).await.unwrap().unwrap().unwrap();
        assert_eq!(got, event);
        events.flow_control().release_capacity(got.len()).unwrap();
        quiet().await;
    }
    drop(say);
    // The end, with or without an empty frame of its own.
    let (rest, trailers) = tokio::time::timeout(PATIENCE, read_h2(events)).await.unwrap();
    assert_eq!((rest, trailers), (Vec::new(), None));
}
