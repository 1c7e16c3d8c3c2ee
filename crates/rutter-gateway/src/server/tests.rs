//! Listeners and life: TLS in, reload, bounds, shutdown.

mod certificates;
mod clients;
mod handshake;
mod idle;
mod mtls;
mod proxied;

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Server;
use crate::config::{GatewayConfig, ListenerConfig};
use crate::error::GatewayError;
use crate::testing::{
    Act, Authority, Origin, PATIENCE, RawClient, TestGateway, any_port, config, get, route, until,
    with_body,
};

fn with_tls(files: crate::config::CertificateFiles) -> GatewayConfig {
    let mut config = config();
    config.listeners.push(ListenerConfig::tls(any_port(), files));
    config
}

async fn tls_client(
    gateway: &TestGateway,
    trusts: &Authority,
    name: &str,
) -> std::io::Result<RawClient<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(gateway.server.addresses()[1]).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Ok(RawClient::new(trusts.connector().connect(name, stream).await?))
}

#[tokio::test]
async fn a_tls_listener_stands_beside_a_plain_one_and_its_certificate_reloads() {
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let config = with_tls(authority.sign(&["alice.nsl.sh"]).write(directory.path()));
    let origin = Origin::named("direct").await;
    let mut gateway = TestGateway::start(config.clone()).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "direct");

    let mut client = tls_client(&gateway, &authority, "alice.nsl.sh").await.unwrap();
    assert_eq!(client.ask(&get("/")).await.text(), "direct");
    assert_eq!(origin.seen()[1].header("x-forwarded-proto"), Some("https"));

    assert!(tls_client(&gateway, &authority, "bob.nsl.sh").await.is_err());
    authority.sign(&["bob.nsl.sh"]).write(directory.path());
    gateway.server.reload(&config).unwrap();
    tls_client(&gateway, &authority, "bob.nsl.sh").await.unwrap();
    assert_eq!(client.ask(&get("/")).await.text(), "direct", "who was connected stays");
    until("the refused handshake counted", || gateway.metrics().tls_handshake_failures.get() == 1)
        .await;
}

#[tokio::test]
async fn files_that_hold_no_certificate_are_refused_by_name_and_change_nothing() {
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let files = authority.sign(&["alice.nsl.sh"]).write(directory.path());
    let gateway = TestGateway::start(with_tls(files.clone())).await;
    let damage: [(&str, &std::path::Path, Option<&str>); 4] = [
        ("No such file", &files.chain, None),
        ("expected a certificate chain", &files.chain, Some("nothing")),
        ("expected a private key", &files.key, Some("nothing")),
        (
            "expected a private key",
            &files.key,
            Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
        ),
    ];
    for (want, path, text) in damage {
        let before = std::fs::read(path).unwrap();
        match text {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let error = gateway.server.reload(&with_tls(files.clone())).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
        std::fs::write(path, before).unwrap();
        tls_client(&gateway, &authority, "alice.nsl.sh").await.unwrap();
    }
    // A key that belongs to another certificate.
    let other = tempfile::tempdir().unwrap();
    let other = authority.sign(&["alice.nsl.sh"]).write(other.path());
    std::fs::copy(&other.key, &files.key).unwrap();
    assert!(matches!(
        gateway.server.reload(&with_tls(files)),
        Err(GatewayError::Certificate { .. })
    ));
}

#[tokio::test]
async fn a_port_that_is_taken_says_what_to_do() {
    let taken = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let mut config = config();
    config.listeners[0].address = taken.local_addr().unwrap();
    let error = Server::bind(&config, Vec::new()).await.err().unwrap().to_string();
    let port = taken.local_addr().unwrap().port();
    assert!(error.contains(&format!("another program listens on port {port}")), "{error}");

    // A second gateway doesn't quietly share the first one's port either.
    let gateway = TestGateway::start(crate::testing::config()).await;
    config.listeners[0].address = gateway.address();
    assert!(matches!(Server::bind(&config, Vec::new()).await, Err(GatewayError::Listen { .. })));
}

#[tokio::test]
async fn numbers_out_of_bounds_are_refused_by_name() {
    type Spoil = fn(&mut GatewayConfig);
    let cases: [(&str, Spoil); 4] = [
        ("listeners", |c| c.listeners.clear()),
        ("limits.max_connections", |c| c.limits.max_connections = 0),
        ("limits.max_header_bytes", |c| c.limits.max_header_bytes = 100),
        ("upstream.max_tries", |c| c.upstream.max_tries = 0),
    ];
    for (field, spoil) in cases {
        let mut config = config();
        spoil(&mut config);
        match Server::bind(&config, Vec::new()).await.err() {
            Some(GatewayError::Config { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(crate::config::UpstreamConfig::default().forbidden.len(), 7, "all literals parse");
}

#[tokio::test]
async fn a_request_in_flight_ends_and_idle_connections_close_at_shutdown() {
    let (release, gate) = tokio::sync::watch::channel(false);
    let origin = crate::testing::slow_origin(gate).await;
    let mut gateway = TestGateway::start(config()).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin)]).await;
    let address = gateway.address();
    let mut idle = gateway.client().await;
    let mut busy = gateway.client().await;
    assert_eq!(idle.ask("GET / HTTP/1.1\r\nHost: nobody.nsl.sh\r\n\r\n").await.status(), 404);
    busy.send(get("/")).await;
    let metrics = gateway.metrics();
    until("the request upstream", || metrics.upstream_connects.get() == 1).await;

    let ending = tokio::spawn(gateway.server.shutdown(Duration::ZERO));
    assert!(idle.answer().await.is_none(), "an idle connection closes");
    assert!(TcpStream::connect(address).await.is_err(), "nobody is accepted");
    release.send(true).unwrap();
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "slow"));
    assert!(busy.answer().await.is_none(), "and then it closes");
    tokio::time::timeout(PATIENCE, ending).await.unwrap().unwrap();
    assert_eq!(metrics.active_connections.get(), 0);
}

#[tokio::test]
async fn what_doesnt_end_is_cut_off_after_the_drain_time() {
    let origin = Origin::start(|_| Act::Hang).await;
    let mut config = config();
    config.limits.drain = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let mut client = gateway.client().await;
    client.send(get("/")).await;
    origin.got(1).await;
    tokio::time::timeout(PATIENCE, gateway.server.shutdown(Duration::ZERO)).await.expect("an end");
    assert!(client.answer().await.is_none());
}

#[tokio::test]
async fn over_the_bound_clients_wait_for_a_place() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.limits.max_connections = 2;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let (mut a, mut b) = (gateway.client().await, gateway.client().await);
    assert_eq!(a.ask(&get("/")).await.status(), 200);
    assert_eq!(b.ask(&get("/")).await.status(), 200);
    let mut c = gateway.client().await;
    c.send(get("/")).await;
    let waiting = tokio::time::timeout(Duration::from_millis(100), c.stream.readable());
    assert!(waiting.await.is_err(), "the third waits");
    drop(a);
    assert_eq!(c.answer().await.unwrap().status(), 200);
    assert_eq!(gateway.metrics().connections.get(), 3);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let mut config = config();
    config.limits.header_timeout = Duration::from_millis(100);
    let gateway = TestGateway::start(config).await;
    for start in ["", "GET / HTTP/1.1\r\nHost: alice"] {
        let mut client = gateway.client().await;
        client.send(start).await;
        let answer = client.answer().await;
        assert!(answer.is_none_or(|a| a.status() == 408), "{start:?}");
    }
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.workers = 3;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = gateway.client().await;
        assert_eq!(client.ask(&get("/")).await.text(), "direct");
        clients.push(client);
    }
    // Each worker has a pool of its own: three were opened, three used again.
    assert_eq!(origin.n_connections(), 3);
    assert_eq!(gateway.metrics().upstream_reuses.get(), 3);
}

#[tokio::test]
async fn a_reload_changes_numbers_at_once_and_refuses_other_listeners() {
    let origin = Origin::named("direct").await;
    let mut gateway = TestGateway::alice(vec![route("agent/alice", origin.address)]).await;
    let long = get(&format!("/{}", "x".repeat(200)));
    let mut client = gateway.client().await;
    assert_eq!(client.ask(&long).await.status(), 200);
    let mut changed = config();
    changed.limits.max_target_bytes = 100;
    gateway.server.reload(&changed).unwrap();
    assert_eq!(client.ask(&long).await.status(), 414);
    changed.limits.max_body_bytes = 3;
    gateway.server.reload(&changed).unwrap();
    assert_eq!(gateway.ask(&with_body("POST", "/", "four")).await.status(), 413);
    changed.limits.max_target_bytes = 1000;
    changed.listeners.push(ListenerConfig::plain(any_port()));
    let error = gateway.server.reload(&changed).unwrap_err().to_string();
    assert!(error.contains("restart"), "{error}");
    assert_eq!(gateway.ask(&long).await.status(), 414, "nothing has changed");
    gateway.set("alice.nsl.sh", vec![]).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 503);
}
