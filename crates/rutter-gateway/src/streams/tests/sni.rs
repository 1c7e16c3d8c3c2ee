//! Streams by the name in a handshake, on the listener of HTTPS.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use rutter_route::StreamOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

use super::{connect, echo, hears, rest, tcp, with, within};
use crate::config::{GatewayConfig, ListenerConfig};
use crate::index::HostMatching;
use crate::testing::{
    Authority, Identity, Origin, RawClient, TestGateway, any_port, config, get, route, until,
};

/// Listens for HTTPS with a certificate of the authority, and plainly first.
fn with_https(authority: &Authority, names: &[&str]) -> (GatewayConfig, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config();
    let files = authority.sign(names).write(directory.path());
    config.listeners.push(ListenerConfig::tls(any_port(), files));
    (config, directory)
}

/// A server of TLS that says its name and repeats what it hears.
async fn tls_echo(name: &'static str, identity: Identity) -> SocketAddr {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let (address, acceptor) = (listener.local_addr().unwrap(), identity.acceptor());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let (mut from, mut to) = tokio::io::split(stream);
                to.write_all(name.as_bytes()).await.unwrap();
                // A client may go as it likes.
                let _ended = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn tls(
    at: SocketAddr,
    trusts: &Authority,
    name: &str,
    offers: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(trusts.connector_with_alpn(offers).connect(name, connect(at).await)).await
}

#[tokio::test]
async fn a_name_of_a_stream_is_passed_on_with_its_tls_and_others_are_https() {
    let (ours, theirs) = (Authority::new("gateway"), Authority::new("service"));
    let (config, _files) = with_https(&ours, &["alice.nsl.sh"]);
    let mut gateway = TestGateway::start(config).await;
    let at = gateway.server.addresses()[1];
    let origin = Origin::named("direct").await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let there = tls_echo("db:", theirs.sign(&["db.nsl.sh"])).await;
    let service = "tcp:db.nsl.sh".parse().unwrap();
    gateway.set_stream(&service, vec![tcp("agent/db", there)]).await;

    let mut stream = tls(at, &theirs, "db.nsl.sh", &["postgresql"]).await.unwrap();
    hears(&mut stream, "db:").await;
    stream.write_all(b"hello").await.unwrap();
    hears(&mut stream, "hello").await;

    for offers in [&[] as &[&str], &["http/1.1"]] {
        let stream = tls(at, &ours, "alice.nsl.sh", offers).await.unwrap();
        assert_eq!(RawClient::new(stream).ask(&get("/")).await.text(), "direct");
    }
    let stream = tls(at, &ours, "alice.nsl.sh", &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));

    gateway.unset(&service).await;
    assert!(tls(at, &theirs, "db.nsl.sh", &[]).await.is_err(), "it is HTTPS again");
    hears_still(&mut stream_of(at, &ours).await).await;
}

async fn stream_of(at: SocketAddr, ours: &Authority) -> RawClient<TlsStream<TcpStream>> {
    RawClient::new(tls(at, ours, "alice.nsl.sh", &[]).await.unwrap())
}

async fn hears_still(client: &mut RawClient<TlsStream<TcpStream>>) {
    assert_eq!(client.ask(&get("/")).await.text(), "direct");
}

#[tokio::test]
async fn names_are_matched_as_hosts_are() {
    let (ours, theirs) = (Authority::new("gateway"), Authority::new("service"));
    let (mut config, _files) = with_https(&ours, &["alice.nsl.sh"]);
    config.hosts = HostMatching::AnyDomain;
    let mut gateway = TestGateway::start(config).await;
    let at = gateway.server.addresses()[1];
    let names = ["db.example.com", "a.wild.example"];
    let there = tls_echo("db:", theirs.sign(&names)).await;
    for service in ["tcp:db", "tcp:*.wild.example"] {
        gateway.set_stream(&service.parse().unwrap(), vec![tcp("agent/db", there)]).await;
    }
    for name in names {
        hears(&mut tls(at, &theirs, name, &[]).await.unwrap(), "db:").await;
    }
}

#[tokio::test]
async fn tls_may_end_here_by_name_and_at_a_place_of_its_own() {
    let ours = Authority::new("gateway");
    let (config, _files) = with_https(&ours, &["db.nsl.sh"]);
    let mut gateway = TestGateway::start(config).await;
    let https = gateway.server.addresses()[1];
    let (at_place, place) = super::place("tcp").await;
    let ends = StreamOptions { terminates_tls: true, ..StreamOptions::default() };
    let route = with(tcp("agent/db", echo("db:").await), ends);
    gateway.set_stream(&"tcp:db.nsl.sh".parse().unwrap(), vec![route.clone()]).await;
    gateway.set_stream(&at_place, vec![route]).await;
    for at in [https, place] {
        // Whatever protocol is offered, none is refused.
        let mut stream = tls(at, &ours, "db.nsl.sh", &["postgresql"]).await.unwrap();
        hears(&mut stream, "db:").await;
        stream.write_all(b"hello").await.unwrap();
        hears(&mut stream, "hello").await;
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"bye");
    }
}

#[tokio::test]
async fn without_the_switch_a_stream_is_not_reached_by_name() {
    let (ours, theirs) = (Authority::new("gateway"), Authority::new("service"));
    let (mut config, _files) = with_https(&ours, &["alice.nsl.sh"]);
    config.streams.sni = false;
    let mut gateway = TestGateway::start(config).await;
    let there = tls_echo("db:", theirs.sign(&["db.nsl.sh"])).await;
    gateway.set_stream(&"tcp:db.nsl.sh".parse().unwrap(), vec![tcp("agent/db", there)]).await;
    assert!(tls(gateway.server.addresses()[1], &theirs, "db.nsl.sh", &[]).await.is_err());
}

#[tokio::test]
async fn a_hello_in_pieces_is_read_and_what_is_none_ends_in_an_alert() {
    let (ours, theirs) = (Authority::new("gateway"), Authority::new("service"));
    let (config, _files) = with_https(&ours, &["alice.nsl.sh"]);
    let mut gateway = TestGateway::start(config).await;
    let at = gateway.server.addresses()[1];
    let there = tls_echo("db:", theirs.sign(&["db.nsl.sh"])).await;
    gateway.set_stream(&"tcp:db.nsl.sh".parse().unwrap(), vec![tcp("agent/db", there)]).await;

    let (mut near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("db.nsl.sh").unwrap();
    let connector = theirs.connector();
    let handshake = tokio::spawn(async move { connector.connect(name, far).await });
    let mut wire = connect(at).await;
    wire.set_nodelay(true).unwrap();
    let mut hello = vec![0; 16 * 1024];
    let n = within(near.read(&mut hello)).await.unwrap();
    for piece in hello[..n].chunks(7) {
        wire.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut wire).await });
    let mut stream = within(handshake).await.unwrap().unwrap();
    hears(&mut stream, "db:").await;

    let mut stranger = connect(at).await;
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: db.nsl.sh\r\n\r\n").await.unwrap();
    let alert = rest(&mut stranger).await;
    assert_eq!(alert.first(), Some(&21), "an alert: {alert:?}");
    until("it was counted", || gateway.metrics().tls_handshake_failures.get() == 1).await;
}
