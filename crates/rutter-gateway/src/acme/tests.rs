//! A gateway against a CA over real TLS, that looks for itself whether a name is proven.

mod server;
mod validate;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;

use super::order::CERTIFICATE;
use super::{AcmeChallenge, AcmeConfig, AcmeStore};
use crate::config::{GatewayConfig, ListenerConfig};
use crate::testing::{
    Authority, Origin, RawClient, TestGateway, any_port, config, get, refused, route, spec, until,
};
use crate::upstream::Roots;
use server::Ca;

/// Keeps it for as long as the test.
#[derive(Debug, Default)]
struct Memory(Mutex<HashMap<String, Vec<u8>>>);

impl AcmeStore for Memory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), contents.to_vec());
        Ok(())
    }
}

/// A CA, what is kept, and how a gateway is told of them.
struct Scene {
    ca: Ca,
    /// Signs what the CA gives out.
    public: Arc<Authority>,
    /// Signs what the listener has otherwise.
    own: Authority,
    store: Arc<Memory>,
    directory: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let public = Arc::new(Authority::new("public"));
        let ca = Ca::start(public.clone()).await;
        let directory = tempfile::tempdir().unwrap();
        Self { ca, public, own: Authority::new("own"), store: Arc::default(), directory }
    }

    fn config(&self, challenge: AcmeChallenge) -> GatewayConfig {
        let files = self.own.sign(&["alice.nsl.sh", "bob.nsl.sh"]).write(self.directory.path());
        let mut config = config();
        config.listeners.push(ListenerConfig::tls(any_port(), files));
        config.listeners[0].redirect = Some(443);
        config.acme = Some(AcmeConfig {
            directory: self.ca.directory.clone(),
            contact: vec!["mailto:ops@nsl.sh".to_owned()],
            names: vec!["alice.nsl.sh".to_owned(), "app.nsl.sh".to_owned()],
            challenge,
            roots: Roots::Only(vec![self.ca.root.clone()]),
            store: self.store.clone(),
        });
        config
    }

    async fn start(&self, challenge: AcmeChallenge) -> TestGateway {
        let gateway = TestGateway::start(self.config(challenge)).await;
        let addresses = gateway.server.addresses();
        self.ca.leads_to(addresses[0], addresses[1]);
        gateway
    }
}

async fn satisfied(at: SocketAddr, authority: &Authority, name: &str) -> bool {
    let stream = TcpStream::connect(at).await.unwrap();
    let name = name.to_owned().try_into().unwrap();
    authority.connector().connect(name, stream).await.is_ok()
}

async fn issued(gateway: &TestGateway) {
    let metrics = gateway.metrics();
    until("a certificate", || metrics.acme_not_after_seconds.get() > 0).await;
    assert_eq!((metrics.acme_orders.get(), metrics.acme_failures.get()), (1, 0));
}

async fn proves(challenge: AcmeChallenge) {
    let scene = Scene::new().await;
    let gateway = scene.start(challenge).await;
    issued(&gateway).await;
    let at = gateway.server.addresses()[1];
    for name in ["alice.nsl.sh", "app.nsl.sh", "APP.nsl.sh"] {
        assert!(satisfied(at, &scene.public, name).await, "{name}");
    }
    assert!(satisfied(at, &scene.own, "bob.nsl.sh").await, "other names have what they had");
    assert_eq!(scene.ca.n_bad_nonces(), 1, "a nonce was refused, and the request sent again");
}

#[tokio::test]
async fn names_are_proven_by_http_though_the_listener_redirects() {
    proves(AcmeChallenge::Http01).await;
}

#[tokio::test]
async fn names_are_proven_within_the_handshake() {
    proves(AcmeChallenge::TlsAlpn01).await;
}

#[tokio::test]
async fn a_ca_gets_its_proof_where_streams_have_the_name_and_all_others_show_certificates() {
    let scene = Scene::new().await;
    let mut config = scene.config(AcmeChallenge::TlsAlpn01);
    let ca_file = scene.directory.path().join("clients.pem");
    std::fs::write(&ca_file, &scene.own.certificate_pem).unwrap();
    let profile = crate::MtlsProfile { ca_files: vec![ca_file], system_roots: false };
    config.inbound_mtls.insert("clients".into(), profile);
    config.listeners[1].inbound_mtls_profile = Some("clients".into());
    let mut gateway = TestGateway::start(config).await;
    // To nobody: passed on, the proof would be asked for in vain.
    let nobody = spec("agent/db", &format!("tcp://{}", refused().await));
    gateway.set_stream(&"tcp:alice.nsl.sh".parse().unwrap(), vec![nobody]).await;
    let addresses = gateway.server.addresses();
    scene.ca.leads_to(addresses[0], addresses[1]);
    issued(&gateway).await;
}

#[tokio::test]
async fn account_and_certificate_outlive_the_gateway() {
    let scene = Scene::new().await;
    issued(&scene.start(AcmeChallenge::Http01).await).await;
    let again = scene.start(AcmeChallenge::Http01).await;
    assert!(
        again.metrics().acme_not_after_seconds.get() > 0,
        "it is there before anybody is let in"
    );
    assert!(satisfied(again.server.addresses()[1], &scene.public, "alice.nsl.sh").await);
    assert_eq!((scene.ca.n_accounts(), scene.ca.n_orders()), (1, 1));
}

#[tokio::test]
async fn past_two_thirds_of_its_life_a_certificate_is_renewed() {
    let scene = Scene::new().await;
    let old = Authority::new("old");
    let due = old.sign_aged(&["alice.nsl.sh", "app.nsl.sh"], 3000, 1000);
    scene.store.write(CERTIFICATE, due.as_bytes()).unwrap();
    let gateway = TestGateway::start(scene.config(AcmeChallenge::TlsAlpn01)).await;
    let at = gateway.server.addresses().to_vec();
    assert!(satisfied(at[1], &old, "app.nsl.sh").await, "it serves until there is a newer one");
    let before = gateway.metrics().acme_not_after_seconds.get();
    scene.ca.leads_to(at[0], at[1]);
    let metrics = gateway.metrics();
    until("a newer one", || metrics.acme_not_after_seconds.get() > before).await;
    assert!(satisfied(at[1], &scene.public, "app.nsl.sh").await);
}

#[tokio::test]
async fn a_name_that_isnt_proven_leaves_the_certificate_and_is_counted() {
    let scene = Scene::new().await;
    let old = Authority::new("old");
    let due = old.sign_aged(&["alice.nsl.sh", "app.nsl.sh"], 3000, 1000);
    scene.store.write(CERTIFICATE, due.as_bytes()).unwrap();
    let gateway = TestGateway::start(scene.config(AcmeChallenge::Http01)).await;
    scene.ca.leads_to(refused().await, refused().await);
    let metrics = gateway.metrics();
    until("a failure", || metrics.acme_failures.get() == 1).await;
    assert!(satisfied(gateway.server.addresses()[1], &old, "alice.nsl.sh").await);
    assert_eq!(scene.store.read(CERTIFICATE).unwrap().unwrap(), due.as_bytes());
}

#[tokio::test]
async fn why_a_name_isnt_proven_is_told_in_the_cas_words() {
    let scene = Scene::new().await;
    scene.ca.leads_to(refused().await, refused().await);
    let config = scene.config(AcmeChallenge::Http01).acme.unwrap();
    let served = super::Served::new(Some(config.challenge));
    let error = super::order::order(&config, &served).await.unwrap_err().to_string();
    assert!(error.starts_with("alice.nsl.sh could not be proven: "), "{error}");
    assert!(error.contains("refused"), "{error}");
    let path = "/.well-known/acme-challenge/token-0-0";
    assert!(served.answer(&http::Method::GET, path).is_none(), "its challenges are closed");
}

#[tokio::test]
async fn why_a_ca_cant_be_asked_is_told_to_its_cause() {
    let mut config = Scene::new().await.config(AcmeChallenge::Http01).acme.unwrap();
    config.directory = format!("https://{}/directory", refused().await);
    let served = super::Served::new(Some(config.challenge));
    let error = super::order::order(&config, &served).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_token_that_isnt_open_goes_to_the_service() {
    let mut config = config();
    config.listeners[0].redirect = None;
    let origin = Origin::named("direct").await;
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let answer = gateway.ask(&get("/.well-known/acme-challenge/theirs")).await;
    assert_eq!(answer.text(), "direct");
}

#[tokio::test]
async fn a_proof_is_for_none_but_a_ca_that_validates() {
    let scene = Scene::new().await;
    // Validation waits, so the challenges stay open.
    let gateway = TestGateway::start(scene.config(AcmeChallenge::TlsAlpn01)).await;
    let at = gateway.server.addresses()[1];
    until("an order", || scene.ca.n_orders() == 1).await;
    let stream = TcpStream::connect(at).await.unwrap();
    let both = scene.own.connector_with_alpn(&["acme-tls/1", "http/1.1"]);
    let stream = both.connect("alice.nsl.sh".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let status = RawClient::new(stream).ask(&get("/")).await.status();
    assert_eq!(status, 404);
    let stream = TcpStream::connect(at).await.unwrap();
    let stranger = scene.own.connector_with_alpn(&["acme-tls/1"]);
    assert!(stranger.connect("bob.nsl.sh".try_into().unwrap(), stream).await.is_err());
}

#[test]
fn what_cant_be_proven_is_refused_by_name() {
    let acme = |names: &[&str], directory: &str| AcmeConfig {
        directory: directory.to_owned(),
        contact: Vec::new(),
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        challenge: AcmeChallenge::Http01,
        roots: Roots::System,
        store: Arc::new(Memory::default()),
    };
    let good = acme(&["a.b"], super::LETS_ENCRYPT);
    good.check(true, true).unwrap();
    let cases = [
        ("acme.names", acme(&[], super::LETS_ENCRYPT).check(true, true)),
        ("acme.names", acme(&["*.a.b"], super::LETS_ENCRYPT).check(true, true)),
        ("acme.directory", acme(&["a.b"], "http://ca.example").check(true, true)),
        ("acme.challenge", good.check(false, true)),
        ("acme: ", good.check(true, false)),
    ];
    for (field, checked) in cases {
        let error = checked.unwrap_err().to_string();
        assert!(error.starts_with(field), "{field}: {error}");
    }
}
