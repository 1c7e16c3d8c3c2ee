//! Who is let in at the neighbours' listener, and who is believed to be a neighbour's gateway.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rutter_link::Signatures;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::scene::{Scene, cluster, key};
use crate::testing::{Identity, Message, Origin, RawClient, get};

/// A client that takes any server.
#[derive(Debug)]
struct Anybody(Signatures);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}

/// A connection to the neighbours' listener of `a` that shows this; whatever it is shown is good.
async fn connect(
    scene: &Scene,
    shows: Option<Arc<CertifiedKey>>,
) -> Option<RawClient<TlsStream<TcpStream>>> {
    let provider = crate::server::provider();
    let anybody = Arc::new(Anybody(Signatures::of(provider.clone())));
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(anybody);
    let config = match shows {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    let address = scene.node("a").gateway.server.addresses()[1];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("a.invalid").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok().map(RawClient::new)
}

/// What a request gets there; `None`: the connection ended first.
async fn ask(scene: &Scene, shows: Option<Arc<CertifiedKey>>, request: &str) -> Option<Message> {
    let mut client = connect(scene, shows).await?;
    client.try_send(request).await.ok()?;
    client.answer().await
}

#[tokio::test]
async fn nobody_but_a_neighbour_is_let_in_at_the_neighbours_listener() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    let b = scene.says("b").identity.clone();
    assert_eq!(ask(&scene, b, &get("/")).await.unwrap().text(), "a");
    assert!(ask(&scene, None, &get("/")).await.is_none(), "no certificate");
    let (_, stranger) = key();
    assert!(ask(&scene, Some(stranger), &get("/")).await.is_none(), "an unknown key");
    let (chain, private) = Identity::self_signed(&["b"]).into_parts();
    let other = CertifiedKey::from_der(chain, private, &crate::server::provider()).unwrap();
    assert!(ask(&scene, Some(Arc::new(other)), &get("/")).await.is_none(), "no key of a cluster");
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn who_is_a_neighbour_no_more_is_refused_over_the_connection_it_has() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    let b = scene.says("b").identity.clone();
    let mut client = connect(&scene, b).await.unwrap();
    assert_eq!(client.ask(&get("/")).await.text(), "a");
    scene.says("a").keys.clear();
    let answer = client.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (403, Some("NOT_NEIGHBOUR")));
}

#[tokio::test]
async fn a_neighbours_word_on_who_was_visited_counts_and_must_be_readable() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    let b = scene.says("b").identity.clone();
    let with = |via: &str| get("/").replace("Host:", &format!("Rutter-Via: {via}\r\nHost:"));
    let cases = [
        ("4; b", 200, None),
        ("3; a, b", 508, Some("CLUSTER_LOOP")),
        ("rubbish", 400, Some("BAD_VIA")),
        ("4; b\r\nRutter-Via: 4; b", 400, Some("BAD_VIA")),
    ];
    for (via, status, code) in cases {
        let answer = ask(&scene, b.clone(), &with(via)).await.unwrap();
        assert_eq!((answer.status(), answer.header("x-rutter-error")), (status, code), "{via}");
    }
}

#[tokio::test]
async fn a_neighbour_is_served_only_what_it_was_told_of() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    scene.says("a").untold.insert(cluster("b"));
    let b = scene.says("b").identity.clone();
    let answer = ask(&scene, b, &get("/")).await.unwrap();
    assert_eq!((answer.status(), answer.header("x-rutter-error")), (404, Some("UNKNOWN_HOST")));
    assert_eq!(scene.ask("a", &get("/")).await.text(), "a", "its own people have it");
}

#[tokio::test]
async fn a_gateway_without_the_neighbours_key_gets_no_request() {
    let mut scene = Scene::new(&["a", "b", "d"]).await;
    let (real, false_one) = (Origin::named("a").await, Origin::named("false").await);
    scene.serve("a", &real).await;
    scene.serve("b", &false_one).await;
    scene.way("d", &[&["d", "a"]]).await;
    // B stands where A should be.
    let b = scene.node("b").gateway.server.addresses()[1];
    scene.says("d").gateways.insert(cluster("a"), b);
    let answer = scene.ask("d", &get("/")).await;
    assert_eq!(answer.status(), 502);
    assert!(false_one.seen().is_empty());
}

#[tokio::test]
async fn after_a_rotation_no_request_goes_over_a_connection_of_the_old_key() {
    let mut scene = Scene::new(&["a", "d"]).await;
    let origin = Origin::named("a").await;
    scene.serve("a", &origin).await;
    scene.way("d", &[&["d", "a"]]).await;
    let connects = |scene: &Scene| scene.node("d").gateway.metrics().upstream_connects.get();
    for _ in 0..2 {
        assert_eq!(scene.ask("d", &get("/")).await.text(), "a");
    }
    assert_eq!(connects(&scene), 1, "a connection is used again");
    for name in ["a", "d"] {
        let before = connects(&scene);
        scene.rekey(name);
        assert_eq!(scene.ask("d", &with_body()).await.text(), "a");
        assert_eq!(connects(&scene), before + 1, "{name} has a new key");
    }
}

/// A request that may not be repeated.
fn with_body() -> String {
    crate::testing::with_body("POST", "/", "order")
}
