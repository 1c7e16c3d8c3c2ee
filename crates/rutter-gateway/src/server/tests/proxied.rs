//! PROXY headers and the ACL at the door, over real sockets.

use std::io::ErrorKind;

use rutter_route::ProxyHeader;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{tls_client, with_tls};
use crate::config::GatewayConfig;
use crate::proxy_protocol::{ProxyProtocolConfig, ProxyProtocolMode, Told, write};
use crate::testing::{
    Authority, Origin, PATIENCE, RawClient, TestGateway, config, get, route, until,
};

const CLIENT: &str = "198.51.100.7";

fn header(version: ProxyHeader, client: &str) -> Vec<u8> {
    let client = std::net::SocketAddr::new(client.parse().unwrap(), 4711);
    write(version, Told { client, to: "192.0.2.1:443".parse().unwrap() })
}

fn expecting(mode: ProxyProtocolMode, trusted: &str) -> GatewayConfig {
    let trusted = vec![trusted.parse().unwrap()];
    GatewayConfig { proxy_protocol: ProxyProtocolConfig { mode, trusted }, ..config() }
}

async fn gateway(config: GatewayConfig, origin: &Origin) -> TestGateway {
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    gateway
}

/// Whether the gateway has cut a connection without an answer.
async fn is_cut(client: &mut RawClient<TcpStream>) -> bool {
    let read = tokio::time::timeout(PATIENCE, client.stream.read(&mut [0])).await.expect("an end");
    match read {
        Ok(n) => n == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn the_client_in_a_header_is_the_client_for_the_origin() {
    let origin = Origin::named("direct").await;
    for mode in [ProxyProtocolMode::Mixed, ProxyProtocolMode::Required] {
        let gateway = gateway(expecting(mode, "127.0.0.0/8"), &origin).await;
        for version in [ProxyHeader::V1, ProxyHeader::V2] {
            let mut client = gateway.client().await;
            client.send(header(version, CLIENT)).await;
            for _ in 0..2 {
                assert_eq!(client.ask(&get("/")).await.text(), "direct");
                let seen = origin.seen();
                assert_eq!(seen.last().unwrap().header("x-forwarded-for"), Some(CLIENT));
            }
            // In one piece with what follows, and byte by byte.
            let mut client = gateway.client().await;
            client.send([header(version, CLIENT), get("/").into_bytes()].concat()).await;
            assert_eq!(client.answer().await.unwrap().text(), "direct");
            let mut client = gateway.client().await;
            client.stream.set_nodelay(true).unwrap();
            for byte in header(version, CLIENT) {
                client.send([byte]).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(client.ask(&get("/")).await.text(), "direct");
        }
    }
}

#[tokio::test]
async fn without_a_header_a_trusted_peer_is_served_if_none_is_required_and_else_cut() {
    let origin = Origin::named("direct").await;
    let mixed = gateway(expecting(ProxyProtocolMode::Mixed, "127.0.0.0/8"), &origin).await;
    // The first letter is that of `PROXY` too.
    for request in [get("/"), get("/").replace("GET", "PUT"), get("/").replace("GET", "PROPFIND")] {
        assert_eq!(mixed.ask(&request).await.text(), "direct", "{request}");
    }
    let required = gateway(expecting(ProxyProtocolMode::Required, "127.0.0.0/8"), &origin).await;
    let mut client = required.client().await;
    client.send(get("/")).await;
    assert!(is_cut(&mut client).await);
    assert_eq!(required.metrics().proxy_headers_refused.get(), 1);
}

#[tokio::test]
async fn a_header_of_a_peer_that_is_not_trusted_is_never_believed() {
    let origin = Origin::named("direct").await;
    let mixed = gateway(expecting(ProxyProtocolMode::Mixed, "192.0.2.0/24"), &origin).await;
    assert_eq!(mixed.ask(&get("/")).await.text(), "direct");
    assert_eq!(origin.seen().last().unwrap().header("x-forwarded-for"), Some("127.0.0.1"));
    for version in [ProxyHeader::V1, ProxyHeader::V2] {
        let mut client = mixed.client().await;
        client.send([header(version, CLIENT), get("/").into_bytes()].concat()).await;
        assert_eq!(client.answer().await.unwrap().status(), 400);
    }
    let required = gateway(expecting(ProxyProtocolMode::Required, "192.0.2.0/24"), &origin).await;
    let mut client = required.client().await;
    // The reset may be there before it is out.
    let _sent = client.try_send(header(ProxyHeader::V2, CLIENT)).await;
    assert!(is_cut(&mut client).await);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_header_that_is_none_or_does_not_end_is_cut() {
    let origin = Origin::named("direct").await;
    let mut config = expecting(ProxyProtocolMode::Mixed, "127.0.0.0/8");
    config.limits.header_timeout = std::time::Duration::from_millis(300);
    let gateway = gateway(config, &origin).await;
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
    let too_long_v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
    let half = header(ProxyHeader::V2, CLIENT)[..20].to_vec();
    let bad = [b"PROXY TCP4 nonsense\r\n".to_vec(), long.into_bytes(), too_long_v2, half];
    for (n, bytes) in bad.into_iter().enumerate() {
        let mut client = gateway.client().await;
        client.send(bytes).await;
        assert!(is_cut(&mut client).await, "the {n}th");
    }
    until("all were counted", || gateway.metrics().proxy_headers_refused.get() == 4).await;
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn a_header_comes_before_tls() {
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let mut config = with_tls(authority.sign(&["alice.nsl.sh"]).write(directory.path()));
    config.proxy_protocol = expecting(ProxyProtocolMode::Mixed, "127.0.0.0/8").proxy_protocol;
    let origin = Origin::named("direct").await;
    let gateway = gateway(config, &origin).await;
    let stream = TcpStream::connect(gateway.server.addresses()[1]).await.unwrap();
    let mut first = RawClient::new(stream);
    first.send(header(ProxyHeader::V2, CLIENT)).await;
    let name = "alice.nsl.sh".try_into().unwrap();
    let stream = authority.connector().connect(name, first.stream).await.unwrap();
    assert_eq!(RawClient::new(stream).ask(&get("/")).await.text(), "direct");
    assert_eq!(origin.seen()[0].header("x-forwarded-for"), Some(CLIENT));
    let mut plainly = tls_client(&gateway, &authority, "alice.nsl.sh").await.unwrap();
    assert_eq!(plainly.ask(&get("/")).await.text(), "direct");
}

#[tokio::test]
async fn a_client_is_counted_and_let_in_by_the_address_in_its_header() {
    let origin = Origin::named("direct").await;
    let mut config = expecting(ProxyProtocolMode::Mixed, "127.0.0.0/8");
    config.limits.max_connections_per_client = 1;
    config.acl.deny = vec!["203.0.113.0/24".parse().unwrap()];
    let mut gateway = gateway(config.clone(), &origin).await;
    let mut open = Vec::new();
    for client in [CLIENT, "198.51.100.8"] {
        let mut one = gateway.client().await;
        one.send(header(ProxyHeader::V1, client)).await;
        assert_eq!(one.ask(&get("/")).await.text(), "direct");
        open.push(one);
    }
    let mut second = gateway.client().await;
    second.send(header(ProxyHeader::V1, CLIENT)).await;
    assert!(is_cut(&mut second).await);
    assert_eq!(gateway.metrics().connections_refused.get(), 1);
    let mut denied = gateway.client().await;
    denied.send(header(ProxyHeader::V1, "203.0.113.9")).await;
    assert!(is_cut(&mut denied).await);
    assert_eq!(gateway.metrics().acl_denied.get(), 1);
    open.clear();

    // Another ACL is of the next connection on.
    config.acl.deny.clear();
    gateway.server.reload(&config).unwrap();
    let mut now = gateway.client().await;
    now.send(header(ProxyHeader::V1, "203.0.113.9")).await;
    assert_eq!(now.ask(&get("/")).await.text(), "direct");

    // And for streams the same.
    let (service, at) = crate::streams::tests::place("tcp").await;
    let there = crate::streams::tests::echo("db:").await;
    config.acl.deny = vec!["203.0.113.0/24".parse().unwrap()];
    gateway.server.reload(&config).unwrap();
    gateway.set_stream(&service, vec![crate::streams::tests::tcp("agent/db", there)]).await;
    let mut denied = RawClient::new(TcpStream::connect(at).await.unwrap());
    denied.send(header(ProxyHeader::V1, "203.0.113.9")).await;
    assert!(is_cut(&mut denied).await);
}

#[tokio::test]
async fn who_is_denied_gets_a_reset_at_every_listener() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.acl.allow_local = false;
    config.acl.deny = vec!["127.0.0.0/8".parse().unwrap()];
    let mut gateway = gateway(config, &origin).await;
    let (service, at) = crate::streams::tests::place("tcp").await;
    let there = crate::streams::tests::echo("db:").await;
    gateway.set_stream(&service, vec![crate::streams::tests::tcp("agent/db", there)]).await;
    for address in [gateway.address(), at] {
        let mut client = RawClient::new(TcpStream::connect(address).await.unwrap());
        assert!(is_cut(&mut client).await);
    }
    let metrics = gateway.metrics();
    assert_eq!(metrics.acl_denied.get(), 2);
    let (place, socket) = crate::streams::tests::udp::denied_place().await;
    let route = crate::testing::spec("agent/dns", &format!("udp://{there}"));
    gateway.set_stream(&place, vec![route]).await;
    socket.send(b"x").await.unwrap();
    until("the datagram", || metrics.acl_denied.get() == 3).await;
    assert_eq!((metrics.udp_sessions.get(), metrics.datagrams_dropped.get()), (0, 1));
}
