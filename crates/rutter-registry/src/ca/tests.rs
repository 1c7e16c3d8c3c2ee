use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

use rcgen::CertificateParams;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{ServerName, UnixTime};

use super::*;
use crate::{DomainName, UserId};

const NOW: Wall = Wall(1_800_000_000_000);

fn directory() -> (tempfile::TempDir, DataDir) {
    let parent = tempfile::tempdir().unwrap();
    let dir = DataDir::open(parent.path()).unwrap();
    (parent, dir)
}

fn owner(name: &str, domain: &str) -> Identity {
    Identity {
        user: "user-1".parse::<UserId>().unwrap(),
        name: Some(name.parse::<DomainName>().unwrap()),
        server_domain: Some(domain.parse().unwrap()),
        key: None,
        seed: None,
        created: NOW,
        updated: NOW,
        last_seen: None,
    }
}

fn request(key: &KeyPair) -> String {
    // What a request asks for must not matter: this one asks for somebody else's name.
    let params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    params.serialize_request(key).unwrap().pem().unwrap()
}

/// Whether a client that trusts exactly this CA takes the chain for that name at that time.
fn trusted(ca: &CertificateAuthority, leaf: &Leaf, name: &str, at: Wall) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at.0));
    let (end, rest) = leaf.chain.split_first().unwrap();
    verifier.verify_server_cert(end, rest, &name, &[], at).is_ok()
}

#[test]
fn the_ca_is_made_once_and_loaded_again() {
    let (_parent, dir) = directory();
    let made = CertificateAuthority::open(&dir, NOW).unwrap();
    let loaded = CertificateAuthority::open(&dir, later(NOW, Duration::from_secs(60))).unwrap();
    assert_eq!(made.pin(), loaded.pin());
    assert_eq!(made.certificate(), loaded.certificate());
    assert_eq!(made.pin().to_string().len(), 64);
    assert_eq!(dir.file(FILE).metadata().unwrap().mode() & 0o777, 0o600);

    let signed =
        loaded.sign_server(NOW, &[ListenerName::Host("localhost".parse().unwrap())]).unwrap();
    assert!(trusted(&made, &signed.leaf, "localhost", NOW));
}

#[test]
fn a_listener_is_trusted_for_its_names_and_presents_the_ca() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let names = [
        ListenerName::Host("rutter.example".parse().unwrap()),
        ListenerName::Address("192.0.2.7".parse().unwrap()),
        ListenerName::Address("2001:db8::7".parse().unwrap()),
    ];
    let signed = ca.sign_server(NOW, &names).unwrap();
    for (name, expected) in [
        ("rutter.example", true),
        ("192.0.2.7", true),
        ("2001:db8::7", true),
        ("other.example", false),
        ("192.0.2.8", false),
    ] {
        assert_eq!(trusted(&ca, &signed.leaf, name, NOW), expected, "{name}");
    }
    assert_eq!(Pin::of(signed.leaf.chain.last().unwrap()), ca.pin());
    assert_eq!(signed.leaf.chain_pem().matches("BEGIN CERTIFICATE").count(), 2);
    let parsed = CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap();
    assert_eq!(parsed, *ca.certificate());
    let pair = KeyPair::try_from(&signed.key).unwrap();
    let (_, x509) = x509_parser::parse_x509_certificate(&signed.leaf.chain[0]).unwrap();
    assert_eq!(x509.public_key().raw, pair.subject_public_key_info());
    assert!(matches!(ca.sign_server(NOW, &[]), Err(Error::Certificate { .. })));
}

#[test]
fn a_leaf_holds_for_its_lifetime_and_asks_to_be_renewed_before() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let host = [ListenerName::Host("localhost".parse().unwrap())];
    let leaf = ca.sign_server(NOW, &host).unwrap().leaf;
    let third = LISTENER_LIFETIME / 3;
    assert_eq!(leaf.renew_at, later(NOW, third * 2));
    for (at, expected) in [
        (Wall(NOW.0 - 3_599_000), true),
        (Wall(NOW.0 - 3_601_000), false),
        (Wall(leaf.not_after.0 - 1_000), true),
        (Wall(leaf.not_after.0 + 1_000), false),
    ] {
        assert_eq!(trusted(&ca, &leaf, "localhost", at), expected, "{at:?}");
    }
    // Nothing that the CA signs outlives it.
    let late = Wall(ca.not_after().0 - 86_400_000);
    assert_eq!(ca.sign_server(late, &host).unwrap().leaf.not_after, ca.not_after());
    let ended = CertificateAuthority::open(&dir, ca.not_after()).unwrap_err();
    assert!(matches!(ended, Error::CaEnded { .. }), "{ended}");
}

#[test]
fn an_owner_gets_its_own_names_and_no_others() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let controller = ListenerName::Host("api.alice.nsl.sh".parse().unwrap());
    ca.sign_server(NOW, &[controller]).unwrap();
    let alice = owner("alice", "nsl.sh");
    let request = request(&KeyPair::generate().unwrap());
    for (name, granted) in [
        ("alice.nsl.sh", true),
        ("*.alice.nsl.sh", false), // It would match the controller's own listener below.
        ("web.alice.nsl.sh", true),
        ("*.web.alice.nsl.sh", true),
        ("WEB.alice.nsl.sh", true),
        ("api.alice.nsl.sh", false),
        ("bob.nsl.sh", false),
        ("nsl.sh", false),
        ("*.nsl.sh", false),
        ("*.nip.io", false),
        ("evilalice.nsl.sh", false),
        ("alice.nsl.sh.evil.example", false),
        ("*", false),
        ("*.*.alice.nsl.sh", false),
        ("192.0.2.1", false),
        ("", false),
    ] {
        let signed = ca.sign_for_owner(NOW, &alice, &[name], &request);
        assert_eq!(signed.is_ok(), granted, "{name}: {signed:?}");
    }
}

#[test]
fn a_gateway_gets_names_below_its_domains_and_they_stay_their_owners() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let domains: [ServiceName; 2] = ["nsl.sh".parse().unwrap(), "example.org".parse().unwrap()];
    for (name, granted) in [
        ("alice.nsl.sh", true),
        ("*.alice.nsl.sh", true),
        ("web.alice.example.org", true),
        ("nsl.sh", false),
        ("*.nsl.sh", false),
        ("evilnsl.sh", false),
        ("alice.nsl.sh.evil.example", false),
        ("*", false),
        ("*.*.alice.nsl.sh", false),
        ("", false),
    ] {
        let signed = ca.sign_for_gateway(NOW, &domains, &[name]);
        assert_eq!(signed.is_ok(), granted, "{name}: {signed:?}");
    }
    let names = ["alice.nsl.sh", "*.alice.nsl.sh"];
    let signed = ca.sign_for_gateway(NOW, &domains, &names).unwrap();
    assert!(trusted(&ca, &signed.leaf, "web.alice.nsl.sh", NOW));
    assert!(!trusted(&ca, &signed.leaf, "bob.nsl.sh", NOW));
    assert_eq!(signed.leaf.not_after, later(NOW, LISTENER_LIFETIME));
    assert!(matches!(ca.sign_for_gateway(NOW, &domains, &[]), Err(Error::Certificate { .. })));

    let request = request(&KeyPair::generate().unwrap());
    ca.sign_for_owner(NOW, &owner("alice", "nsl.sh"), &names, &request).unwrap();
}

#[test]
fn without_names_an_owner_gets_its_name_and_what_lies_under_it() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = ca.sign_for_owner(NOW, &owner("alice", "nsl.sh"), &[], &request(&key)).unwrap();
    for (name, expected) in [
        ("alice.nsl.sh", true),
        ("web.alice.nsl.sh", true),
        ("bob.nsl.sh", false),
        ("evil.example", false),
    ] {
        assert_eq!(trusted(&ca, &leaf, name, NOW), expected, "{name}");
    }
    let (_, x509) = x509_parser::parse_x509_certificate(&leaf.chain[0]).unwrap();
    assert_eq!(x509.subject().to_string(), "CN=user-1");
    assert_eq!(x509.public_key().raw, key.subject_public_key_info());
    assert!(!x509.is_ca());
    assert_eq!(leaf.not_after, later(NOW, OWNER_LIFETIME));
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let alice = owner("alice", "nsl.sh");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let mut der = params.serialize_request(&key).unwrap().der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let forged = pem("CERTIFICATE REQUEST", &der);
    for (request, why) in [
        (forged.as_str(), "isn't signed by its key"),
        ("hello", "isn't PEM"),
        (&pem("CERTIFICATE REQUEST", b"\x30\x00"), "isn't a PKCS #10 request"),
    ] {
        let error = ca.sign_for_owner(NOW, &alice, &[], request).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let nameless = Identity { name: None, ..alice };
    let error = ca.sign_for_owner(NOW, &nameless, &[], &forged).unwrap_err().to_string();
    assert!(error.contains("has no name"), "{error}");
}

#[test]
fn a_damaged_or_exposed_file_is_refused_and_left_as_it_is() {
    let (_parent, dir) = directory();
    let ca = CertificateAuthority::open(&dir, NOW).unwrap();
    let certificate = ca.certificate_pem();
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    for (contents, why) in [
        (certificate.clone(), "no items found"),
        (format!("{certificate}{other_key}"), "its key is not the certificate's"),
        (String::new(), "no items found"),
    ] {
        dir.write_private(FILE, contents.as_bytes()).unwrap();
        let error = CertificateAuthority::open(&dir, NOW).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(std::fs::read(dir.file(FILE)).unwrap(), contents.as_bytes());
    }
    std::fs::set_permissions(dir.file(FILE), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = CertificateAuthority::open(&dir, NOW).unwrap_err();
    assert!(matches!(error, Error::Exposed { mode: 0o644, .. }), "{error}");
}
