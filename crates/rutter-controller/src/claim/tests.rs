use super::*;

fn claim(service: Option<&str>) -> RouteClaim {
    RouteClaim {
        service: service.map(|s| s.parse().unwrap()),
        path: "http 127.0.0.1:3000".parse().unwrap(),
        endpoint: "http://127.0.0.1:3000".parse().unwrap(),
        priority: Priority::whole(2),
        health_check: Some(health_check("/healthz", None).unwrap()),
        said: None,
    }
}

#[test]
fn a_claim_is_about_the_name_or_a_service_below_it() {
    let (name, domain) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
    for (service, expected) in [
        (None, "alice.localhost"),
        (Some("web"), "web.alice.localhost"),
        (Some("a.b"), "a.b.alice.localhost"),
    ] {
        let said = claim(service).advertisement(&name, &domain).unwrap();
        assert_eq!(said.destination.to_string(), expected);
        assert_eq!(said.attributes.priority, Priority::whole(2));
        assert_eq!(said.path.as_str(), "http 127.0.0.1:3000");
        assert_eq!(said.attributes.health_check.unwrap().path, "/healthz");
    }
    assert!("a/b".parse::<ServiceLabel>().is_err());
    let long = ["l".repeat(60).as_str(); 4].join(".");
    assert!(claim(Some(&long)).destination(&name, &domain).is_err());
}

#[test]
fn a_health_check_can_not_smuggle_into_a_request() {
    for (path, host, good) in [
        ("/", None, true),
        ("/healthz?a=b", Some("alice.nsl.sh"), true),
        ("/h", Some("[::1]:80"), true),
        ("h", None, false),
        ("", None, false),
        ("/a b", None, false),
        ("/a\r\nX: y", None, false),
        ("/é", None, false),
        ("/h", Some(""), false),
        ("/h", Some("a\r\nb"), false),
        ("/h", Some("a b"), false),
    ] {
        assert_eq!(health_check(path, host).is_ok(), good, "{path:?} {host:?}");
    }
    assert!(health_check(&format!("/{}", "a".repeat(1024)), None).is_err());
}
