//! Services at places of their own, over sockets.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;

use crate::config::{GatewayConfig, ListenerConfig};
use crate::testing::{Authority, Message, Origin, RawClient, TestGateway, any_port, config, route};

/// A gateway that listens at loopback wherever nothing else is said.
async fn gateway(own: ListenerConfig) -> TestGateway {
    let mut config = GatewayConfig { listeners: vec![own], ..config() };
    config.streams.address = Ipv4Addr::LOCALHOST.into();
    TestGateway::start(config).await
}

fn plain() -> ListenerConfig {
    ListenerConfig::plain(any_port())
}

/// A port of loopback that nobody has: one that was just given back.
async fn free() -> u16 {
    crate::testing::free().await.port()
}

async fn ask(port: u16, host: &str) -> Message {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    RawClient::new(stream).ask(&request).await
}

async fn is_refused(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err()
}

/// Waits until nobody listens there any more.
async fn closes(port: u16) {
    let closed = async {
        while !is_refused(port).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::testing::PATIENCE, closed).await.expect("it closes");
}

#[tokio::test]
async fn a_service_with_a_port_is_found_there_and_nowhere_else() {
    let mut gateway = gateway(plain()).await;
    let (own, placed) = (Origin::named("own").await, Origin::named("placed").await);
    let (port, gateways) = (free().await, gateway.address().port());
    gateway.set("own", vec![route("provider/a", own.address)]).await;
    gateway.set(&format!("app@:{port}"), vec![route("provider/a", placed.address)]).await;
    // What is set can be reached when that returns.
    assert_eq!(ask(port, "app").await.text(), "placed");
    assert_eq!(ask(port, "own").await.status(), 404);
    assert_eq!(ask(gateways, "app").await.status(), 404);
    assert_eq!(ask(gateways, "own").await.text(), "own");
    gateway.feed.apply(vec![(format!("app@:{port}").parse().unwrap(), None)]).await;
    closes(port).await;
    assert_eq!(ask(gateways, "own").await.text(), "own");
}

#[tokio::test]
async fn several_services_share_a_port_and_the_last_one_closes_it() {
    let mut gateway = gateway(plain()).await;
    let origin = Origin::named("one").await;
    let port = free().await;
    let services = [format!("a@:{port}"), format!("b@127.0.0.1:{port}"), format!("a@:{port}/api")];
    for service in &services {
        gateway.set(service, vec![route("provider/a", origin.address)]).await;
    }
    let mut client = RawClient::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let asked = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_eq!(client.ask(asked).await.text(), "one");
    for (n, service) in services.iter().enumerate() {
        assert!(!is_refused(port).await, "{n}");
        gateway.feed.apply(vec![(service.parse().unwrap(), None)]).await;
    }
    closes(port).await;
    // Who was connected stays so, and finds nothing any more.
    assert_eq!(client.ask(asked).await.status(), 404);
}

#[tokio::test]
async fn a_place_at_a_listener_of_the_gateways_needs_none_of_its_own() {
    let mut gateway = gateway(plain()).await;
    let (whole, here) = (Origin::named("whole").await, Origin::named("here").await);
    let port = gateway.address().port();
    gateway.set("app", vec![route("provider/a", whole.address)]).await;
    for place in [format!("app@:{port}/x"), "app@127.0.0.1/y".to_owned()] {
        gateway.set(&place, vec![route("provider/a", here.address)]).await;
    }
    gateway.set("app@127.0.0.2/z", vec![route("provider/a", here.address)]).await;
    for (path, want) in [("/x", "here"), ("/y", "here"), ("/", "whole"), ("/z", "whole")] {
        let answer = gateway.ask(&format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n")).await;
        assert_eq!(answer.text(), want, "{path}");
    }
    // What may be read as a place's path is not another's either.
    let read_twice = gateway.ask("GET /%78 HTTP/1.1\r\nHost: app\r\n\r\n").await;
    assert_eq!(read_twice.status(), 404);
    // An address alone is asked for at the gateway's ports.
    let other = TcpStream::connect(("127.0.0.2", port)).await.unwrap();
    let mut other = RawClient::new(other);
    assert_eq!(other.ask("GET /z HTTP/1.1\r\nHost: app\r\n\r\n").await.text(), "here");
    assert_eq!(other.ask("GET / HTTP/1.1\r\nHost: app\r\n\r\n").await.status(), 404);
}

#[tokio::test]
async fn a_gateway_with_certificates_speaks_tls_at_places_too() {
    let authority = Authority::new("ca");
    let folder = tempfile::tempdir().unwrap();
    let files = authority.sign(&["app.example.com"]).write(folder.path());
    let mut gateway = gateway(ListenerConfig::tls(any_port(), files)).await;
    let origin = Origin::named("placed").await;
    let port = free().await;
    let service = format!("app.example.com@:{port}");
    gateway.set(&service, vec![route("provider/a", origin.address)]).await;
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "app.example.com".try_into().unwrap();
    let stream = authority.connector().connect(name, stream).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n";
    assert_eq!(RawClient::new(stream).ask(request).await.text(), "placed");
}

#[tokio::test]
async fn a_place_that_somebody_has_is_listened_at_when_they_are_gone() {
    let mut gateway = gateway(plain()).await;
    let origin = Origin::named("placed").await;
    let holder = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let port = holder.local_addr().unwrap().port();
    gateway.set(&format!("app@:{port}"), vec![route("provider/a", origin.address)]).await;
    drop(holder);
    let connected = async {
        loop {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let stream = tokio::time::timeout(crate::testing::PATIENCE, connected).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";
    assert_eq!(RawClient::new(stream).ask(request).await.text(), "placed");
}

#[tokio::test]
async fn places_end_with_the_gateway() {
    let mut gateway = gateway(plain()).await;
    let origin = Origin::named("placed").await;
    let port = free().await;
    gateway.set(&format!("app@:{port}"), vec![route("provider/a", origin.address)]).await;
    assert_eq!(ask(port, "app").await.text(), "placed");
    gateway.server.shutdown(std::time::Duration::ZERO).await;
    assert!(is_refused(port).await);
    let _bound_again: SocketAddr =
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap().local_addr().unwrap();
}
