//! The end of a handshake and what comes with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;

use super::with_tls;
use crate::testing::{Authority, Origin, PATIENCE, TestGateway, get, route};

/// A client of TLS 1.3 that sends its request in one piece with the end of its handshake, as those
/// do that have it at hand; and what it is answered until the gateway is silent.
fn hasty(address: std::net::SocketAddr, authority: &Authority, request: &str) -> String {
    let config = authority.connector().config().clone();
    let name = "alice.nsl.sh".try_into().unwrap();
    let mut tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while tls.is_handshaking() {
        while tls.wants_write() {
            tls.write_tls(&mut stream).unwrap();
        }
        assert!(tls.read_tls(&mut stream).unwrap() > 0);
        tls.process_new_packets().unwrap();
    }
    // The handshake's last words are not out yet.
    assert!(tls.wants_write());
    tls.writer().write_all(request.as_bytes()).unwrap();
    let mut piece = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut piece).unwrap();
    }
    stream.write_all(&piece).unwrap();
    let mut answer = vec![0; 4096];
    loop {
        assert!(tls.read_tls(&mut stream).unwrap() > 0, "it closed without an answer");
        tls.process_new_packets().unwrap();
        match tls.reader().read(&mut answer) {
            Ok(n) => return String::from_utf8_lossy(&answer[..n]).into_owned(),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_with_the_end_of_the_handshake_is_answered() {
    let authority = Authority::new("test");
    let directory = tempfile::tempdir().unwrap();
    let config = with_tls(authority.sign(&["alice.nsl.sh"]).write(directory.path()));
    let origin = Origin::named("direct").await;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let address = gateway.server.addresses()[1];
    for _ in 0..20 {
        let request = get("/");
        let answer = tokio::task::block_in_place(|| hasty(address, &authority, &request));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
