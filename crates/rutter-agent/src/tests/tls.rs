//! A controller's own CA, pinned by the join token.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use super::link::TestLink;
use super::running::Running;
use super::server::{self, TestServer};
use crate::{Agent, AgentConfig, AgentError, CaPin, JoinConfig, Unreachable};

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn der(ca: &Ca) -> CertificateDer<'static> {
    ca.as_ref().der().clone()
}

/// A server's certificate for `name`, and behind it whatever `appended` is.
struct Leaf<'a> {
    name: &'a str,
    signed_by: &'a Ca,
    expired: bool,
    appended: Vec<CertificateDer<'static>>,
}

impl Leaf<'_> {
    fn config(self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![self.name.to_owned()]).unwrap();
        if self.expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let leaf = params.signed_by(&key, self.signed_by).unwrap();
        let mut chain = vec![leaf.der().clone()];
        chain.extend(self.appended);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

fn config(server: &TestServer, pin: Option<CaPin>, state: &std::path::Path) -> AgentConfig {
    let pin = pin.map(|pin| format!(".{pin}")).unwrap_or_default();
    AgentConfig::join(JoinConfig {
        url: format!("https://{}#rtj_a{pin}", server.address).parse().unwrap(),
        name: "alice".parse().unwrap(),
        services: vec!["127.0.0.1:1".parse().unwrap()],
        address: None,
        state_dir: state.to_owned(),
    })
}

#[tokio::test]
async fn the_pinned_ca_is_trusted() {
    let link = TestLink::start();
    let leaf = Leaf {
        name: "127.0.0.1",
        signed_by: link.ca(),
        expired: false,
        appended: vec![der(link.ca())],
    };
    // Another pin in the answer changes nothing: whoever has one in the join line trusts that.
    let told = json!({ "address": link.address.to_string(), "pin": "00".repeat(32) });
    let mut server =
        TestServer::start_tls(leaf.config(), move |_| server::json(200, told.clone())).await;
    let state = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&server, Some(link.pin()), state.path()));
    agent.until_registered().await;
    agent.stop().await.unwrap();
    assert_eq!(server.rest(), ["GET /v1/link"]);
}

#[tokio::test]
async fn nothing_but_the_pinned_ca_is_trusted() {
    let (good, other) = (ca("the controller's"), ca("the controller's"));
    let leaf = |name, signed_by, expired, appended| Leaf { name, signed_by, expired, appended };
    let cases = [
        ("another CA", leaf("127.0.0.1", &other, false, vec![der(&other)]), true),
        ("its CA left out of the chain", leaf("127.0.0.1", &good, false, vec![]), true),
        // The pinned certificate is public: to show it proves nothing.
        (
            "the pinned CA shown by one it didn't sign",
            leaf("127.0.0.1", &other, false, vec![der(&good)]),
            false,
        ),
        (
            "the same with the CA that did sign it",
            leaf("127.0.0.1", &other, false, vec![der(&other), der(&good)]),
            false,
        ),
        ("another name", leaf("127.0.0.2", &good, false, vec![der(&good)]), false),
        ("an expired one", leaf("127.0.0.1", &good, true, vec![der(&good)]), false),
    ];
    for (what, leaf, is_wrong_ca) in cases {
        let mut server =
            TestServer::start_tls(leaf.config(), |_| server::json(500, json!({}))).await;
        let state = tempfile::tempdir().unwrap();
        let pin = CaPin::of(&der(&good));
        let agent = Running::start(config(&server, Some(pin), state.path()));
        match agent.ended().await {
            Err(AgentError::Unreachable { why: Unreachable::WrongCa, .. }) if is_wrong_ca => {}
            Err(AgentError::Unreachable { why: Unreachable::Tls(_), .. }) if !is_wrong_ca => {}
            ended => panic!("{what}: {ended:?}"),
        }
        assert!(server.rest().is_empty(), "{what}: no token was sent");
    }
}

#[tokio::test]
async fn without_a_pin_the_systems_roots_decide() {
    let ca = ca("nobody's");
    let leaf = Leaf { name: "127.0.0.1", signed_by: &ca, expired: false, appended: vec![der(&ca)] };
    let mut server = TestServer::start_tls(leaf.config(), |_| server::json(500, json!({}))).await;
    let state = tempfile::tempdir().unwrap();
    let config = config(&server, None, state.path());
    // On a system without any root it is refused before anything is asked.
    let ended = match Agent::new(config) {
        Ok(agent) => agent.run(Default::default()).await,
        Err(error) => Err(error),
    };
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("TLS"), "{error}");
    assert!(server.rest().is_empty());
}
