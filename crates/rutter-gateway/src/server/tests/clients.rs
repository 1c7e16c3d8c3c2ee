//! How many connections a client may have, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Server, with_tls};
use crate::testing::{
    Act, Authority, Origin, PATIENCE, RawClient, TestGateway, config, get, route, until,
};

/// Connects and asks; `None`: it was turned away.
async fn served(to: SocketAddr) -> Option<RawClient<TcpStream>> {
    let mut client = RawClient::new(TcpStream::connect(to).await.unwrap());
    // The reset may be there before the request is out.
    client.try_send(get("/")).await.ok()?;
    let answer = client.answer().await?;
    assert_eq!(answer.status(), 200);
    Some(client)
}

/// An origin that switches to another protocol and then says nothing.
async fn switching() -> Origin {
    Origin::start(|m| match m.header("upgrade") {
        None => Act::Ok("direct".to_owned()),
        Some(_) => Act::Raw(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
              Upgrade: websocket\r\n\r\n"
                .to_vec(),
        ),
    })
    .await
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";

#[tokio::test]
async fn over_its_bound_a_client_is_reset_at_once_and_let_in_when_one_has_ended() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.limits.max_connections_per_client = 2;
    let mut gateway = TestGateway::start(config.clone()).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let (address, metrics) = (gateway.address(), gateway.metrics());
    let first = served(address).await.expect("a place");
    let _second = served(address).await.expect("a place");
    let mut third = TcpStream::connect(address).await.unwrap();
    let mut byte = [0];
    let end = tokio::time::timeout(PATIENCE, third.read(&mut byte)).await.expect("an end");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!((metrics.connections_refused.get(), metrics.connections.get()), (1, 2));
    drop(first);
    until("a place", || metrics.active_connections.get() == 1).await;
    let _third = served(address).await.expect("a place");

    // A reload is of the next connection on.
    config.limits.max_connections_per_client = 3;
    gateway.server.reload(&config).unwrap();
    let _fourth = served(address).await.expect("a place");
    assert!(served(address).await.is_none());
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    gateway.server.reload(&config).unwrap();
    let _proxys = [served(address).await.expect("any number"), served(address).await.unwrap()];
    assert_eq!(metrics.connections_refused.get(), 2);
}

#[tokio::test]
async fn a_tunnel_keeps_its_places_until_it_ends() {
    let origin = switching().await;
    let mut config = config();
    config.limits.max_connections_per_client = 1;
    config.limits.max_connections = 2;
    let mut gateway = TestGateway::start(config.clone()).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let (address, metrics) = (gateway.address(), gateway.metrics());
    let mut tunnel = RawClient::new(TcpStream::connect(address).await.unwrap());
    assert_eq!(tunnel.ask(UPGRADE).await.status(), 101);
    until("the connection given up", || metrics.active_connections.get() == 0).await;
    assert!(served(address).await.is_none(), "it is its client's one connection");

    // And one of two altogether: the third waits in the kernel's queue.
    config.limits.max_connections_per_client = 0;
    gateway.server.reload(&config).unwrap();
    let _second = served(address).await.expect("a place");
    let mut third = RawClient::new(TcpStream::connect(address).await.unwrap());
    third.send(get("/")).await;
    let waiting = tokio::time::timeout(Duration::from_millis(100), third.stream.readable());
    assert!(waiting.await.is_err(), "the third waits");
    drop(tunnel);
    assert_eq!(third.answer().await.unwrap().status(), 200);
}

#[tokio::test]
async fn whatever_becomes_of_connections_no_count_is_left() {
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let mut config = with_tls(authority.sign(&["alice.nsl.sh"]).write(directory.path()));
    config.listeners[0].h2c = true;
    config.limits.drain = Duration::from_millis(100);
    config.limits.header_timeout = Duration::from_millis(500);
    let origin = switching().await;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let clients = gateway.server.gate.clients.clone();
    let [plain, tls] = [0, 1].map(|n| gateway.server.addresses()[n]);

    // One that says nothing, one that is idle, one that ends, one that is no HTTP.
    let _silent = TcpStream::connect(plain).await.unwrap();
    let idle = served(plain).await.unwrap();
    drop(served(plain).await);
    let mut broken = RawClient::new(TcpStream::connect(plain).await.unwrap());
    broken.send("nothing of HTTP\r\n\r\n").await;
    assert_eq!(broken.answer().await.unwrap().status(), 400);
    // A handshake that fails, one that is given up, and one that goes well.
    let mut no_tls = RawClient::new(TcpStream::connect(tls).await.unwrap());
    no_tls.send(get("/")).await;
    drop(TcpStream::connect(tls).await.unwrap());
    let stream = TcpStream::connect(tls).await.unwrap();
    let name = "alice.nsl.sh".try_into().unwrap();
    let over_tls = authority.connector().connect(name, stream).await.unwrap();
    assert_eq!(RawClient::new(over_tls).ask(&get("/")).await.status(), 200);
    // HTTP/2, of which a stream is under way.
    let stream = TcpStream::connect(plain).await.unwrap();
    let (mut http2, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://alice.nsl.sh/").body(()).unwrap();
    let (answer, _) = http2.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(clients.len(), 1, "all are of one client");
    drop((idle, http2));
    connection.await.unwrap().unwrap();
    until("no count left", || clients.len() == 0).await;

    // What the end of the gateway cuts off: a request in flight, an idle connection, a tunnel.
    let mut tunnel = RawClient::new(TcpStream::connect(plain).await.unwrap());
    assert_eq!(tunnel.ask(UPGRADE).await.status(), 101);
    let mut half = RawClient::new(TcpStream::connect(plain).await.unwrap());
    half.send("POST / HTTP/1.1\r\nHost: alice.nsl.sh\r\nContent-Length: 9\r\n\r\n").await;
    let _idle = served(plain).await.unwrap();
    assert_eq!(clients.len(), 1);
    let end = gateway.server.shutdown(Duration::ZERO);
    tokio::time::timeout(PATIENCE, end).await.expect("an end");
    until("no count left", || clients.len() == 0).await;
}

#[tokio::test]
async fn at_a_hand_over_each_counts_its_own_and_nothing_is_left_at_the_first() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.limits.max_connections_per_client = 1;
    config.limits.drain = PATIENCE;
    let mut old = TestGateway::start(config.clone()).await;
    old.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let (address, counted) = (old.address(), old.server.gate.clients.clone());
    let mut kept = served(address).await.expect("a place");
    assert!(served(address).await.is_none(), "its client's only one");

    let sockets = old.server.sockets().unwrap().into_iter().map(Some).collect();
    let (server, end) = Server::bind(&config, sockets).await.unwrap();
    let mut new = TestGateway { server, feed: end.feed, verdicts: end.verdicts };
    new.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let ending = tokio::spawn(old.server.shutdown(PATIENCE));
    new.server.open();
    // The first one may accept to the last, and then it turns away; the next attempt is the other's.
    let taken = async {
        loop {
            if let Some(client) = served(address).await {
                break client;
            }
        }
    };
    let _taken = tokio::time::timeout(PATIENCE, taken).await.expect("a place at the successor");
    assert_eq!((counted.len(), new.server.gate.clients.len()), (1, 1));
    // The last request of the one that was kept.
    assert_eq!(kept.ask(&get("/")).await.status(), 200);
    tokio::time::timeout(PATIENCE, ending).await.expect("an end").unwrap();
    assert_eq!((counted.len(), new.server.gate.clients.len()), (0, 1));
}
