use rutter_route::{
    BalanceMode, Delivery, NextHop, ProxyHeader, Service, StreamOptions, TlsServerName,
};

use super::*;
use crate::Reading;
use crate::testing::{container, file};

fn routes(text: &str) -> Vec<Route> {
    let Reading { routes, refused, .. } = file(text);
    assert_eq!(refused, []);
    routes
}

fn only(text: &str) -> Route {
    routes(text).into_iter().next().unwrap()
}

#[test]
fn a_routes_destination_is_where_it_is_asked_for() {
    let cases = [
        ("app: {port: 1}", "app"),
        ("App.Example.com: {port: 1}", "app.example.com"),
        ("'*.example.com': {port: 1}", "*.example.com"),
        ("docs: {alias: app, path_prefix: /docs/, port: 1}", "app/docs"),
        ("app: {scheme: http, port: '8443:1', bind: 10.0.0.1}", "app@10.0.0.1:8443"),
        ("db: {scheme: tcp, port: '5432:5432'}", "tcp:db@:5432"),
        ("db: {scheme: tcp, port: '5432:5432', bind: 127.0.0.1}", "tcp:db@127.0.0.1:5432"),
        ("dns: {scheme: udp, port: '53:53'}", "udp:dns@:53"),
        ("m1: {port: 1, load_balance: {link: pool}}", "pool"),
        ("files: {scheme: fileserver, root: /srv}", "files"),
    ];
    for (text, service) in cases {
        assert_eq!(only(text).service().to_string(), service, "{text}");
    }
}

#[test]
fn a_routes_next_hop_is_what_answers() {
    let cases = [
        ("app: {port: 80, host: 10.0.0.1}", "http://10.0.0.1:80"),
        ("app: {port: 443, host: a.lan, scheme: https}", "https://a.lan:443"),
        ("app: {port: 80, scheme: h2c, host: '::1'}", "h2c://[::1]:80"),
        ("db: {scheme: tcp, host: db, port: '5432:5433'}", "tcp://db:5433"),
        ("dns: {scheme: udp, host: dns, port: '53:54'}", "udp://dns:54"),
        ("files: {scheme: fileserver, root: /srv/www}", "files:/srv/www"),
    ];
    for (text, hop) in cases {
        assert_eq!(only(text).attributes().next_hop.to_string(), hop, "{text}");
    }
}

#[test]
fn what_a_gateway_does_otherwise_than_plainly_is_in_the_delivery() {
    let attributes = only(
        "m1: {port: 1, load_balance: {link: pool, mode: iphash, weight: 3, sticky: true, \
         sticky_max_age: 1h}}",
    )
    .attributes();
    assert_eq!((attributes.group.unwrap().as_str(), attributes.weight), ("pool", 3));
    let balance = attributes.delivery.unwrap().balance;
    assert_eq!((balance.mode, balance.is_sticky), (BalanceMode::IpHash, true));
    assert_eq!(balance.sticky_max_age.unwrap().as_secs(), 3600);

    let upstream = |text| only(text).attributes().delivery.unwrap().upstream.clone();
    assert!(upstream("app: {port: 443, scheme: https, no_tls_verify: true}").no_tls_verify);
    let named = upstream("app: {port: 443, scheme: https, ssl_server_name: a.lan}");
    assert_eq!(named.server_name, TlsServerName::Named("a.lan".parse().unwrap()));

    let delivery = |text| Delivery::clone(&only(text).attributes().delivery.unwrap());
    assert!(
        delivery("docs: {alias: app, path_prefix: {path: /docs, strip: true}, port: 1}")
            .strips_prefix
    );
    let files = delivery("f: {scheme: fileserver, root: /srv, spa: true, index: a.html}").files;
    assert_eq!((files.index.as_str(), files.is_spa), ("/a.html", true));
    let stream = delivery("db: {scheme: tcp, port: '1:1', relay_proxy_protocol_header: true}");
    let proxy_header = Some(ProxyHeader::V2);
    assert_eq!(stream.stream, StreamOptions { proxy_header, terminates_tls: false });
    // What says nothing has no delivery of its own: a table shares attributes.
    assert_eq!(only("dns: {scheme: udp, port: '53:53'}").attributes().delivery, None);
}

#[test]
fn a_refused_route_is_a_hole_wherever_it_would_have_been() {
    let cases: [(&str, &[&str]); 5] = [
        ("app: {port: 1, middlewares: {oidc: {}}}", &["app"]),
        ("app: {scheme: htpp}", &["app"]),
        ("a: {alias: app, path_prefix: /admin, port: x}", &["app/admin"]),
        ("db: {scheme: tcp, port: '5432:5432', host: '?'}", &["tcp:db@:5432"]),
        ("a b: {port: 1}", &[]),
    ];
    for (text, services) in cases {
        let refused = file(text).refused.into_iter().next().unwrap();
        let is: Vec<String> = refused.services().iter().map(Service::to_string).collect();
        assert_eq!(is, services, "{text}");
        assert_eq!(refused.attributes().next_hop, NextHop::Discard);
    }
}

#[test]
fn a_path_id_is_one_routes_and_stays() {
    assert_eq!(only("app: {port: 1}").path_id().as_str(), "app");
    let of = container("web", "10.0.0.1", &[]).routes;
    assert_eq!(of[0].path_id().as_str(), "web#web00000");
    // Names that can't be ids are cut, and told apart by their hash.
    let long = |end: &str| path_id(&format!("{}{end}", "ä".repeat(200)), None);
    assert_eq!(long("1"), long("1"));
    assert_ne!(long("1"), long("2"));
    assert!(path_id("a\nb", None).as_str().starts_with("ab~"));
    assert_ne!(path_id("a\nb", None), path_id("a\tb", None));
}
