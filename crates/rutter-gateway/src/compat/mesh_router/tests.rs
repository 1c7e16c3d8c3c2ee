//! The adapter: its words, its cache at explicit times, and the whole of it against a backend over
//! real sockets.

mod backend;
mod cached;

use rutter_route::NextHop;

use super::config::{BackendUrl, CaPin};
use super::map::{self, Name, name_of};
use super::wire;
use crate::testing::name as service;

fn alice() -> Name {
    Name { label: "alice".to_owned(), service: service("alice.nsl.sh") }
}

#[test]
fn a_backends_url_is_a_place_and_nothing_else() {
    let good = [
        ("http://10.0.0.1:8192", "http://10.0.0.1:8192"),
        ("http://[::1]:8192/", "http://[::1]:8192"),
        ("https://api.nsl.sh", "https://api.nsl.sh:443"),
        ("http://api.nsl.sh/router/api/", "http://api.nsl.sh:80/router/api"),
    ];
    for (text, shown) in good {
        assert_eq!(text.parse::<BackendUrl>().unwrap().to_string(), shown);
        assert_eq!(shown.parse::<BackendUrl>().unwrap().to_string(), shown);
    }
    for text in ["", "api.nsl.sh", "ftp://x", "http://u:p@x", "http://x/?q=1", "http://x/#f"] {
        assert!(text.parse::<BackendUrl>().is_err(), "{text}");
    }
}

#[test]
fn a_pin_is_a_fingerprint_in_any_of_its_forms() {
    let digits = "ab".repeat(32);
    let colons = vec!["AB"; 32].join(":");
    for text in [digits.clone(), format!("sha256:{digits}"), colons] {
        assert_eq!(text.parse::<CaPin>().unwrap().to_string(), digits);
    }
    for text in ["", "sha256:", "sha1:ab", &"g".repeat(64), &"ab".repeat(33)] {
        assert!(text.parse::<CaPin>().is_err(), "{text}");
    }
}

#[test]
fn a_host_leads_to_a_name_under_the_domains_and_nowhere_else() {
    let domains = [service("nsl.sh"), service("eu.nsl.sh")];
    let cases = [
        ("alice.nsl.sh", Some(("alice", "alice.nsl.sh"))),
        ("app.alice.nsl.sh", Some(("alice", "alice.nsl.sh"))),
        ("app-alice.nsl.sh", Some(("alice", "alice.nsl.sh"))),
        ("x.y-z-bob2.nsl.sh", Some(("bob2", "bob2.nsl.sh"))),
        ("alice.eu.nsl.sh", Some(("alice", "alice.eu.nsl.sh"))),
        // What the original takes, and nobody should.
        ("nsl.sh", None),
        ("evilnsl.sh", None),
        ("alice.example", None),
        ("evil.com", None),
        // What no backend has.
        ("app-.nsl.sh", None),
        ("a_b.nsl.sh", None),
        ("127.0.0.1", None),
    ];
    for (host, want) in cases {
        let got = name_of(host, &domains);
        let got = got.as_ref().map(|n| (n.label.as_str(), n.service.as_str()));
        assert_eq!(got, want, "{host}");
    }
    let long = format!("{}.nsl.sh", "a".repeat(64));
    assert_eq!(name_of(&long, &domains), None);
}

/// What becomes of routes in a backend's words.
fn mapped(json: &str) -> (Vec<String>, usize) {
    let routes: Vec<wire::Route> = serde_json::from_str(json).unwrap();
    let (told, n_bad) = map::routes(&alice(), &routes);
    let words = told.iter().map(|told| {
        let NextHop::Endpoint(endpoint) = &told.attributes.next_hop else { panic!("{told:?}") };
        let check = told.attributes.health_check.as_ref().map_or("", |check| check.path.as_str());
        format!("{} {} {endpoint} {check}", told.route.source, told.attributes.priority.as_f64())
    });
    (words.map(|word| word.trim_end().to_owned()).collect(), n_bad)
}

#[test]
fn routes_are_ordered_by_priority_and_read_as_the_original_reads_them() {
    let (told, n_bad) = mapped(
        r#"[
        {"ip":"10.77.0.2","port":80,"priority":2,"source":"tunnel","scheme":"https"},
        {"ip":"10.77.0.2","port":80,"priority":2,"source":"tunnel","scheme":"http"},
        {"ip":"203.0.113.5","port":"10443","priority":1,"source":"agent",
         "healthCheck":{"path":"/healthz","host":"alice.nsl.sh"}},
        {"ip":"2001:db8::1","port":443,"priority":1.5,"source":"agent","extra":true},
        {"ip":"192.0.2.1","priority":-1,"source":"odd:source/x","scheme":"http","port":81},
        {"ip":"192.0.2.2","port":82,"type":"domain","domain":"home.example","source":"agent"}
        ]"#,
    );
    assert_eq!(
        told,
        [
            "provider/odd:source/x:alice -1 http://192.0.2.1:81",
            "agent/alice 1 https://203.0.113.5:10443 /healthz",
            "agent/alice 1.5 https://[2001:db8::1]:443",
            "tunnel/alice 2 http://10.77.0.2:80",
            "agent/alice 999 https://home.example:82",
        ]
    );
    assert_eq!(n_bad, 0);
}

#[test]
fn a_route_that_leads_nowhere_takes_no_other_along() {
    let (told, n_bad) = mapped(
        r#"[
        {"ip":"127.0.0.1:8192/ca-cert?x=","port":80,"source":"agent"},
        {"ip":"192.0.2.1","port":0,"source":"agent"},
        {"ip":"192.0.2.1","port":"http","source":"agent"},
        {"ip":"192.0.2.1","port":80,"scheme":"gopher","source":"agent"},
        {"ip":"192.0.2.1","port":80,"type":"domain","source":"agent"},
        {"ip":"192.0.2.9","port":80,"scheme":"http","source":"agent",
         "healthCheck":{"path":"no slash"}}
        ]"#,
    );
    assert_eq!(told, ["agent/alice 999 http://192.0.2.9:80"]);
    assert_eq!(n_bad, 5);
    let many: Vec<_> =
        (1..100).map(|n| format!(r#"{{"ip":"192.0.2.{n}","port":80,"priority":{n}}}"#)).collect();
    let (told, _) = mapped(&format!("[{}]", many.join(",")));
    assert_eq!(told.len(), map::MAX_ROUTES);
    assert!(told[15].contains("192.0.2.16"), "{told:?}");
}
