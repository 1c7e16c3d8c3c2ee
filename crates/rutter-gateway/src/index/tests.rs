use std::sync::Arc;

use super::{HostIndex, normalise};
use crate::routes::Routes;

fn routes(name: &str) -> Arc<Routes> {
    Arc::new(Routes { service: name.parse().unwrap(), ranked: Vec::new() })
}

fn index(domain: &str, names: &[&str]) -> HostIndex {
    let index = HostIndex::new(&[domain.parse().unwrap()]);
    index.apply(names.iter().map(|n| (n.parse().unwrap(), Some(routes(n)))));
    index
}

#[test]
fn a_host_is_found_exactly_first_then_by_its_owner_under_a_strict_suffix() {
    let index = index(
        "nsl.sh",
        &["alice.nsl.sh", "web.alice.nsl.sh", "my-name.nsl.sh", "sh.nsl.sh", "example.org"],
    );
    let cases: &[(&str, Option<&str>)] = &[
        ("alice.nsl.sh", Some("alice.nsl.sh")),
        ("web.alice.nsl.sh", Some("web.alice.nsl.sh")),
        ("app.alice.nsl.sh", Some("alice.nsl.sh")),
        ("a.b.c.alice.nsl.sh", Some("alice.nsl.sh")),
        ("app-alice.nsl.sh", Some("alice.nsl.sh")),
        ("x.app-alice.nsl.sh", Some("alice.nsl.sh")),
        ("a-b-alice.nsl.sh", Some("alice.nsl.sh")),
        ("my-name.nsl.sh", Some("my-name.nsl.sh")),
        ("x.my-name.nsl.sh", Some("my-name.nsl.sh")),
        ("app-my-name.nsl.sh", None),
        ("example.org", Some("example.org")),
        ("www.example.org", None),
        ("nsl.sh", None),
        ("sh", None),
        ("alice.example", None),
        ("alice.foo.xy", None),
        ("evilnsl.sh", None),
        ("alice.evilnsl.sh", None),
        ("alice-.nsl.sh", None),
        (".nsl.sh", None),
        ("alice", None),
        ("::1", None),
    ];
    for (host, want) in cases {
        let found = index.find(host).map(|r| r.service.to_string());
        assert_eq!(found.as_deref(), *want, "{host}");
    }
}

#[test]
fn of_nested_server_domains_the_longer_one_decides() {
    let domains = ["sh".parse().unwrap(), "nsl.sh".parse().unwrap()];
    let index = HostIndex::new(&domains);
    index.set(&"nsl.sh".parse().unwrap(), Some(routes("nsl.sh")));
    index.set(&"alice.nsl.sh".parse().unwrap(), Some(routes("alice.nsl.sh")));
    assert_eq!(index.find("x.alice.nsl.sh").unwrap().service.as_str(), "alice.nsl.sh");
    assert!(index.find("bob.nsl.sh").is_none());
}

#[test]
fn a_host_is_normalised() {
    let cases: &[(&str, Option<&str>)] = &[
        ("alice.nsl.sh", Some("alice.nsl.sh")),
        ("Alice.NSL.sh", Some("alice.nsl.sh")),
        ("alice.nsl.sh.", Some("alice.nsl.sh")),
        ("alice.nsl.sh:8080", Some("alice.nsl.sh")),
        ("alice.nsl.sh.:8080", Some("alice.nsl.sh")),
        ("alice.nsl.sh:", Some("alice.nsl.sh")),
        ("127.0.0.1:80", Some("127.0.0.1")),
        ("[::1]", Some("::1")),
        ("[::1]:8080", Some("::1")),
        ("[::1", None),
        ("[::1]x", None),
        ("[alice]", None),
        ("::1", None),
        ("a:b", None),
        ("a:65536", None),
        ("a:+1", None),
        ("user@alice.nsl.sh", None),
        ("", None),
        (":80", None),
        (".", None),
        ("a b", None),
        ("a/b", None),
        ("ä.nsl.sh", None),
    ];
    for (authority, want) in cases {
        assert_eq!(normalise(authority).ok().as_deref(), *want, "{authority}");
    }
    let long = format!("{}.x", "a".repeat(252));
    assert!(normalise(&long).is_err());
}

#[test]
fn hosts_come_change_and_go_and_are_counted() {
    let index = index("nsl.sh", &[]);
    let name = |i: usize| format!("h{i}.nsl.sh");
    index.apply((0..5000).map(|i| (name(i).parse().unwrap(), Some(routes(&name(i))))));
    assert_eq!(index.len(), 5000);

    let before = index.find(&name(7)).unwrap();
    index.set(&name(7).parse().unwrap(), Some(routes(&name(7))));
    let after = index.find(&name(7)).unwrap();
    assert!(!std::ptr::eq(&*before, &*after), "a change replaces the routes");
    assert_eq!(index.len(), 5000);

    index.apply((0..2500).map(|i| (name(i).parse().unwrap(), None)));
    assert_eq!(index.len(), 2500);
    for i in 0..5000 {
        assert_eq!(index.find(&name(i)).is_some(), i >= 2500, "{i}");
    }
    assert_eq!(index.snapshot().len(), 2500);
}

#[test]
fn within_one_batch_the_last_word_on_a_host_holds() {
    let index = index("nsl.sh", &["a.nsl.sh"]);
    let a = || "a.nsl.sh".parse().unwrap();
    index.apply([(a(), None), (a(), Some(routes("a.nsl.sh")))]);
    assert!(index.find("a.nsl.sh").is_some());
    index.apply([(a(), Some(routes("a.nsl.sh"))), (a(), None)]);
    assert!(index.find("a.nsl.sh").is_none());
    index.apply([(a(), None), (a(), Some(routes("a.nsl.sh"))), (a(), None)]);
    assert!(index.is_empty());
}
