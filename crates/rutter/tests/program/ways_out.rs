//! A request through each of: TLS in; `http`, `https` and `type: domain` out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use crate::support::origin::Origin;
use crate::support::visit::visitor;
use crate::support::{PATIENCE, Up};

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn signed(ca: &Ca, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, ca).unwrap();
    (certificate, key)
}

pub(crate) fn server(certificate: &rcgen::Certificate, key: &KeyPair) -> Arc<rustls::ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_in_and_http_https_and_domain_out() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    let names = ["plain.localhost", "secure.localhost", "named.localhost"];
    let (front, front_key) = signed(&ca, &names);
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let chain = write("front.pem", &front.pem());
    let key = write("front.key", &front_key.serialize_pem());
    let roots = write("roots.pem", &ca.as_ref().pem());
    let up = Up::run(
        dir,
        &format!(
            "controller:\n\
             gateway: {{tls: {{chain: '{chain}', key: '{key}'}}, upstream: {{roots: ['{roots}']}}}}\n\
             listeners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  gateway: {{https: '127.0.0.1:0'}}\n  \
             compat: {{mesh_router: '127.0.0.1:0'}}\n"
        ),
    );

    let plain = Origin::start("over http").await;
    let (behind, behind_key) = signed(&ca, &["secure.localhost"]);
    let secure = Origin::over_tls("over https", server(&behind, &behind_key)).await;
    let named = Origin::start("by its name").await;
    register(
        &up,
        "plain",
        json!({"ip": "127.0.0.1", "port": plain.address.port(), "scheme": "http"}),
    )
    .await;
    register(
        &up,
        "secure",
        json!({"ip": "127.0.0.1", "port": secure.address.port(), "scheme": "https"}),
    )
    .await;
    let by_name = json!({"ip": "192.0.2.1", "port": named.address.port(), "scheme": "http",
        "type": "domain", "domain": "localhost"});
    register(&up, "named", by_name).await;

    for (host, body) in
        [(names[0], "over http"), (names[1], "over https"), (names[2], "by its name")]
    {
        let client = tls_visitor(ca.as_ref().der(), host, up.gateway());
        let url = format!("https://{host}:{}/", up.gateway().port());
        let answer = heard_of(&client, &url).await;
        assert_eq!(answer.status().as_u16(), 200, "{host}");
        assert_eq!(answer.text().await.unwrap(), body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_trusts_the_own_ca_is_satisfied_with_every_name_of_a_service() {
    let up = Up::run(
        tempfile::tempdir().unwrap(),
        "controller:\ngateway:\nlisteners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  \
         gateway: {https: '127.0.0.1:0'}\n  compat: {mesh_router: '127.0.0.1:0'}\n",
    );
    let origin = Origin::start("over http").await;
    let route = json!({"ip": "127.0.0.1", "port": origin.address.port(), "scheme": "http"});
    register(&up, "alice", route).await;
    let root = CertificateDer::from_pem_file(up.data.join("ca.crt")).unwrap();
    for host in
        ["alice.localhost", "web.alice.localhost", "web-alice.localhost", "a.b.alice.localhost"]
    {
        let client = tls_visitor(&root, host, up.gateway());
        let url = format!("https://{host}:{}/", up.gateway().port());
        let until = Instant::now() + PATIENCE;
        // Before the gateway has heard of it there is no certificate for the name.
        let answer = loop {
            match client.get(&url).send().await {
                Ok(answer) => break answer,
                Err(error) => assert!(Instant::now() < until, "{host}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(answer.text().await.unwrap(), "over http", "{host}");
    }
    let stranger = tls_visitor(&root, "bob.localhost", up.gateway());
    let url = format!("https://bob.localhost:{}/", up.gateway().port());
    assert!(stranger.get(&url).send().await.is_err(), "nobody has that name");
}

/// The answer once the gateway has heard of the name.
async fn heard_of(client: &reqwest::Client, url: &str) -> reqwest::Response {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(url).send().await.unwrap();
        if answer.status().as_u16() != 404 || Instant::now() > until {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A browser that finds the name at the gateway.
pub(crate) fn tls_visitor(
    root: &CertificateDer<'static>,
    host: &str,
    gateway: std::net::SocketAddr,
) -> reqwest::Client {
    use rustls::RootCertStore;
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.resolve(host, gateway).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reads_certificates_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ca) = (dir.path().to_owned(), ca());
    let renew = || {
        let (certificate, key) = signed(&ca, &["api.localhost", "web.localhost"]);
        std::fs::write(path.join("chain.pem"), certificate.pem()).unwrap();
        std::fs::write(path.join("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    };
    let first = renew();
    let files = format!(
        "{{chain: '{}', key: '{}'}}",
        path.join("chain.pem").display(),
        path.join("key.pem").display()
    );
    let up = Up::run(
        dir,
        &format!(
            "controller: {{public_url: 'https://api.localhost:1'}}\ngateway: {{tls: {files}}}\n\
             listeners:\n  api: {{address: '127.0.0.1:0', tls: {files}}}\n  link: 127.0.0.1:0\n  \
             gateway: {{https: '127.0.0.1:0'}}\n  compat: {{mesh_router: {{address: '127.0.0.1:0', tls: {files}}}}}\n"
        ),
    );
    let mesh_router = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    let mesh_router = mesh_router.rsplit('/').next().unwrap().parse().unwrap();
    for address in [up.gateway(), mesh_router] {
        assert_eq!(presented(&ca, address).await, first);
    }
    let second = renew();
    assert_ne!(first, second);
    up.text(&["reload"]);
    for address in [up.gateway(), mesh_router] {
        assert_eq!(presented(&ca, address).await, second);
    }
    // Half a pair is refused, and what was presented stays.
    std::fs::write(path.join("key.pem"), "").unwrap();
    assert_eq!(up.command(&["reload"]).status.code(), Some(1));
    for address in [up.gateway(), mesh_router] {
        assert_eq!(presented(&ca, address).await, second);
    }
}

/// The certificate that a listener presents.
async fn presented(ca: &Ca, address: std::net::SocketAddr) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.as_ref().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let stream = connector.connect("web.localhost".try_into().unwrap(), stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Registers one route by Mesh Router's API, as a user whose key the controller has made.
async fn register(up: &Up, name: &str, mut route: serde_json::Value) {
    route["priority"] = json!(1);
    register_all(up, name, json!([route])).await;
}

/// Registers a new name's routes by Mesh Router's API.
pub(crate) async fn register_all(up: &Up, name: &str, routes: serde_json::Value) {
    let made = up.json(&["domains", "add", name]);
    let (user, signature) =
        (made["user_id"].as_str().unwrap(), made["signature"].as_str().unwrap());
    let api = up.run_file()["mesh_router"].as_str().unwrap().to_owned();
    let url = format!("{api}/routes/{user}/{signature}");
    let answer = visitor(None).post(url).json(&json!({ "routes": routes })).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(status == 200 && text.contains("\"success\":true"), "{name}: {status} {text}");
}
