use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rutter_route::Service;
use tokio::net::UdpSocket;

use super::within;
use crate::feed::RouteSpec;
use crate::testing::{TestGateway, any_port, config, spec, until};

fn udp(source: &str, to: SocketAddr) -> RouteSpec {
    spec(source, &format!("udp://{to}"))
}

async fn socket() -> UdpSocket {
    UdpSocket::bind(any_port()).await.unwrap()
}

/// A place that nobody listens at.
async fn place() -> (Service, SocketAddr) {
    let address = socket().await.local_addr().unwrap();
    (format!("udp:dns@{address}").parse().unwrap(), address)
}

/// A place, and a client that asks there.
pub(crate) async fn denied_place() -> (Service, UdpSocket) {
    let (service, at) = place().await;
    (service, client(at).await)
}

/// A server that answers each datagram with its name and what it was told.
async fn answering(name: &'static str) -> SocketAddr {
    let socket = socket().await;
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = [name.as_bytes(), &buffer[..n]].concat();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

async fn client(of: SocketAddr) -> UdpSocket {
    let client = socket().await;
    client.connect(of).await.unwrap();
    client
}

async fn asks(client: &UdpSocket, question: &[u8]) -> Vec<u8> {
    client.send(question).await.unwrap();
    let mut answer = vec![0; 65_536];
    let n = within(client.recv(&mut answer)).await.unwrap();
    answer.truncate(n);
    answer
}

#[tokio::test]
async fn each_client_gets_its_own_answers_by_its_own_session() {
    let (service, at) = place().await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("a:").await)]).await;
    let clients = [client(at).await, client(at).await, client(at).await];
    for round in 0..20_u8 {
        for (n, client) in clients.iter().enumerate() {
            let question = [n as u8, round];
            assert_eq!(asks(client, &question).await, [b"a:".as_slice(), &question].concat());
        }
    }
    let metrics = gateway.metrics();
    assert_eq!((metrics.udp_sessions.get(), metrics.active_udp_sessions.get()), (3, 3));
    assert_eq!(metrics.datagrams_in.get(), 60);
    until("the last is counted", || metrics.datagrams_out.get() == 60).await;
    assert_eq!(metrics.datagrams_dropped.get(), 0);
    gateway.unset(&service).await;
    until("the sessions' end", || metrics.active_udp_sessions.get() == 0).await;
}

#[tokio::test]
async fn datagrams_of_any_size_arrive_as_they_were_sent() {
    let (service, at) = place().await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("").await)]).await;
    let client = client(at).await;
    for size in [1, 64, 1200, 9000, 60_000] {
        assert!(asks(&client, &vec![7; size]).await == vec![7; size], "{size} bytes");
    }
}

#[tokio::test]
async fn a_session_ends_when_nothing_moved_and_the_next_datagram_begins_another() {
    let (service, at) = place().await;
    let mut config = config();
    config.streams.udp_idle_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("a:").await)]).await;
    let client = client(at).await;
    asks(&client, b"x").await;
    let metrics = gateway.metrics();
    until("the session's end", || metrics.active_udp_sessions.get() == 0).await;
    assert_eq!(asks(&client, b"y").await, b"a:y");
    assert_eq!(metrics.udp_sessions.get(), 2);
}

#[tokio::test]
async fn over_its_bound_no_new_client_is_served_and_the_others_are() {
    let (service, at) = place().await;
    let mut config = config();
    config.streams.max_udp_sessions = 2;
    let mut gateway = TestGateway::start(config).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("a:").await)]).await;
    let first = [client(at).await, client(at).await];
    for client in &first {
        asks(client, b"x").await;
    }
    client(at).await.send(b"x").await.unwrap();
    let metrics = gateway.metrics();
    until("the datagram that is one too many", || metrics.datagrams_dropped.get() == 1).await;
    for client in &first {
        assert_eq!(asks(client, b"y").await, b"a:y");
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_left_for_another() {
    let (service, at) = place().await;
    let mut gateway = TestGateway::start(config()).await;
    let alive = answering("b:").await;
    let dead = socket().await.local_addr().unwrap();
    let routes = vec![udp("agent/a", dead), udp("agent/b", alive)];
    gateway.set_stream(&service, routes).await;
    let client = client(at).await;
    // Datagrams are lost until the refusal is here, and clients of UDP say again what isn't heard.
    let answer = within(async {
        let mut answer = [0; 16];
        loop {
            client.send(b"x").await.unwrap();
            let wait = tokio::time::timeout(Duration::from_millis(50), client.recv(&mut answer));
            if let Ok(Ok(n)) = wait.await {
                break answer[..n].to_vec();
            }
        }
    })
    .await;
    assert_eq!(answer, b"b:x");
}

#[tokio::test]
async fn a_change_of_routes_is_of_the_next_session_on() {
    let (service, at) = place().await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("a:").await)]).await;
    let (old, new) = (client(at).await, client(at).await);
    assert_eq!(asks(&old, b"x").await, b"a:x");
    gateway.set_stream(&service, vec![udp("agent/b", answering("b:").await)]).await;
    assert_eq!(asks(&new, b"x").await, b"b:x");
    assert_eq!(asks(&old, b"y").await, b"a:y");
}

#[tokio::test]
async fn many_clients_at_once_lose_nothing_that_was_taken() {
    let (service, at) = place().await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set_stream(&service, vec![udp("agent/a", answering("").await)]).await;
    let asking = (0..64_u32).map(|n| async move {
        let client = client(at).await;
        for round in 0..50_u32 {
            let question = [n.to_be_bytes(), round.to_be_bytes()].concat();
            assert_eq!(asks(&client, &question).await, question);
        }
    });
    futures_util::future::join_all(asking).await;
    let metrics: Arc<_> = gateway.metrics();
    assert_eq!(metrics.datagrams_in.get(), 3200);
    until("the last is counted", || metrics.datagrams_out.get() == 3200).await;
}
