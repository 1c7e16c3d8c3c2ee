use std::sync::Arc;

use super::{HostIndex, HostMatching, normalise};
use crate::routes::Routes;

fn routes(name: &str) -> Arc<Routes> {
    Arc::new(Routes::new(name.parse().unwrap(), Vec::new()))
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
    assert_eq!(index.find("x.alice.nsl.sh").unwrap().service.name.as_str(), "alice.nsl.sh");
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

/// What a host, and then a path of it, leads to.
fn leads(index: &HostIndex, asked: &str) -> Option<String> {
    let (host, path) = asked.split_at(asked.find('/').unwrap_or(asked.len()));
    let host = normalise(host).ok()?;
    let found = index.find(&host)?.at(if path.is_empty() { "/" } else { path })?;
    Some(found.service.to_string())
}

fn matching(hosts: HostMatching, services: &[&str]) -> HostIndex {
    let index = HostIndex::matching(&[], hosts);
    index.apply(services.iter().map(|s| (s.parse().unwrap(), Some(routes(s)))));
    index
}

fn domains(domains: &[&str]) -> HostMatching {
    HostMatching::Domains(domains.iter().map(|d| d.parse().unwrap()).collect())
}

/// How hosts are matched, the services that there are, and what hosts lead to.
type Vectors =
    (HostMatching, &'static [&'static str], &'static [(&'static str, Option<&'static str>)]);

#[test]
fn the_vectors_of_host_matching_hold() {
    let any = || HostMatching::AnyDomain;
    let two = || domains(&["domain.com", "sub.domain.com"]);
    let cases: &[Vectors] = &[
        (
            any(),
            &["app1"],
            &[
                ("app1.com", Some("app1")),
                ("app1.a.com", Some("app1")),
                ("app1.a.b.com", Some("app1")),
                ("app1", Some("app1")),
                ("APP1.com", Some("app1")),
                ("app1:8080", Some("app1")),
                ("sub.app1.com", None),
                ("app2.com", None),
                ("app11.com", None),
            ],
        ),
        (
            two(),
            &["app1"],
            &[
                ("app1.domain.com", Some("app1")),
                ("app1.sub.domain.com", Some("app1")),
                ("app1", Some("app1")),
                ("App1.Domain.Com.:443", Some("app1")),
                ("app1.com", None),
                ("app1.domain.com.hk", None),
                ("app1domain.com", None),
                ("domain.com", None),
            ],
        ),
        (
            two(),
            &["app1.foo.bar"],
            &[
                ("app1.foo.bar", Some("app1.foo.bar")),
                ("app1.foo.bar.domain.com", Some("app1.foo.bar")),
                ("app1.domain.com", None),
            ],
        ),
        // The first domain that leads somewhere wins.
        (two(), &["app.sub", "app"], &[("app.sub.domain.com", Some("app.sub"))]),
        (
            any(),
            &["*.domain.com"],
            &[
                ("foo.domain.com", Some("*.domain.com")),
                ("foo.domain.com:8080", Some("*.domain.com")),
                ("Foo.Domain.Com", Some("*.domain.com")),
                ("foo.domain.com.", Some("*.domain.com")),
                ("domain.com", None),
                ("foo.bar.domain.com", None),
                ("foodomain.com", None),
            ],
        ),
        (domains(&["other.com"]), &["*.domain.com"], &[("a.domain.com", Some("*.domain.com"))]),
        (HostMatching::Exact, &["*.domain.com"], &[("a.domain.com", Some("*.domain.com"))]),
        (
            any(),
            &["*.domain.com", "api.domain.com", "app1"],
            &[
                ("api.domain.com", Some("api.domain.com")),
                ("app1.domain.com", Some("app1")),
                ("x.domain.com", Some("*.domain.com")),
            ],
        ),
        (HostMatching::Exact, &["app1"], &[("app1", Some("app1")), ("app1.com", None)]),
        // An address is only itself.
        (any(), &["10", "*.0.0.1"], &[("10.0.0.1:80", None), ("10.x", Some("10"))]),
        (any(), &["10.0.0.1"], &[("10.0.0.1:80", Some("10.0.0.1"))]),
        (any(), &["app"], &[("[::1]:80", None)]),
    ];
    for (hosts, services, asked) in cases {
        let index = matching(hosts.clone(), services);
        for (host, want) in *asked {
            assert_eq!(leads(&index, host).as_deref(), *want, "{hosts:?} {services:?} {host}");
        }
    }
}

#[test]
fn an_owners_name_comes_after_exact_names_and_before_wildcards() {
    let index = HostIndex::matching(&["nsl.sh".parse().unwrap()], HostMatching::AnyDomain);
    let services = ["alice.nsl.sh", "*.nsl.sh", "web"];
    index.apply(services.map(|s| (s.parse().unwrap(), Some(routes(s)))));
    let cases = [
        ("alice.nsl.sh", "alice.nsl.sh"),
        ("app-alice.nsl.sh", "alice.nsl.sh"),
        ("x.alice.nsl.sh", "alice.nsl.sh"),
        ("web.alice.nsl.sh", "web"),
        ("bob.nsl.sh", "*.nsl.sh"),
    ];
    for (host, want) in cases {
        assert_eq!(leads(&index, host).as_deref(), Some(want), "{host}");
    }
}

#[test]
fn a_path_that_may_be_read_as_anothers_is_nobodys() {
    let index = matching(HostMatching::Exact, &["app", "app/admin", "app/api"]);
    let nobodys = [
        "app/%61dmin",
        "app//admin",
        "app/x/../admin",
        "app/api/../admin",
        "app/api/..",
        "app/x/%2e%2e/admin/y",
        "app/;x/admin",
    ];
    for asked in nobodys {
        assert_eq!(leads(&index, asked), None, "{asked}");
    }
    let ones = [
        ("app/x/../y", "app"),
        ("app/a%20b//c", "app"),
        ("app/api/%61//b", "app/api"),
        ("app/admin/../admin/x", "app/admin"),
        ("app/.well-known/x", "app"),
    ];
    for (asked, want) in ones {
        assert_eq!(leads(&index, asked).as_deref(), Some(want), "{asked}");
    }
    // A prefix that may itself be read in two ways is found as it is written, and no other way.
    let index = matching(HostMatching::Exact, &["app", "app/caf%C3%A9", "app/z;b", "app/a"]);
    let cases = [
        ("app/caf%C3%A9/x", Some("app/caf%C3%A9")),
        ("app/caf%c3%a9", None),
        ("app/%63af%C3%A9", None),
        ("app/x/..", Some("app")),
        ("app/a/%62", Some("app/a")),
        ("app/z;b/x", Some("app/z;b")),
        ("app/z", Some("app")),
    ];
    for (asked, want) in cases {
        assert_eq!(leads(&index, asked).as_deref(), want, "{asked}");
    }
    // A host whose paths are all one service's is as it was.
    let index = matching(HostMatching::Exact, &["app"]);
    assert_eq!(leads(&index, "app/%61dmin/..//x").as_deref(), Some("app"));
}

#[test]
fn several_services_share_a_name_by_path_and_each_comes_and_goes_by_itself() {
    let index = matching(HostMatching::AnyDomain, &["app/api", "app/api/v2", "*.x.org/a"]);
    let cases = [
        ("app.org/api/x", Some("app/api")),
        ("app.org/api/v2", Some("app/api/v2")),
        ("app.org/apiary", None),
        ("app.org/", None),
        ("app.org", None),
        ("b.x.org/a/b", Some("*.x.org/a")),
        ("b.x.org/b", None),
    ];
    for (asked, want) in cases {
        assert_eq!(leads(&index, asked).as_deref(), want, "{asked}");
    }
    assert_eq!((index.len(), index.snapshot().len()), (2, 3));
    let set = |service: &str, to: Option<&str>| {
        index.set(&service.parse().unwrap(), to.map(routes));
    };
    set("app", Some("app"));
    assert_eq!(leads(&index, "app.org/").as_deref(), Some("app"));
    assert_eq!(leads(&index, "app.org/api").as_deref(), Some("app/api"));
    set("app", Some("app"));
    assert_eq!(
        leads(&index, "app.org/api").as_deref(),
        Some("app/api"),
        "a change keeps the paths"
    );
    set("app/api", None);
    assert_eq!(leads(&index, "app.org/api").as_deref(), Some("app"));
    assert_eq!(leads(&index, "app.org/api/v2").as_deref(), Some("app/api/v2"));
    set("app", None);
    assert_eq!(leads(&index, "app.org/api"), None);
    assert_eq!(leads(&index, "app.org/api/v2").as_deref(), Some("app/api/v2"));
    set("app/api/v2", None);
    set("*.x.org/a", None);
    assert_eq!(leads(&index, "app.org/api/v2"), None);
    assert!(index.is_empty() && index.snapshot().is_empty());
}
