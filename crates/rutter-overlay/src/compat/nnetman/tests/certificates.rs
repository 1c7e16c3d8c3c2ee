//! Who a caller is: whom its certificate names.

use std::net::SocketAddr;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::given::*;
use crate::compat::nnetman::client::Client;
use crate::compat::nnetman::wire::CALL;
use crate::way::Way;
use crate::{CertificateFiles, Identity, OverlayConfig, OverlayError, Parting, Peer};

/// A CA and the files of hosts that it signed for.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, name: &str) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = CertificateFiles {
            certificate: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
            ca: self.path("ca.crt"),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// A configuration with this host's certificate.
    fn configuration(&self, text: &str, name: &str) -> String {
        let files = self.sign(name);
        let tls = format!(
            "security: {{control_plane: {{tls: {{enabled: true, cert_file: '{}', key_file: '{}', \
             ca_file: '{}'}}}}}}\n",
            files.certificate.display(),
            files.key.display(),
            files.ca.display()
        );
        text.replace("rutter: {insecure: true}\n", &tls)
    }
}

/// Somebody who shows a certificate of `files` and calls himself `name`.
fn caller(config: &OverlayConfig, files: &CertificateFiles, name: &str, at: SocketAddr) -> Client {
    let identity = Identity::Certificates(files.clone());
    let exchange = crate::Exchange { identity, ..config.exchange.clone() };
    let peer = Peer { name: super::given::name("node-a"), ..config.peers[0].clone() };
    let way = Way::to(&peer, at, &exchange).unwrap();
    Client::new(&name.parse().unwrap(), &way, CALL, exchange.max_message)
}

#[tokio::test]
async fn a_caller_is_whom_its_certificate_names() {
    let authority = Authority::new();
    let given = Given::new(&authority.configuration(NODE_A, "node-a")).await;
    let config = given.speaker().config();
    let p1 = authority.sign("p1");
    let routes = || vec![route("172.16.4.0/24", "10.100.0.2", 1)];

    let himself = caller(&config, &p1, "p1", given.address);
    assert_eq!(soon(himself.announce(routes(), CALL)).await.unwrap(), "");
    assert_eq!(given.routes(100, "172.16.4.0/24").await.len(), 1);

    let another = caller(&config, &p1, "p2", given.address);
    let told = soon(another.announce(routes(), CALL)).await.unwrap_err();
    let expected = r#"node_id "p2" does not match authenticated identity "p1""#;
    assert!(told.to_string().contains(expected), "{told}");
    assert!(told.to_string().contains("PermissionDenied"), "{told}");

    let unnamed = himself.unnamed();
    soon(unnamed.withdraw(vec!["172.16.4.0/24".into()], CALL)).await.unwrap();
    assert!(given.routes(100, "172.16.4.0/24").await.is_empty(), "p1's, by his certificate");

    let nobody = caller(&config, &authority.sign("p3"), "p3", given.address);
    let told = soon(nobody.announce(routes(), CALL)).await.unwrap_err();
    assert!(told.to_string().contains("is not a peer of this host"), "{told}");

    let stranger = caller(&config, &Authority::new().sign("p1"), "p1", given.address);
    let told = soon(stranger.announce(routes(), CALL)).await.unwrap_err();
    assert!(matches!(told, OverlayError::Unreachable { .. }), "{told}");
}

#[tokio::test]
async fn a_host_of_the_same_ca_is_not_any_peer() {
    let authority = Authority::new();
    // Where p1 should be, p2 answers.
    let other =
        NODE_A.replace("id: node-a", "id: p2").replace("id: p2, endpoint", "id: node-a, endpoint");
    let given = Given::new(&authority.configuration(&other, "p2")).await;
    let here = Given::new(&authority.configuration(NODE_A, "node-a")).await;
    let config = here.speaker().config();
    let way = Way::to(&config.peers[0], given.address, &config.exchange).unwrap();
    let client = Client::new(&config.node, &way, CALL, config.exchange.max_message);
    let told = soon(client.exchange(vec![], CALL)).await.unwrap_err();
    assert!(told.to_string().contains(r#"names Some("p2"), not the peer"#), "{told}");
}

#[tokio::test]
async fn two_hosts_with_certificates_tell_each_other_their_networks() {
    let authority = Authority::new();
    let [a, b] = [(NODE_A.to_owned(), "node-a"), (p1_of(NODE_A), "p1")]
        .map(|(text, name)| read(&authority.configuration(&text, name)));
    let [at_a, at_b] = [listener(), listener()];
    let (to_a, to_b) = (vec![("node-a", at_a.address())], vec![("p1", at_b.address())]);
    let a = Given::start(a, at_a, to_b).await;
    let b = Given::start(b, at_b, to_a).await;
    a.until_best(100, "172.16.20.0/24", Some("peer/p1 via 10.100.0.2 metric 100")).await;
    b.until_best(100, "172.16.10.0/24", Some("peer/node-a via 10.100.0.1 metric 100")).await;
    a.end(Parting::Goodbye).await;
    b.until_best(100, "172.16.10.0/24", None).await;
}
