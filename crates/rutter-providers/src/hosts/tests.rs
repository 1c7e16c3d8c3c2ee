use proptest::prelude::*;

use super::*;
use crate::Alias;

fn found(aliases: &[&str], domains: &[&str], host: &str) -> Option<String> {
    let aliases: Vec<Alias> = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    let domains = MatchDomains::new(domains.iter().copied()).unwrap();
    let there_is = |key: HostKey<'_>| {
        let is = |alias: &&Alias| match (alias, key) {
            (Alias::Name(name), HostKey::Name(key)) => name.as_str() == key,
            (Alias::Under(domain), HostKey::Under(key)) => domain.as_str() == key,
            _ => false,
        };
        aliases.iter().find(is).map(ToString::to_string)
    };
    find(host, &domains, there_is)
}

#[test]
fn without_domains_an_alias_is_the_first_label_of_any_host() {
    for host in ["app1.com", "app1.a.com", "app1.a.b.com", "app1", "APP1.com", "app1:8080"] {
        assert_eq!(found(&["app1"], &[], host).as_deref(), Some("app1"), "{host}");
    }
    for host in ["sub.app1.com", "app2.com", "", ".", "app11.com"] {
        assert_eq!(found(&["app1"], &[], host), None, "{host}");
    }
}

#[test]
fn with_domains_an_alias_is_found_under_them_and_exactly() {
    let domains = [".domain.com", ".sub.domain.com"];
    for host in ["app1.domain.com", "app1.sub.domain.com", "app1", "App1.Domain.Com.:443"] {
        assert_eq!(found(&["app1"], &domains, host).as_deref(), Some("app1"), "{host}");
    }
    for host in ["app1.com", "app1.domain.com.hk", "app1domain.com", "domain.com", ".domain.com"] {
        assert_eq!(found(&["app1"], &domains, host), None, "{host}");
    }
    for host in ["app1.foo.bar", "app1.foo.bar.domain.com"] {
        assert_eq!(found(&["app1.foo.bar"], &domains, host).as_deref(), Some("app1.foo.bar"));
    }
    // A dot before a domain is as good as none.
    assert_eq!(found(&["app1"], &["domain.com"], "app1.domain.com").as_deref(), Some("app1"));
}

#[test]
fn the_first_domain_that_leads_somewhere_wins() {
    let domains = ["domain.com", "sub.domain.com"];
    let aliases = ["app.sub", "app"];
    assert_eq!(found(&aliases, &domains, "app.sub.domain.com").as_deref(), Some("app.sub"));
}

#[test]
fn a_wildcard_stands_for_one_label() {
    for host in ["foo.domain.com", "foo.domain.com:8080", "Foo.Domain.Com", "foo.domain.com."] {
        for domains in [&[][..], &["other.com"]] {
            let wildcard = found(&["*.domain.com"], domains, host);
            assert_eq!(wildcard.as_deref(), Some("*.domain.com"), "{host}");
        }
    }
    for host in ["domain.com", "foo.bar.domain.com", "domain.com:80", "foodomain.com"] {
        assert_eq!(found(&["*.domain.com"], &[], host), None, "{host}");
    }
}

#[test]
fn exact_names_and_first_labels_beat_a_wildcard() {
    let aliases = ["*.domain.com", "api.domain.com", "app1"];
    let cases = [
        ("api.domain.com", "api.domain.com"),
        ("app1.domain.com", "app1"),
        ("x.domain.com", "*.domain.com"),
    ];
    for (host, want) in cases {
        assert_eq!(found(&aliases, &[], host).as_deref(), Some(want), "{host}");
    }
}

#[test]
fn an_address_is_only_itself() {
    assert_eq!(found(&["10", "*.0.0.1"], &[], "10.0.0.1:80"), None);
    assert_eq!(found(&["10.0.0.1"], &[], "10.0.0.1:80").as_deref(), Some("10.0.0.1"));
    assert_eq!(found(&["app"], &[], "[::1]:80"), None);
}

#[test]
fn a_host_is_bare_without_port_and_dot_in_lower_case() {
    let cases = [
        ("a.b", "a.b"),
        ("A.b:80", "a.b"),
        ("a.b.:80", "a.b"),
        ("a.b:", "a.b"),
        ("a:http", "a:http"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
    ];
    for (host, want) in cases {
        assert_eq!(bare(host), want, "{host}");
    }
}

#[test]
fn short_links_lead_to_aliases() {
    let aliases = ["app", "blog.example.org", "wiki.a.org", "wiki.b.org", "app.b.org", "*.c.org"];
    let aliases: Vec<Alias> = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    let links = ShortLinks::new(&aliases, Some("example.com".parse().unwrap()));
    let to = |url: &str| ShortLink::To(url.to_owned());
    let cases = [
        ("/app", to("https://app.example.com/")),
        ("/App/x/y?q=1", to("https://app.example.com/x/y?q=1")),
        ("/app?q", to("https://app.example.com/?q")),
        ("/blog", to("https://blog.example.org/")),
        ("/wiki/", to("https://wiki.a.org/")),
        ("/wiki.b.org/p", to("https://wiki.b.org/p")),
        ("/app.b.org", to("https://app.b.org/")),
        ("/", ShortLink::NoKey),
        ("", ShortLink::NoKey),
        ("/?q", ShortLink::NoKey),
        ("/none", ShortLink::Unknown),
        ("/none.org", ShortLink::Unknown),
        ("/*.c.org", ShortLink::Unknown),
        ("/app@evil.org", ShortLink::Unknown),
    ];
    for (asked, want) in cases {
        assert_eq!(links.leads(asked), want, "{asked}");
    }
    // A name of one label is nowhere without a domain to stand under.
    let links = ShortLinks::new(&aliases, None);
    assert_eq!(links.leads("/app"), ShortLink::Unknown);
    assert_eq!(links.leads("/blog"), to("https://blog.example.org/"));
}

proptest! {
    #[test]
    fn case_port_and_dot_never_change_what_is_found(
        host in "[a-z]{1,3}(\\.[a-z]{1,3}){0,3}",
        port in proptest::option::of(1u16..),
        with_dot: bool,
    ) {
        let aliases = ["a", "b.c", "*.a.b", "abc.a"];
        let mut said = host.to_ascii_uppercase();
        if with_dot {
            said.push('.');
        }
        if let Some(port) = port {
            said.push_str(&format!(":{port}"));
        }
        for domains in [&[][..], &["b", "c.d"]] {
            prop_assert_eq!(found(&aliases, domains, &said), found(&aliases, domains, &host));
        }
    }

    #[test]
    fn any_text_may_be_asked_for(host in ".{0,40}") {
        found(&["a"], &["b"], &host);
        ShortLinks::default().leads(&host);
    }
}
