//! Every field, by itself.

use std::time::Duration;

use rutter_route::{BalanceMode, TlsServerName, TlsVersion, UpstreamOptions};

use super::*;
use crate::Retries;
use crate::godoxy::written::field_names;

/// A file's route with every field that stands.
const FULL: &str = "
full:
  scheme: https
  host: nas.lan
  port: 8443
  bind: 10.0.0.1
  no_tls_verify: true
  response_header_timeout: 1m30s
  max_conns_per_host: 20
  disable_compression: true
  ssl_server_name: inner.lan
  ssl_trusted_certificate: /etc/ca.pem
  ssl_certificate: /etc/cert.pem
  ssl_certificate_key: /etc/key.pem
  ssl_protocols: [TLSv1.3, tlsv1.2]
  healthcheck: {use_get: true, path: /up, interval: 10s, timeout: 2s, retries: 4}
  load_balance: {link: pool, mode: least_conn, weight: 3, sticky: true, sticky_max_age: 1h}
  proxmox: {node: pve1, vmid: 0, vmname: nas}
  homepage:
    show: false
    name: Files
    icon: '@selfhst/nas.svg'
    category: Storage
    desc: All of them
    url: https://files.lan
    favorite: true
";

#[test]
fn every_field_that_stands_is_taken() {
    let route = route(FULL);
    let Target::Http { scheme, host, port, upstream } = &route.target else { panic!() };
    assert_eq!((*scheme, host.to_string().as_str(), *port), (HttpScheme::Https, "nas.lan", 8443));
    let want = UpstreamOptions {
        no_tls_verify: true,
        response_header_timeout: Some(Duration::from_secs(90)),
        max_connections: Some(20),
        no_compression: true,
        server_name: TlsServerName::Named("inner.lan".parse().unwrap()),
        trusted_certificate: Some("/etc/ca.pem".into()),
        client_certificate: Some(("/etc/cert.pem".into(), "/etc/key.pem".into())),
        tls_versions: Some((TlsVersion::V1_2, TlsVersion::V1_3)),
    };
    assert_eq!(**upstream, want);
    let health = &route.health;
    assert_eq!((health.path.as_str(), health.use_get), ("/up", true));
    assert_eq!((health.interval.as_secs(), health.timeout.as_secs()), (10, 2));
    assert_eq!((health.retries, health.failures()), (Retries::After(4), 4));
    let balance = route.balance.unwrap();
    assert_eq!((balance.link.as_str(), balance.mode), ("pool", BalanceMode::LeastConnections));
    assert_eq!((balance.weight, balance.is_sticky), (3, true));
    assert_eq!(balance.sticky_max_age, Some(Duration::from_secs(3600)));
    assert_eq!(balance.group().unwrap().as_str(), "pool");
    let proxmox = route.proxmox.unwrap();
    assert_eq!((proxmox.node.as_deref(), proxmox.vmid), (Some("pve1"), Some(0)));
    assert_eq!(proxmox.vm_name.as_deref(), Some("nas"));
    let homepage = route.homepage;
    assert!(!homepage.is_shown && homepage.is_favorite);
    assert_eq!(homepage.description.as_deref(), Some("All of them"));
    assert_eq!(homepage.icon.as_deref(), Some("@selfhst/nas.svg"));
}

#[test]
fn streams_and_files_have_fields_of_their_own() {
    let tcp = route("db: {port: 5432:5432, relay_proxy_protocol_header: true}");
    let Target::Tcp { sends_proxy_header, terminates_tls, .. } = tcp.target else { panic!() };
    assert!(sends_proxy_header && !terminates_tls);
    let shared = route("db: {scheme: tcp, port: 5432, tls_termination: true}");
    assert!(matches!(shared.target, Target::Tcp { terminates_tls: true, .. }));
    assert_eq!(shared.listen, ListenAt::default());
    let files = route("www: {scheme: fileserver, root: /srv/www, index: home.html, spa: yes}");
    let want = Target::Files { root: "/srv/www".into(), index: "/home.html".into(), is_spa: true };
    assert_eq!(files.target, want);
}

#[test]
fn nothing_written_is_the_default() {
    let bare = route("app:\n");
    for field in field_names() {
        for nothing in ["", "~", "''", "{}"] {
            let text = format!("app: {{{field}: {nothing}}}");
            assert_eq!(route(&text), bare, "{text}");
        }
    }
    let zero = "app: {port: 0, healthcheck: {interval: 0, retries: 0}, max_conns_per_host: 0}";
    assert_eq!(route(zero), bare);
}

#[test]
fn values_are_converted_as_in_the_original() {
    let yes = ["true", "yes", "on", "'true'", "1", "'1'"];
    for yes in yes {
        let route = route(&format!("app: {{no_tls_verify: {yes}}}"));
        assert!(matches!(route.target, Target::Http { upstream, .. } if upstream.no_tls_verify));
    }
    let lists = [
        "tlsv1.2, tlsv1.3",
        "[tlsv1.2, tlsv1.3]",
        "'- tlsv1.2\n\n    - tlsv1.3'",
        "tlsv1.2 tlsv1.3",
    ];
    for list in lists {
        let text = format!("app:\n  ssl_protocols: {list}\n");
        let Target::Http { upstream, .. } = route(&text).target else { panic!() };
        assert_eq!(upstream.tls_versions, Some((TlsVersion::V1_2, TlsVersion::V1_3)), "{text}");
    }
    for (name, want) in
        [("on", TlsServerName::Host), ("off", TlsServerName::Off), ("''", TlsServerName::Host)]
    {
        let Target::Http { upstream, .. } =
            route(&format!("app: {{ssl_server_name: {name}}}")).target
        else {
            panic!()
        };
        assert_eq!(upstream.server_name, want);
    }
    assert_eq!(route("app: {healthcheck: {retries: -1}}").health.failures(), 1);
    assert!(route("app: {healthcheck: {disabled: 'true'}}").health.is_disabled);
}
