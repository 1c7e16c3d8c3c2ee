use super::*;

#[test]
fn specs_parse_and_are_shown_in_full() {
    let cases = [
        ("web=127.0.0.1:3000", "web=http://127.0.0.1:3000"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("=127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("Web=https://[::1]:3000", "web=https://[::1]:3000"),
        ("web=localhost:80,priority=1", "web=http://localhost:80"),
        ("10.0.0.1:80,source=tunnel", "http://10.0.0.1:80,source=tunnel"),
        ("10.0.0.1:80,source=tunnel,priority=2", "http://10.0.0.1:80,source=tunnel"),
        ("10.0.0.1:80,source=tunnel,priority=1", "http://10.0.0.1:80,priority=1,source=tunnel"),
        ("a=b:1,priority=-0.5,health=/x?y=z", "a=http://b:1,health=/x?y=z,priority=-0.5"),
        ("https://10.0.0.1:443?tls=x.example", "https://10.0.0.1:443?tls=x.example"),
        ("w=https://10.0.0.1:443?tls=x.example", "w=https://10.0.0.1:443?tls=x.example"),
    ];
    for (text, shown) in cases {
        let spec: ServiceSpec = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(spec.to_string(), shown, "{text}");
        assert_eq!(shown.parse::<ServiceSpec>().unwrap(), spec, "{text} comes back");
    }
}

#[test]
fn defaults_follow_the_source() {
    let direct: ServiceSpec = "a:1".parse().unwrap();
    assert_eq!((direct.source, direct.priority), (RouteSource::Agent, Priority::whole(1)));
    let tunnel: ServiceSpec = "a:1,source=tunnel".parse().unwrap();
    assert_eq!((tunnel.source, tunnel.priority), (RouteSource::Tunnel, Priority::whole(2)));
}

#[test]
fn bad_specs_are_refused_with_what_was_expected() {
    let cases = [
        ("", "HOST:PORT"),
        ("3000", "HOST:PORT"),
        (":3000", "HOST:PORT"),
        ("web=127.0.0.1", "HOST:PORT"),
        ("web=127.0.0.1:0", "HOST:PORT"),
        ("web=::1:80", "HOST:PORT"),
        ("we b=127.0.0.1:1", "dot-separated labels"),
        ("web=tcp://127.0.0.1:1", "http or https"),
        ("web=gopher://127.0.0.1:1", "http, https, h2c, tcp or udp"),
        ("web=0.0.0.0:3000", "write 127.0.0.1"),
        ("web=[::]:3000", "write 127.0.0.1"),
        ("a:1,health=x", "begins with `/`"),
        ("a:1,health=/\u{1}", "begins with `/`"),
        ("a:1,priority=high", "a number"),
        ("a:1,priority=NaN", "a number"),
        ("a:1,source=vpn", "`agent` or `tunnel`"),
        ("a:1,colour=red", "`health=/path`"),
        ("a:1,", "`health=/path`"),
        ("a:1,priority=1,priority=2", "once"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<ServiceSpec>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn only_a_direct_route_takes_the_hosts_address() {
    let address: HostName = "203.0.113.5".parse().unwrap();
    let at =
        |text: &str| text.parse::<ServiceSpec>().unwrap().endpoint_at(Some(&address)).to_string();
    assert_eq!(at("https://127.0.0.1:1?tls=x"), "https://203.0.113.5:1?tls=x");
    assert_eq!(at("10.0.0.1:1,source=tunnel"), "http://10.0.0.1:1");
    let own = "127.0.0.1:1".parse::<ServiceSpec>().unwrap().endpoint_at(None);
    assert_eq!(own.to_string(), "http://127.0.0.1:1");
}

#[test]
fn sets_are_bounded_and_without_doubles() {
    let spec = |text: &str| text.parse::<ServiceSpec>().unwrap();
    assert!(check_services(&[]).unwrap_err().to_string().contains("--service"));
    let twice = [spec("web=a:1"), spec("web=http://a:1,priority=4")];
    assert!(check_services(&twice).unwrap_err().to_string().contains("twice"));
    check_services(&[spec("web=a:1"), spec("web=a:1,source=tunnel"), spec("a:1")]).unwrap();
    let many: Vec<_> = (1..=65).map(|port| spec(&format!("a:{port}"))).collect();
    check_services(&many[..64]).unwrap();
    assert!(check_services(&many).unwrap_err().to_string().contains("64 at most"));
}
