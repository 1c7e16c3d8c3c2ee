//! Each kind of probe against a real socket.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use rutter_route::{Folder, TlsServerName, TlsVersion, UpstreamOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::super::state::Found;
use super::*;
use crate::{HealthSettings, HttpScheme};

fn host() -> HostName {
    HostName::Address(IpAddr::from([127, 0, 0, 1]))
}

fn route(target: Target) -> Route {
    let text = "app: {host: 10.0.0.1, port: 80}";
    let mut reading = crate::godoxy::read_file("f", text, &|_| None, &Default::default()).unwrap();
    let health = HealthSettings { timeout: Duration::from_secs(10), ..Default::default() };
    Route { target, health, ..reading.routes.remove(0) }
}

fn http(scheme: HttpScheme, port: u16, upstream: UpstreamOptions) -> Route {
    route(Target::Http { scheme, host: host(), port, upstream: Box::new(upstream) })
}

async fn ask(route: &Route) -> (Found, String) {
    let answer = Prober::default().probe(route).await;
    (answer.found, answer.detail)
}

/// Takes one connection and does something with it; its port.
async fn serve<F>(does: impl FnOnce(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        does(stream).await;
    });
    port
}

/// Reads a head, and answers; what was asked comes over the channel.
async fn answers(status: &'static str) -> (u16, tokio::sync::oneshot::Receiver<String>) {
    let (tell, hear) = tokio::sync::oneshot::channel();
    let port = serve(move |mut stream| async move {
        let head = head_of(&mut stream).await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 1000000\r\n\r\nx");
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = tell.send(head);
    });
    (port.await, hear)
}

async fn head_of(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn any_status_but_5xx_is_well() {
    for (status, found) in [
        ("200 OK", Found::Well),
        ("302 Found", Found::Well),
        ("401 Unauthorized", Found::Well),
        ("404 Not Found", Found::Well),
        ("500 Internal Server Error", Found::Ill),
        ("503 Service Unavailable", Found::Ill),
    ] {
        let (port, _asked) = answers(status).await;
        let asked = ask(&http(HttpScheme::Http, port, UpstreamOptions::default())).await;
        assert_eq!(asked, (found, status.to_owned()));
    }
}

#[tokio::test]
async fn head_or_get_asks_for_the_path() {
    for (use_get, path, line) in
        [(false, "/", "HEAD / HTTP/1.1"), (true, "/up?deep=1", "GET /up?deep=1 HTTP/1.1")]
    {
        let (port, asked) = answers("204 No Content").await;
        let mut route = http(HttpScheme::Http, port, UpstreamOptions::default());
        route.health.use_get = use_get;
        route.health.path = path.to_owned();
        assert_eq!(ask(&route).await.0, Found::Well);
        let head = asked.await.unwrap();
        assert_eq!(head.lines().next(), Some(line));
        assert!(head.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn no_connection_and_no_answer_are_not_well() {
    let refused = http(HttpScheme::Http, closed_port().await, UpstreamOptions::default());
    assert_eq!(ask(&refused).await.0, Found::Ill);
    let silent = serve(|stream| async move {
        let (_kept, ()) = (stream, std::future::pending().await);
    });
    let mut silent = http(HttpScheme::Http, silent.await, Default::default());
    silent.health.timeout = Duration::from_millis(200);
    let (found, detail) = ask(&silent).await;
    assert_eq!((found, &*detail), (Found::Ill, "no answer within 200 ms"));
    let hangs_up = serve(|mut stream| async move {
        head_of(&mut stream).await;
    });
    let asked = ask(&http(HttpScheme::Http, hangs_up.await, UpstreamOptions::default())).await;
    assert_eq!(asked.0, Found::Ill, "{asked:?}");
    let other = serve(|mut stream| async move {
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
    });
    let asked = ask(&http(HttpScheme::Http, other.await, UpstreamOptions::default())).await;
    assert_eq!(asked.0, Found::Ill, "{asked:?}");
    let mut wrong = http(HttpScheme::Http, closed_port().await, UpstreamOptions::default());
    wrong.health.path = "/a b".to_owned();
    assert_eq!(ask(&wrong).await.0, Found::Failed, "that can't be asked");
}

/// A server of TLS whose certificate nobody trusts; the name that it was asked for.
async fn tls_server(
    asks_for_certificate: bool,
) -> (u16, tokio::sync::oneshot::Receiver<Option<String>>) {
    let made = rcgen::generate_simple_self_signed(["elsewhere.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match asks_for_certificate {
        false => config.with_no_client_auth(),
        true => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(made.cert.der().clone()).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            config.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        }
    };
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let (tell, hear) = tokio::sync::oneshot::channel();
    let port = serve(move |stream| async move {
        let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        head_of(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let _ = tell.send(stream.get_ref().1.server_name().map(str::to_owned));
        let _ = stream.shutdown().await;
    });
    (port.await, hear)
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_well_and_names_are_asked_as_the_options_say() {
    let named = || TlsServerName::Named("inner.lan".parse().unwrap());
    for (server_name, host, sni) in [
        (TlsServerName::Host, "localhost", Some("localhost")),
        (TlsServerName::Host, "127.0.0.1", None),
        (TlsServerName::Off, "localhost", None),
        (named(), "127.0.0.1", Some("inner.lan")),
    ] {
        let (port, seen) = tls_server(false).await;
        let upstream = Box::new(UpstreamOptions { server_name, ..UpstreamOptions::default() });
        let host = host.parse().unwrap();
        let target = Target::Http { scheme: HttpScheme::Https, host, port, upstream };
        let asked = ask(&route(target)).await;
        assert_eq!(asked.0, Found::Well, "{asked:?}");
        assert_eq!(seen.await.unwrap().as_deref(), sni);
    }
}

#[tokio::test]
async fn our_certificate_is_shown_and_read_again_when_its_file_changed() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (path("client.crt"), path("client.key"));
    let options = UpstreamOptions {
        client_certificate: Some((chain.as_str().into(), key.as_str().into())),
        ..UpstreamOptions::default()
    };
    let prober = Prober::default();
    let route = http(HttpScheme::Https, tls_server(true).await.0, options.clone());
    let missing = prober.probe(&route).await;
    assert_eq!(missing.found, Found::Failed);
    assert!(missing.detail.contains("client.crt"), "{}", missing.detail);
    for _ in 0..2 {
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let (port, _) = tls_server(true).await;
        // The server doesn't know who signed it: by the refusal it is seen that it was shown.
        let answer = prober.probe(&http(HttpScheme::Https, port, options.clone())).await;
        assert_eq!(answer.found, Found::Ill, "{answer:?}");
        assert!(answer.detail.contains("fatal alert"), "{answer:?}");
    }
    std::fs::write(&key, "no key").unwrap();
    let answer = prober.probe(&http(HttpScheme::Https, tls_server(true).await.0, options)).await;
    assert_eq!(answer.found, Found::Failed);
    assert!(answer.detail.contains("client.key"), "{}", answer.detail);
}

#[tokio::test]
async fn versions_of_tls_that_are_not_spoken_are_said_by_name() {
    let old = UpstreamOptions {
        tls_versions: Some((TlsVersion::V1_0, TlsVersion::V1_1)),
        ..UpstreamOptions::default()
    };
    let asked = ask(&http(HttpScheme::Https, tls_server(false).await.0, old)).await;
    assert_eq!(asked, (Found::Failed, "TLS before 1.2 isn't spoken".to_owned()));
}

#[tokio::test]
async fn h2c_is_asked_by_prior_knowledge() {
    for (status, found) in [(204, Found::Well), (502, Found::Ill)] {
        let port = serve(move |stream| async move {
            let answer = hyper::service::service_fn(move |request: hyper::Request<_>| async move {
                let _: &hyper::body::Incoming = request.body();
                assert_eq!(
                    (request.version(), request.uri().path()),
                    (hyper::Version::HTTP_2, "/")
                );
                let answer = hyper::Response::builder().status(status);
                answer.body(http_body_util::Empty::<bytes::Bytes>::new())
            });
            let made =
                hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = made.serve_connection(hyper_util::rt::TokioIo::new(stream), answer).await;
        });
        let asked = ask(&http(HttpScheme::H2c, port.await, UpstreamOptions::default())).await;
        assert_eq!(asked.0, found, "{asked:?}");
    }
}

#[tokio::test]
async fn a_folder_is_well_while_it_is_there() {
    let folder = tempfile::TempDir::new().unwrap();
    let root = folder.path().to_str().unwrap().to_owned();
    let files = |root: &str| {
        let _: Folder = root.parse().unwrap();
        route(Target::Files { root: root.to_owned(), index: "/i".to_owned(), is_spa: false })
    };
    assert_eq!(ask(&files(&root)).await.0, Found::Well);
    let file = format!("{root}/file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(ask(&files(&file)).await.0, Found::Ill);
    drop(folder);
    assert_eq!(ask(&files(&root)).await.0, Found::Ill);
}

#[tokio::test]
async fn tcp_is_well_when_it_connects() {
    let tcp = |host: &str, port| {
        let host = host.parse().unwrap();
        route(Target::Tcp { host, port, sends_proxy_header: false, terminates_tls: false })
    };
    let open = serve(|_| async {});
    assert_eq!(ask(&tcp("127.0.0.1", open.await)).await.0, Found::Well);
    let by_name = serve(|_| async {});
    assert_eq!(ask(&tcp("localhost", by_name.await)).await.0, Found::Well);
    assert_eq!(ask(&tcp("127.0.0.1", closed_port().await)).await.0, Found::Ill);
    let (found, detail) = ask(&tcp("nowhere.invalid", 80)).await;
    assert_eq!(found, Found::Failed, "{detail}");
}

#[tokio::test]
async fn udp_is_well_by_an_answer_not_well_by_a_refusal_and_says_nothing_by_silence() {
    let udp = |port| route(Target::Udp { host: host(), port });
    let answering = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = answering.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (length, from) = answering.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!(length, 0, "nothing that could be taken for something");
        answering.send_to(b"a long answer", from).await.unwrap();
    });
    assert_eq!(ask(&udp(port)).await.0, Found::Well);
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    assert_eq!(ask(&udp(port)).await.0, Found::Silence);
    drop(silent);
    assert_eq!(ask(&udp(port)).await.0, Found::Ill);
}

#[test]
fn what_is_wrong_here_says_nothing_of_others() {
    for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS] {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(stream_error(&error).0, Found::Silence, "{error}");
    }
    assert_eq!(stream_error(&io::ErrorKind::ConnectionReset.into()).0, Found::Ill);
    assert_eq!(stream_error(&io::ErrorKind::TimedOut.into()).0, Found::Failed);
}
