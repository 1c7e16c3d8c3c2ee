use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::ServerCertificates;
use crate::testing::{Served, client};

fn plain() -> Router {
    Router::new().route("/", get(async || "ok"))
}

fn limits() -> Limits {
    let soon = Duration::from_millis(200);
    Limits { connections: 2, head: soon, handshake: soon, ..Limits::default() }
}

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the other end closes.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut all = String::new();
    // A reset is an end as good as any.
    let _ = stream.read_to_string(&mut all).await;
    all
}

#[tokio::test]
async fn port_0_becomes_a_port_and_a_taken_one_says_what_to_do() {
    let bind = |address| Listener::bind("api", address, None, Limits::default());
    let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_ne!(first.address().port(), 0);
    let error = bind(first.address()).unwrap_err().to_string();
    assert!(error.contains("`api`") && error.contains(&first.address().to_string()), "{error}");
    assert!(error.contains("ss -ltnp"), "{error}");
    let error = bind("203.0.113.77:0".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("ip address"), "{error}");
}

#[test]
fn a_refusal_to_bind_says_what_to_do() {
    let cases = [
        (80, std::io::ErrorKind::PermissionDenied, "cap_net_bind_service"),
        (8080, std::io::ErrorKind::PermissionDenied, "security policy"),
        (8080, std::io::ErrorKind::AddrInUse, "sport = :8080"),
        (8080, std::io::ErrorKind::AddrNotAvailable, "0.0.0.0"),
    ];
    for (port, kind, expected) in cases {
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        let error = BindError::new("api", address, kind.into()).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn who_sends_no_head_in_time_is_cut_off() {
    let served = Served::with(plain(), limits());
    let idle = connect(&served).await;
    let mut slow = connect(&served).await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    until_closed(idle).await;
    assert!(!until_closed(slow).await.contains("200"));
    assert_eq!(client().get(&served.url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn over_the_bound_connections_wait_for_room() {
    let served = Served::with(plain(), limits());
    let (first, second) = (connect(&served).await, connect(&served).await);
    // A third is answered once the two idle ones have been cut off, and not before.
    let mut third = connect(&served).await;
    third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut third = std::pin::pin!(until_closed(third));
    let mut first = std::pin::pin!(until_closed(first));
    tokio::select! {
        biased;
        _ = &mut first => {}
        answer = &mut third => panic!("answered while two were open: {answer}"),
    }
    assert!(third.await.starts_with("HTTP/1.1 200"));
    drop(second);
}

#[tokio::test]
async fn a_stop_lets_the_request_under_way_finish_and_takes_no_other() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        async move || {
            begun.notify_one();
            go_on.notified().await;
            "done"
        }
    };
    let served = Served::new(Router::new().route("/", get(handler)));
    let request = tokio::spawn(client().get(&served.url).send());
    begun.notified().await;
    served.stop.cancel();
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    // The listener closes its socket at once: wait for the refusal.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    served.ended().await;
}

#[tokio::test]
async fn a_connection_that_was_accepted_before_the_stop_may_bring_a_request() {
    let served = Served::new(plain());
    let ask = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let (mut fresh, mut kept) = (connect(&served).await, connect(&served).await);
    kept.write_all(ask).await.unwrap();
    // Accepted in turn: that the second is answered says that the first was taken.
    kept.read_exact(&mut [0; 12]).await.unwrap();
    served.stop.cancel();
    for stream in [&mut fresh, &mut kept] {
        stream.write_all(ask).await.unwrap();
    }
    let answer = until_closed(fresh).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    let answer = until_closed(kept).await;
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    served.ended().await;
}

#[tokio::test]
async fn what_does_not_drain_is_dropped() {
    let begun = Arc::new(Notify::new());
    let handler = {
        let begun = begun.clone();
        async move || {
            begun.notify_one();
            std::future::pending::<()>().await;
            "never"
        }
    };
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let served = Served::with(Router::new().route("/", get(handler)), limits);
    let mut stream = connect(&served).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    served.stop.cancel();
    assert_eq!(until_closed(stream).await, "");
    served.ended().await;
}

fn certificate() -> (rcgen::CertifiedKey<rcgen::KeyPair>, rustls_pki_types::PrivateKeyDer<'static>)
{
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made, key)
}

#[tokio::test]
async fn tls_by_a_certificate_that_is_renewed_while_it_serves() {
    let (first, key) = certificate();
    let certificates = ServerCertificates::new(vec![first.cert.der().clone()], key).unwrap();
    let config = certificates.server_config().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("api", address, Some(config), limits()).unwrap();
    assert!(listener.is_tls());
    let address = listener.address();
    let served = tokio::spawn(listener.serve(plain(), CancellationToken::new()));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let url = format!("https://localhost:{}/", address.port());
    let trusting = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let ca = reqwest::Certificate::from_der(made.cert.der()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
    };
    let client = trusting(&first);
    assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "ok");
    let (second, key) = certificate();
    let (other, _) = certificate();
    // A key that isn't the certificate's is refused, and the one before goes on.
    let (_, wrong) = certificate();
    assert!(certificates.renew(vec![other.cert.der().clone()], wrong).is_err());
    assert!(trusting(&first).get(&url).send().await.is_ok());
    certificates.renew(vec![second.cert.der().clone()], key).unwrap();
    assert!(trusting(&first).get(&url).send().await.is_err());
    assert!(trusting(&second).get(&url).send().await.is_ok());
    // Who doesn't shake hands is cut off.
    let silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(until_closed(silent).await, "");
    served.abort();
}
