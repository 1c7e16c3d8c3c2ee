//! Engines over TCP: in plain, and by TLS with certificates of both ends.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rutter_providers::docker::{Endpoint, TlsFiles};
use rutter_providers::registry::ProviderState;
use tokio_rustls::TlsAcceptor;

use crate::engine::{Container, Engine};
use crate::house::House;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed(by: &Ca, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// An engine's end: a certificate for a name, and clients of a CA only.
fn acceptor(by: &Ca, name: &str) -> TlsAcceptor {
    let (certificate, key) = signed(by, name);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(by.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// A client's files in a folder, as Docker's tools have them.
fn write_files(folder: &Path, trusts: &Ca, own: &Ca) {
    let (certificate, key) = signed(own, "client");
    std::fs::write(folder.join("ca.pem"), trusts.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

async fn house_of(port: u16, trusts: &Ca, own: &Ca, engine: &Engine) -> House {
    let house = House::new().await;
    write_files(house.folder.path(), trusts, own);
    let folder = house.folder.path().to_str().unwrap().to_owned();
    let variable = |name: &str| (name == "DOCKER_CERT_PATH").then(|| folder.clone());
    engine.put(Container::new(1, "app"));
    let endpoint = Endpoint::parse(&format!("tls://localhost:{port}"), None, variable);
    house.follow(endpoint.unwrap()).await;
    house
}

#[tokio::test]
async fn an_engine_over_tcp() {
    let (engine, house) = (Engine::new(), House::new().await);
    engine.put(Container::new(1, "app"));
    let port = engine.on_port(None, &house.stop).await;
    let endpoint = Endpoint::parse(&format!("tcp://127.0.0.1:{port}"), None, |_| None).unwrap();
    house.follow(endpoint).await;
    house.until(|house| house.all() == ["app http://172.18.0.3:8080"]).await;
}

#[tokio::test]
async fn an_engine_over_tls_with_certificates_of_both_ends() {
    let (engine, ca) = (Engine::new(), ca());
    let stop = tokio_util::sync::CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let port = engine.on_port(Some(acceptor(&ca, "localhost")), &stop).await;
    let house = house_of(port, &ca, &ca, &engine).await;
    house.until(|house| house.all() == ["app http://172.18.0.3:8080"]).await;
}

#[tokio::test]
async fn nobody_is_spoken_with_whose_certificate_is_not_right() {
    let (engine, its, other) = (Engine::new(), ca(), ca());
    let stop = tokio_util::sync::CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let right = engine.on_port(Some(acceptor(&its, "localhost")), &stop).await;
    let wrong_name = engine.on_port(Some(acceptor(&its, "elsewhere")), &stop).await;
    let cases = [
        (right, &other, &its, "invalid peer certificate"),
        (wrong_name, &its, &its, "not valid for name"),
        (right, &its, &other, ""),
    ];
    for (port, trusts, own, want) in cases {
        let house = house_of(port, trusts, own, &engine).await;
        house.until(|house| matches!(house.state(), ProviderState::Lost { .. })).await;
        let ProviderState::Lost { why } = house.state() else { unreachable!() };
        assert!(why.contains(want), "{why}");
        assert_eq!(house.all(), Vec::<String>::new());
    }
    assert_eq!(engine.n_listings(), 0);
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let house = House::new().await;
    let missing = house.folder.path().join("ca.pem");
    let files = TlsFiles { ca: Some(missing.clone()), own: None };
    let endpoint = Endpoint::parse("tls://localhost:1", Some(files), |_| None).unwrap();
    house.follow(endpoint).await;
    house.until(|house| matches!(house.state(), ProviderState::Lost { .. })).await;
    let ProviderState::Lost { why } = house.state() else { unreachable!() };
    assert!(why.contains(missing.to_str().unwrap()), "{why}");
}
