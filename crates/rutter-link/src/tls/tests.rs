use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::testing::*;
use crate::{KeyVerifier, LinkError, LinkKey, PeerKey, RemoteKey, SharedIdentity};

#[test]
fn a_key_is_the_same_after_a_restart_and_its_certificate_shows_it() {
    let key = LinkKey::generate().unwrap();
    let again = LinkKey::from_pem(&key.to_pem()).unwrap();
    assert_eq!(again.public().unwrap(), key.public().unwrap());
    let (certificate, _) = again.identity().unwrap();
    assert_eq!(PeerKey::of_certificate(&certificate), Some(key.public().unwrap()));
    assert!(!format!("{key:?}").contains("BEGIN"));
    let other = KeyPair::generate().unwrap().serialize_pem();
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &other] {
        assert!(matches!(LinkKey::from_pem(bad), Err(LinkError::Key(_))), "{bad}");
    }
}

/// Whoever shows no Ed25519 key gets no session: none at all, and a key of another kind.
#[tokio::test]
async fn who_shows_no_key_of_the_right_kind_is_not_spoken_with() {
    let ca = Authority::new();
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate);
    let verifier = Arc::new(PinnedCa::new(ca.pin, provider()));
    let config = || {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        builder.dangerous().with_custom_certificate_verifier(verifier.clone())
    };
    let p256 = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["x".into()]).unwrap().self_signed(&p256).unwrap();
    let key = PrivateKeyDer::Pkcs8(p256.serialize_der().into());
    let other_kind = config().with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
    for mut config in [config().with_no_client_auth(), other_kind] {
        config.alpn_protocols = vec![ALPN.to_vec()];
        let stream = TcpStream::connect(accepting.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        // In TLS 1.3 the client is done before the server has judged: the refusal comes as an
        // alert to the first read.
        let refused = match connected {
            Err(_) => true,
            Ok(mut stream) => {
                use tokio::io::AsyncReadExt;
                soon(stream.read(&mut [0; 64])).await.is_err()
            }
        };
        assert!(refused);
    }
    accepting.end().await;
}

#[tokio::test]
async fn a_dialer_trusts_the_pinned_ca_and_nothing_else() {
    let (ca, other) = (Authority::new(), Authority::new());
    let (book, _stop) = book();
    let (gate, _said) = Gate::new(book);
    let accepting = Accepting::start(anywhere(), &ca, gate);
    let key = LinkKey::generate().unwrap();
    let good = dialer(accepting.address, &ca, &key);
    assert_eq!(soon(good.enrol("rtj_good", "edge", "gateway")).await.unwrap().name, "gateway/edge");
    let error =
        soon(dialer(accepting.address, &other, &key).enrol("rtj_good", "edge", "gateway")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("pinned CA"), "{error}");
    // The certificate is good for 127.0.0.1 and not for this name, though it leads there.
    let address = format!("localhost:{}", accepting.address.port());
    let remote = crate::Remote { address, pin: ca.pin };
    let misnamed = crate::Dialer::new(remote, &key).unwrap();
    assert!(soon(misnamed.enrol("rtj_good", "edge", "gateway")).await.is_err());
    accepting.end().await;
}

/// Two ends that take each other by these keys, and show these.
async fn handshake(
    client: (&PeerKey, &SharedIdentity),
    server: (&PeerKey, &SharedIdentity),
) -> std::io::Result<()> {
    let takes = |key: &PeerKey| {
        let key = *key;
        KeyVerifier::new(move |shown| *shown == key)
    };
    let dials = mutual_client(takes(server.0), client.1).unwrap();
    let accepts = mutual_server(takes(client.0), server.1).unwrap();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from("neighbour.invalid").unwrap();
    let dialled = TlsConnector::from(Arc::new(dials)).connect(name, near);
    let accepted = tokio_rustls::TlsAcceptor::from(Arc::new(accepts)).accept(far);
    let (dialled, accepted) = tokio::join!(dialled, accepted);
    dialled.and(accepted.map(|_| ()))
}

#[tokio::test]
async fn a_key_that_somebody_else_holds_is_proven_at_both_ends_and_by_nobody_else() {
    let pair = Arc::new(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let public: [u8; 32] = pair.public_key_raw().try_into().unwrap();
    let remote = RemoteKey::new(public, move |message| {
        let signature = rcgen::SigningKey::sign(&*pair, message).map_err(|e| e.to_string())?;
        signature.try_into().map_err(|_| "expected 64 bytes".to_owned())
    });
    let remote = SharedIdentity::new(Arc::new(remote.certified().unwrap()));
    let own = LinkKey::generate().unwrap();
    let own_key = own.public().unwrap();
    let own = SharedIdentity::new(Arc::new(own.certified().unwrap()));
    let remote_key = PeerKey(public);
    handshake((&remote_key, &remote), (&own_key, &own)).await.unwrap();
    handshake((&own_key, &own), (&remote_key, &remote)).await.unwrap();
    handshake((&own_key, &remote), (&own_key, &own)).await.unwrap_err();
}

#[tokio::test]
async fn a_signer_that_fails_ends_the_handshake_and_never_makes_a_certificate() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let public: [u8; 32] = pair.public_key_raw().try_into().unwrap();
    let locked = |_: &[u8]| Err("the module is locked".to_owned());
    let error = RemoteKey::new(public, locked).certified().unwrap_err();
    assert!(matches!(error, LinkError::Key(_)), "{error}");
    // It signed its certificate, and nothing since.
    let signed = std::sync::atomic::AtomicBool::new(false);
    let once = RemoteKey::new(public, move |message| {
        if signed.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Err("the module is locked".to_owned());
        }
        let signature = rcgen::SigningKey::sign(&pair, message).map_err(|e| e.to_string())?;
        signature.try_into().map_err(|_| "expected 64 bytes".to_owned())
    });
    let once = SharedIdentity::new(Arc::new(once.certified().unwrap()));
    let own = LinkKey::generate().unwrap();
    let own_key = own.public().unwrap();
    let own = SharedIdentity::new(Arc::new(own.certified().unwrap()));
    let error = handshake((&PeerKey(public), &once), (&own_key, &own)).await.unwrap_err();
    assert!(error.to_string().contains("the module is locked"), "{error}");
}
