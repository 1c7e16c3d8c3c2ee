//! Certificates by name, and changing under a listener that runs.

use std::sync::Arc;

use rutter_route::Wall;
use tokio::net::TcpStream;

use crate::config::{CertificateFiles, ListenerConfig};
use crate::own_ca::{SignedNames, SigningError, SignsNames};
use crate::testing::{
    Authority, Origin, PATIENCE, RawClient, TestGateway, any_port, config, get, route,
};

/// Whether a client that trusts this authority and asks for that name is satisfied.
async fn satisfied(gateway: &TestGateway, authority: &Authority, name: &str) -> bool {
    let stream = TcpStream::connect(gateway.server.addresses()[1]).await.unwrap();
    let name = name.to_owned().try_into().unwrap();
    authority.connector().connect(name, stream).await.is_ok()
}

fn pair(authority: &Authority, names: &[&str], to: &std::path::Path) -> CertificateFiles {
    std::fs::create_dir_all(to).unwrap();
    authority.sign(names).write(to)
}

#[tokio::test]
async fn a_certificate_is_chosen_by_name_exactly_then_by_wildcard_then_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let (first, wild, exact) =
        (Authority::new("first"), Authority::new("wild"), Authority::new("exact"));
    let at = |name: &str| directory.path().join(name);
    let mut listener =
        ListenerConfig::tls(any_port(), pair(&first, &["nsl.sh", "a.b.nsl.sh"], &at("first")));
    listener.more.push(pair(&wild, &["*.nsl.sh"], &at("wild")));
    listener.more.push(pair(&exact, &["alice.nsl.sh", "*.alice.nsl.sh"], &at("exact")));
    let mut config = config();
    config.listeners.push(listener);
    let gateway = TestGateway::start(config).await;
    let cases = [
        ("alice.nsl.sh", &exact),
        ("ALICE.nsl.sh", &exact),
        ("app.alice.nsl.sh", &exact),
        ("bob.nsl.sh", &wild),
        ("nsl.sh", &first),
        ("a.b.nsl.sh", &first),
    ];
    for (name, by) in cases {
        assert!(satisfied(&gateway, by, name).await, "{name}");
    }
    assert!(!satisfied(&gateway, &wild, "x.y.nsl.sh").await, "a wildcard is one label");
}

#[tokio::test]
async fn files_that_change_are_taken_by_themselves_and_a_broken_pair_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = pair(&old, &["alice.nsl.sh"], directory.path());
    let mut config = config();
    config.listeners.push(ListenerConfig::tls(any_port(), files.clone()));
    let gateway = TestGateway::start(config).await;
    assert!(satisfied(&gateway, &old, "alice.nsl.sh").await);

    // The chain alone, as a renewal leaves it for a moment; and then nonsense.
    let next = tempfile::tempdir().unwrap();
    let next = pair(&new, &["alice.nsl.sh"], next.path());
    std::fs::copy(&next.chain, &files.chain).unwrap();
    tokio::time::sleep(crate::server::certificates::LOOK * 2).await;
    assert!(satisfied(&gateway, &old, "alice.nsl.sh").await, "the old pair stays");
    std::fs::copy(&next.key, &files.key).unwrap();
    let taken = async { while !satisfied(&gateway, &new, "alice.nsl.sh").await {} };
    tokio::time::timeout(PATIENCE, taken).await.expect("the new pair");
    std::fs::write(&files.chain, "nonsense").unwrap();
    tokio::time::sleep(crate::server::certificates::LOOK * 2).await;
    assert!(satisfied(&gateway, &new, "alice.nsl.sh").await, "the last good pair stays");
}

#[tokio::test]
async fn a_plain_listener_sends_everybody_to_https_and_https_says_to_stay() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("test");
    let origin = Origin::named("direct").await;
    let mut config = config();
    config.listeners[0].redirect = Some(443);
    config.hsts = std::time::Duration::from_secs(3600);
    let files = pair(&authority, &["alice.nsl.sh"], directory.path());
    config.listeners.push(ListenerConfig::tls(any_port(), files));
    config
        .listeners
        .push(ListenerConfig { redirect: Some(8443), ..ListenerConfig::plain(any_port()) });
    let mut gateway = TestGateway::start(config).await;
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    let cases = [
        (0, "/path?q=1", "alice.nsl.sh", "https://alice.nsl.sh/path?q=1"),
        (0, "/", "alice.nsl.sh:8080", "https://alice.nsl.sh/"),
        (2, "/x", "alice.nsl.sh:8080", "https://alice.nsl.sh:8443/x"),
        (2, "/x", "nobody.nsl.sh", "https://nobody.nsl.sh:8443/x"),
    ];
    for (listener, path, host, location) in cases {
        let stream = TcpStream::connect(gateway.server.addresses()[listener]).await.unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = RawClient::new(stream).ask(&request).await;
        assert_eq!((answer.status(), answer.header("location")), (308, Some(location)));
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    assert!(origin.seen().is_empty());
    let stream = TcpStream::connect(gateway.server.addresses()[1]).await.unwrap();
    let name = "alice.nsl.sh".try_into().unwrap();
    let mut client = RawClient::new(authority.connector().connect(name, stream).await.unwrap());
    let answer = client.ask(&get("/")).await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=3600"));
    assert_eq!(answer.text(), "direct");
}

/// A CA that an [`Authority`] is.
#[derive(Clone)]
struct Own(Arc<Authority>);

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl SignsNames for Own {
    fn sign(&self, now: Wall, names: &[&str]) -> Result<SignedNames, SigningError> {
        let (chain, key) = self.0.sign(names).into_parts();
        let after = |days: u64| Wall(now.0 + days * 86_400_000);
        Ok(SignedNames { chain, key, renew_at: after(60), not_after: after(90) })
    }
}

#[tokio::test]
async fn the_own_ca_signs_for_names_that_are_known_behind_files_and_where_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (first, exact) = (Authority::new("first"), Authority::new("exact"));
    let own = Arc::new(Authority::new("own"));
    let files = pair(&first, &["nsl.sh"], &at("first"));
    let mut listener = ListenerConfig::tls(any_port(), files.clone());
    listener.own_ca = true;
    listener.more.push(pair(&exact, &["files.alice.nsl.sh"], &at("exact")));
    let mut config = config();
    config.own_ca = Some(Arc::new(Own(own.clone())));
    config.listeners.push(listener);
    let mut gateway = TestGateway::start(config.clone()).await;
    let origin = Origin::named("direct").await;
    assert!(!satisfied(&gateway, &own, "alice.nsl.sh").await, "not known yet");
    gateway.set("alice.nsl.sh", vec![route("agent/alice", origin.address)]).await;
    for (name, by) in [
        ("alice.nsl.sh", &*own),
        ("Web.alice.nsl.sh", &own),
        ("web-alice.nsl.sh", &own),
        ("a.b.alice.nsl.sh", &own),
        ("files.alice.nsl.sh", &exact),
        ("nsl.sh", &first),
    ] {
        assert!(satisfied(&gateway, by, name).await, "{name}");
    }
    for stranger in ["bob.nsl.sh", "web.bob.nsl.sh", "alice.example"] {
        assert!(!satisfied(&gateway, &own, stranger).await, "{stranger}");
        // It gets the listener's own certificate, as before: the name is wrong, and nothing else.
        let stream = TcpStream::connect(gateway.server.addresses()[1]).await.unwrap();
        let name = stranger.to_owned().try_into().unwrap();
        let error = first.connector().connect(name, stream).await.unwrap_err().to_string();
        assert!(error.contains("not valid for name"), "{error}");
    }
    // A listener whose certificate became somebody else's: after a reload nobody signs there.
    config.listeners[1].own_ca = false;
    gateway.server.reload(&config).unwrap();
    assert!(!satisfied(&gateway, &own, "alice.nsl.sh").await);
}
