//! The file is changed and changed back, twenty times, under a mix of requests.
//!
//! Each change is one that people would notice if it went wrong: a policy that puts the other way
//! first, so that traffic moves, and another certificate. That it has come about is seen at the
//! origins and in a handshake; that nobody noticed, in the answers: each request is answered 200,
//! and has reached one origin once, so nothing was lost and nothing was repeated to hide it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::person::{Person, shake_hands};
use crate::scene::{DIRECT, HOST, Scene, TUNNEL};
use crate::support::{PATIENCE, Up};
use crate::{told, until};

const ROUNDS: usize = 20;
/// Of each kind: in the clear and over TLS.
const PEOPLE: usize = 2;
const TUNNEL_FIRST: &str = "tables: {services: {policy: {import: {rules: \
                            [{match: {kind: [tunnel]}, then: {preference: 150}}]}}}}";

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_there_and_back_lose_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let [usual, other] = ["usual", "other"].map(|name| Face::new(dir.path(), name));
    let [usual_file, other_file] = [usual.file(""), other.file(TUNNEL_FIRST)];
    let mut scene = Scene::new(Up::run(dir, &usual_file)).await;
    let [plain, secure] = [0, 1].map(|n| scene.gateway(n));
    let tls = trusting(&[&usual, &other]);
    let stop = Arc::new(AtomicBool::new(false));
    let start = |number| {
        let stop = stop.clone();
        let person = match number < PEOPLE {
            true => Person::new(number, plain, None),
            false => Person::new(number, secure, Some(tls.clone())),
        };
        tokio::spawn(person.ask_while(move || !stop.load(Ordering::SeqCst)))
    };
    let people: Vec<_> = (0..2 * PEOPLE).map(start).collect();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for (file, face, origin) in [(&other_file, &other, TUNNEL), (&usual_file, &usual, DIRECT)] {
            std::fs::write(scene.up.file(), file).unwrap();
            let (before, since) = (scene.record.n_requests(origin), Instant::now());
            scene.up.process.signal("-HUP");
            scene.up.process.says("reloaded: tables.services.policy");
            until("requests at the way that is first now", || {
                assert!(people.iter().all(|person| !person.is_finished()), "a request was lost");
                scene.record.n_requests(origin) >= before + 10
            })
            .await;
            times.push(since.elapsed());
            let stream = shake_hands(&tls, TcpStream::connect(secure).await.unwrap()).await;
            let shown = stream.get_ref().1.peer_certificates().expect("a certificate");
            assert_eq!(shown.first(), Some(&face.certificate), "another certificate");
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut n_requests = 0;
    for person in people {
        for answer in tokio::time::timeout(PATIENCE, person).await.unwrap().unwrap() {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(scene.record.reached(&answer.id).len(), 1, "{answer:?}");
            n_requests += 1;
        }
    }
    println!("{ROUNDS} changes there and back: {n_requests} requests, 0 lost, 0 repeated");
    println!("traffic had moved after {}", told(&times));
}

impl Scene {
    /// A listener of the gateway.
    fn gateway(&self, n: usize) -> std::net::SocketAddr {
        let url = self.up.run_file()["gateway"][n].as_str().expect("a listener").to_owned();
        url.rsplit('/').next().expect("an address").parse().expect("an address")
    }
}

/// A certificate, and where it lies.
struct Face {
    certificate: CertificateDer<'static>,
    chain: String,
    key: String,
}

impl Face {
    fn new(dir: &std::path::Path, name: &str) -> Self {
        let names = vec![HOST.to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let write = |end: &str, text: String| {
            let path = dir.join(format!("{name}.{end}"));
            std::fs::write(&path, text).unwrap();
            path.to_string_lossy().into_owned()
        };
        let (chain, key) = (write("pem", cert.pem()), write("key", signing_key.serialize_pem()));
        Self { certificate: cert.der().clone(), chain, key }
    }

    /// A file with it as the gateway's, and more.
    fn file(&self, more: &str) -> String {
        format!(
            "controller:\ngateway: {{tls: {{chain: '{}', key: '{}'}}}}\n\
             listeners:\n  api: 127.0.0.1:0\n  link: 127.0.0.1:0\n  compat: {{mesh_router: '127.0.0.1:0'}}\n  \
             gateway: {{http: '127.0.0.1:0', https: '127.0.0.1:0'}}\n{more}\n",
            self.chain, self.key
        )
    }
}

fn trusting(faces: &[&Face]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    faces.iter().for_each(|face| roots.add(face.certificate.clone()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
