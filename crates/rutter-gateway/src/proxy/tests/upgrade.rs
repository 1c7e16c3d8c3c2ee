//! WebSocket through the gateway, with real endpoints on both sides.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::testing::{Act, Origin, PATIENCE, TestGateway, any_port, route, until};

/// Echoes every message until it is aborted.
async fn echo() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            open.spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_close() || socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, task)
}

async fn connect(gateway: &TestGateway) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (socket, answer) = client_async("ws://alice.nsl.sh/chat", stream).await.unwrap();
    assert_eq!(answer.status(), 101);
    socket
}

async fn round_trip(socket: &mut WebSocketStream<TcpStream>, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let echoed = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echoed, message);
}

#[tokio::test]
async fn messages_pass_both_ways_once_and_in_order() {
    let (address, _echo) = echo().await;
    let gateway = TestGateway::alice(vec![route("agent/alice", address)]).await;
    let mut socket = connect(&gateway).await;
    for n in 0..200 {
        round_trip(&mut socket, Message::text(format!("message {n}"))).await;
    }
    round_trip(&mut socket, Message::binary(vec![7; 1 << 20])).await;
    assert_eq!(gateway.metrics().active_tunnels.get(), 1);
    socket.close(None).await.unwrap();
    until("the tunnel's end", || gateway.metrics().active_tunnels.get() == 0).await;
}

#[tokio::test]
async fn a_socket_whose_upstream_dies_ends_cleanly_within_a_second_and_connects_elsewhere() {
    let (direct, direct_task) = echo().await;
    let (tunnel, _tunnel_task) = echo().await;
    let gateway =
        TestGateway::alice(vec![route("agent/alice", direct), route("tunnel/alice", tunnel)]).await;
    let mut socket = connect(&gateway).await;
    round_trip(&mut socket, Message::text("before")).await;
    direct_task.abort();
    let end = tokio::time::timeout(Duration::from_secs(1), socket.next()).await;
    let end = end.expect("the end within a second");
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    // No close frame, no reset: the stream just ended, which a browser shows as 1006.
    let clean = matches!(end, None | Some(Err(Error::Protocol(ResetWithoutClosingHandshake))));
    assert!(clean, "{end:?}");
    let mut again = connect(&gateway).await;
    round_trip(&mut again, Message::text("after")).await;
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let origin = Origin::named("no socket here").await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    let request = "GET /chat HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for _ in 0..2 {
        let answer = client.ask(request).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "no socket here"));
    }
    assert_eq!(origin.seen()[0].header("connection"), Some("upgrade"));
    assert_eq!(origin.seen()[0].header("upgrade"), Some("WebSocket"));
    assert_eq!(origin.n_connections(), 1);
}

#[tokio::test]
async fn an_upgrade_nobody_asked_for_is_a_fault_of_the_origin() {
    let origin = Origin::start(|_| {
        Act::Raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    for extra in ["", "Connection: upgrade\r\nUpgrade: h2c\r\n"] {
        let request = format!("GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\n{extra}\r\n");
        assert_eq!(gateway.ask(&request).await.status(), 502, "{extra}");
    }
    assert!(origin.seen().iter().all(|m| m.header("upgrade").is_none()));
}

#[tokio::test]
async fn a_tunnel_lasts_as_long_as_the_drain_and_is_then_closed_and_counted() {
    let (address, _echo) = echo().await;
    let mut config = crate::testing::config();
    config.limits.drain = Duration::from_secs(5);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", address)]).await;
    let mut socket = connect(&gateway).await;
    let (listens, metrics) = (gateway.address(), gateway.metrics());
    let ending = tokio::spawn(gateway.server.shutdown(Duration::ZERO));
    until("the listener's end", || std::net::TcpStream::connect(listens).is_err()).await;
    round_trip(&mut socket, Message::text("while it drains")).await;
    let end = tokio::time::timeout(PATIENCE, socket.next()).await.expect("the tunnel's end");
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    assert!(matches!(end, Some(Err(Error::Protocol(ResetWithoutClosingHandshake)))), "{end:?}");
    drop(socket);
    tokio::time::timeout(PATIENCE, ending).await.expect("the end").unwrap();
    assert_eq!((metrics.tunnels_cut.get(), metrics.connections_cut.get()), (1, 0));
}
