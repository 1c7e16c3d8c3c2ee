//! What a route says of its upstreams, over real sockets.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rutter_route::{TlsServerName, TlsVersion, UpstreamOptions};
use smol_str::SmolStr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Roots, secure};
use crate::testing::{
    Act, Authority, Identity, Origin, PATIENCE, RawClient, TestGateway, any_port, config, get,
    spec_with, until,
};

/// A gateway that trusts nobody, with `alice.nsl.sh` at that origin.
async fn gateway(origin: &Origin, options: UpstreamOptions) -> TestGateway {
    let mut config = config();
    config.upstream.roots = Roots::Only(Vec::new());
    let mut gateway = TestGateway::start(config).await;
    let endpoint = format!("https://{}", origin.address);
    gateway.set("alice.nsl.sh", vec![spec_with("agent/alice", &endpoint, options)]).await;
    gateway
}

async fn status(origin: &Origin, options: UpstreamOptions) -> u16 {
    gateway(origin, options).await.ask(&get("/")).await.status()
}

fn text(path: &Path) -> SmolStr {
    path.to_str().unwrap().into()
}

#[tokio::test]
async fn only_a_route_that_says_so_goes_unverified() {
    let origin = secure(&Identity::self_signed(&["whoever.example"])).await;
    assert_eq!(status(&origin, UpstreamOptions::default()).await, 502);
    let unverified = UpstreamOptions { no_tls_verify: true, ..Default::default() };
    assert_eq!(status(&origin, unverified.clone()).await, 200);

    // Two routes to one server share no connection, though all else is the same.
    let mut gateway = gateway(&origin, unverified.clone()).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 200);
    let endpoint = format!("https://{}", origin.address);
    let verified = spec_with("agent/alice", &endpoint, UpstreamOptions::default());
    gateway.set("alice.nsl.sh", vec![verified]).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 502);
}

#[tokio::test]
async fn a_file_of_trusted_certificates_stands_in_for_the_systems() {
    let scratch = tempfile::tempdir().unwrap();
    let (private, other) = (Authority::new("private"), Authority::new("other"));
    let write = |name: &str, pem: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, pem).unwrap();
        text(&path)
    };
    let own = Identity::self_signed(&["alice.nsl.sh"]);
    let own_files = own.write(scratch.path());
    let misnamed = Identity::self_signed(&["bob.nsl.sh"]);
    let misnamed_file = scratch.path().join("bob");
    std::fs::create_dir(&misnamed_file).unwrap();
    let misnamed_file = misnamed.write(&misnamed_file);
    let ca = write("ca.pem", &private.certificate_pem);
    let both = write("both.pem", &format!("{}{}", other.certificate_pem, private.certificate_pem));
    let others = write("other.pem", &other.certificate_pem);
    let no_pem = write("no.pem", "no certificate");
    let missing = text(&scratch.path().join("missing.pem"));
    let (signed, wrong) = (private.sign(&["alice.nsl.sh"]), private.sign(&["bob.nsl.sh"]));
    let cases = [
        ("signed by the one", &signed, &ca, 200),
        ("signed by the second", &signed, &both, 200),
        ("signed by another", &signed, &others, 502),
        ("for another name", &wrong, &ca, 502),
        ("itself", &own, &text(&own_files.chain), 200),
        ("itself, for another name", &misnamed, &text(&misnamed_file.chain), 502),
        ("no PEM", &signed, &no_pem, 502),
        ("missing", &signed, &missing, 502),
    ];
    for (case, identity, file, expected) in cases {
        let origin = secure(identity).await;
        let options =
            UpstreamOptions { trusted_certificate: Some(file.clone()), ..Default::default() };
        assert_eq!(status(&origin, options).await, expected, "{case}");
        assert_eq!(origin.seen().len(), usize::from(expected == 200), "{case}");
    }
}

#[tokio::test]
async fn an_upstream_is_asked_for_the_name_that_the_route_says() {
    // It tells which name it was asked for.
    let authority = Authority::new("public");
    let identity = authority.sign(&["alice.nsl.sh", "named.example", "127.0.0.1", "localhost"]);
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = identity.acceptor();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = tls.accept(stream).await.unwrap();
            let asked = stream.get_ref().1.server_name().unwrap_or("nobody").to_owned();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{asked}",
                asked.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let named = TlsServerName::Named("named.example".parse().unwrap());
    let cases = [
        ("localhost", TlsServerName::Endpoint, "alice.nsl.sh"),
        ("localhost", TlsServerName::Host, "localhost"),
        // An address is no name to ask for, and is verified.
        ("127.0.0.1", TlsServerName::Host, "nobody"),
        ("localhost", TlsServerName::Off, "nobody"),
        ("127.0.0.1", TlsServerName::Off, "nobody"),
        ("localhost", named, "named.example"),
    ];
    let mut config = config();
    config.upstream.roots = Roots::Only(vec![authority.certificate.clone()]);
    let mut gateway = TestGateway::start(config).await;
    for (host, server_name, expected) in cases {
        let options = UpstreamOptions { server_name: server_name.clone(), ..Default::default() };
        let route = spec_with("agent/alice", &format!("https://{host}:{port}"), options);
        gateway.set("alice.nsl.sh", vec![route]).await;
        let answer = gateway.ask(&get("/")).await;
        assert_eq!(answer.text(), expected, "{host} {server_name:?}: {}", answer.status());
    }
    let wrong = TlsServerName::Named("other.example".parse().unwrap());
    let options = UpstreamOptions { server_name: wrong, ..Default::default() };
    let route = spec_with("agent/alice", &format!("https://localhost:{port}"), options);
    gateway.set("alice.nsl.sh", vec![route]).await;
    assert_eq!(gateway.ask(&get("/")).await.status(), 502);
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_a_new_one_is_taken_by_its_content() {
    let scratch = tempfile::tempdir().unwrap();
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let server = Authority::new("server").sign(&["alice.nsl.sh"]);
    let config = server.server(rustls::ALL_VERSIONS, Some(&clients));
    let tls = TlsAcceptor::from(Arc::new(config));
    let origin = Origin::at(any_port(), Some(tls), |_| Act::Ok("known".to_owned())).await;
    let files = clients.sign(&["gateway"]).write(scratch.path());
    let options = UpstreamOptions {
        no_tls_verify: true,
        client_certificate: Some((text(&files.chain), text(&files.key))),
        ..Default::default()
    };
    let gateway = gateway(&origin, options).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "known");
    assert_eq!(gateway.ask(&get("/")).await.text(), "known");
    assert_eq!(origin.n_connections(), 1);

    // Another certificate: what was made with the old one isn't used again.
    strangers.sign(&["gateway"]).write(scratch.path());
    let refused = async { while gateway.ask(&get("/")).await.status() != 502 {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("the stranger's is shown");
    // Half of a pair is nobody's: what was good before goes on until the pair is whole.
    let new = clients.sign(&["gateway"]);
    new.write(scratch.path());
    let known = async { while gateway.ask(&get("/")).await.status() != 200 {} };
    tokio::time::timeout(PATIENCE, known).await.expect("the new one is shown");
    std::fs::remove_file(&files.key).unwrap();
    // Of requests; the detector may still be asking whether it is well.
    let n_before = gateway.metrics().upstream_connects.get();
    let later = tokio::time::Instant::now() + crate::upstream::credentials::RECHECK;
    while tokio::time::Instant::now() < later {
        assert_eq!(gateway.ask(&get("/")).await.text(), "known", "without its file");
    }
    assert_eq!(gateway.ask(&get("/")).await.text(), "known");
    assert_eq!(gateway.metrics().upstream_connects.get(), n_before);
}

#[tokio::test]
async fn tls_is_spoken_in_the_versions_that_the_route_says() {
    use TlsVersion::{V1_0, V1_1, V1_2, V1_3};
    let identity = Identity::self_signed(&["alice.nsl.sh"]);
    let server = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        TlsAcceptor::from(Arc::new(identity.server(versions, None)))
    };
    let start = |tls| Origin::at(any_port(), Some(tls), |_| Act::Ok("spoken".to_owned()));
    let old = start(server(&[&rustls::version::TLS12])).await;
    let new = start(server(&[&rustls::version::TLS13])).await;
    let cases = [
        (None, 200, 200),
        (Some((V1_2, V1_2)), 200, 502),
        (Some((V1_3, V1_3)), 502, 200),
        (Some((V1_0, V1_3)), 200, 200),
        (Some((V1_0, V1_2)), 200, 502),
        // None that is left is none that is spoken.
        (Some((V1_0, V1_1)), 502, 502),
    ];
    for (tls_versions, with_old, with_new) in cases {
        let options = UpstreamOptions { no_tls_verify: true, tls_versions, ..Default::default() };
        assert_eq!(status(&old, options.clone()).await, with_old, "{tls_versions:?}");
        assert_eq!(status(&new, options).await, with_new, "{tls_versions:?}");
    }
}

#[tokio::test]
async fn a_route_without_compression_is_not_asked_for_it() {
    let origin = Origin::named("plain").await;
    let endpoint = format!("http://{}", origin.address);
    let options = UpstreamOptions { no_compression: true, ..Default::default() };
    let mut gateway = TestGateway::alice(vec![spec_with("agent/alice", &endpoint, options)]).await;
    let request = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nAccept-Encoding: gzip, br\r\n\r\n";
    gateway.ask(request).await;
    let plain = spec_with("agent/alice", &endpoint, UpstreamOptions::default());
    gateway.set("alice.nsl.sh", vec![plain]).await;
    gateway.ask(request).await;
    let seen = origin.seen();
    assert_eq!(seen[0].header("accept-encoding"), None);
    assert_eq!(seen[1].header("accept-encoding"), Some("gzip, br"));
}

#[tokio::test]
async fn a_routes_patience_for_a_head_is_its_own() {
    let origin = Origin::start(|_| Act::Hang).await;
    let options = UpstreamOptions {
        response_header_timeout: Some(Duration::from_millis(100)),
        ..Default::default()
    };
    let endpoint = format!("http://{}", origin.address);
    let gateway = TestGateway::alice(vec![spec_with("agent/alice", &endpoint, options)]).await;
    // The gateway's own is minutes.
    let answer = gateway.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (504, Some("BACKEND_TIMEOUT")));
}

/// An origin that counts how many connections it has at once, and answers when the gate opens.
struct Crowded {
    at: std::net::SocketAddr,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    gate: tokio::sync::watch::Sender<bool>,
}

async fn crowded() -> Crowded {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, opened) = tokio::sync::watch::channel(false);
    let crowded = Crowded { at, open: open.clone(), most: most.clone(), gate };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let n_open = open.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(n_open, Ordering::SeqCst);
            let (open, mut opened) = (open.clone(), opened.clone());
            tokio::spawn(async move {
                while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {
                    opened.wait_for(|open| *open).await.unwrap();
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(answer).await.unwrap();
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    crowded
}

#[tokio::test]
async fn an_upstream_never_has_more_connections_than_its_route_allows() {
    let origin = crowded().await;
    let mut config = config();
    config.workers = 3;
    let mut gateway = TestGateway::start(config).await;
    let options = UpstreamOptions { max_connections: Some(2), ..Default::default() };
    let route = spec_with("agent/alice", &format!("http://{}", origin.at), options);
    gateway.set("alice.nsl.sh", vec![route]).await;
    let mut clients: Vec<RawClient<_>> = Vec::new();
    for _ in 0..30 {
        clients.push(gateway.client().await);
    }
    for client in &mut clients {
        client.send(get("/")).await;
    }
    until("as many as may be", || origin.open.load(Ordering::SeqCst) == 2).await;
    origin.gate.send(true).unwrap();
    for round in 0..3 {
        for client in &mut clients {
            assert_eq!(client.answer().await.unwrap().text(), "ok", "round {round}");
        }
        if round < 2 {
            for client in &mut clients {
                client.send(get("/")).await;
            }
        }
    }
    assert_eq!(origin.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn who_waits_too_long_for_a_connection_goes_elsewhere_or_is_told_to_come_later() {
    let origin = crowded().await;
    let mut config = config();
    config.upstream.connect_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    let options = UpstreamOptions { max_connections: Some(1), ..Default::default() };
    let full = spec_with("agent/alice", &format!("http://{}", origin.at), options);
    gateway.set("alice.nsl.sh", vec![full.clone()]).await;
    let mut first = gateway.client().await;
    first.send(get("/")).await;
    until("it at the origin", || origin.open.load(Ordering::SeqCst) == 1).await;

    let late = gateway.ask(&get("/")).await;
    assert_eq!((late.status(), late.header("x-rutter-error")), (503, Some("BACKEND_BUSY")));
    assert_eq!(late.header("retry-after"), Some("5"));
    let other = Origin::named("elsewhere").await;
    let next = crate::testing::route("tunnel/alice", other.address);
    gateway.set("alice.nsl.sh", vec![full, next]).await;
    assert_eq!(gateway.ask(&get("/")).await.text(), "elsewhere");

    assert_eq!(gateway.metrics().upstream_busy.get(), 2);
    // The one who had it was kept waiting by nobody.
    origin.gate.send(true).unwrap();
    assert_eq!(first.answer().await.unwrap().text(), "ok");
    assert_eq!(gateway.ask(&get("/")).await.text(), "ok");
    assert_eq!(origin.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_tunnel_is_one_of_the_upstreams_connections_until_it_ends() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let n = stream.read(&mut head).await.unwrap();
                let answer: &[u8] = match String::from_utf8_lossy(&head[..n]).contains("websocket")
                {
                    true => {
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                          Upgrade: websocket\r\n\r\n"
                    }
                    false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                };
                stream.write_all(answer).await.unwrap();
                while stream.read(&mut head).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    let mut config = config();
    config.upstream.connect_timeout = Duration::from_millis(100);
    let mut gateway = TestGateway::start(config).await;
    let options = UpstreamOptions { max_connections: Some(1), ..Default::default() };
    let route = spec_with("agent/alice", &format!("http://{address}"), options);
    gateway.set("alice.nsl.sh", vec![route]).await;
    let mut tunnel = gateway.client().await;
    let upgrade = "GET / HTTP/1.1\r\nHost: alice.nsl.sh\r\nConnection: upgrade\r\n\
                   Upgrade: websocket\r\n\r\n";
    assert_eq!(tunnel.ask(upgrade).await.status(), 101);
    assert_eq!(gateway.ask(&get("/")).await.status(), 503);
    drop(tunnel);
    let metrics = gateway.metrics();
    until("the tunnel's end", || metrics.active_tunnels.get() == 0).await;
    let answered = async { while gateway.ask(&get("/")).await.status() != 200 {} };
    tokio::time::timeout(PATIENCE, answered).await.expect("its place is free");
}
