//! What is refused, by name and place, and what is only said.

use super::*;

fn only(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems[0].clone()
}

#[test]
fn whatever_protects_a_route_refuses_it_by_name() {
    let never = "a route isn't started less protected than it was written";
    let cases = [
        (
            "middlewares: {cidr_whitelist: {allow: 10.0.0.0/8}}",
            "middlewares.cidr_whitelist: there is no middleware `cidr_whitelist` yet",
        ),
        ("middlewares: {OIDC: }", "middlewares.OIDC: there is no middleware `OIDC` yet"),
        (
            "middlewares: {chain@file: }",
            "middlewares.chain@file: there is no middleware `chain@file` yet",
        ),
        (
            "middlewares: 'forward_auth: {}'",
            "middlewares.forward_auth: there is no middleware `forward_auth` yet",
        ),
        ("rules: 'default { bypass }'", "rules: there are no rules yet"),
        ("rules: [{name: x, do: bypass}]", "rules: there are no rules yet"),
        ("rule_file: embed://webui.yml", "rule_file: there are no rules yet"),
    ];
    for (field, want) in cases {
        let said = only(&format!("app: {{{field}}}"));
        assert!(said.contains(&format!("app.{want}: {never}")), "{said}");
    }
    // A profile that there isn't can't be asked for.
    let said = only("app: {inbound_mtls_profile: staff}");
    assert!(
        said.contains("app.inbound_mtls_profile: unknown inbound mTLS profile `staff`"),
        "{said}"
    );
    let said = only("app: {middlewares: {cidr_whitelst: {}}}");
    let want = "unknown middleware `cidr_whitelst` (did you mean `cidr_whitelist`?)";
    assert!(said.ends_with(want), "{said}");
    // What can't be read could be anything.
    let said = only("app: {middlewares: [oidc]}");
    assert!(said.ends_with("expected a mapping, found a list"), "{said}");
}

#[test]
fn what_nobody_knows_refuses_a_route_with_the_nearest_name() {
    let cases = [
        ("prot: 80", "app.prot: unknown field `prot` (did you mean `port`?)"),
        ("rule_fil: x", "app.rule_fil: unknown field `rule_fil` (did you mean `rule_file`?)"),
        ("healthcheck: {intervall: 5s}", "unknown field `intervall` (did you mean `interval`?)"),
        (
            "load_balance: {link: a, wait: 1}",
            "unknown field `wait` (known here: link, mode, weight, sticky, sticky_max_age, options)",
        ),
        ("scheme: htps", "app.scheme: invalid scheme `htps` (did you mean `https`?)"),
        (
            "path_patterns: [GET /]",
            "`path_patterns` is no field any more (give each path a route of its own, with `alias` and `path_prefix`)",
        ),
        ("port: 1, PORT: 2", "app.PORT: the field stands twice, once as `PORT`"),
    ];
    for (field, want) in cases {
        let said = only(&format!("app: {{{field}}}"));
        assert!(said.ends_with(want), "{said}");
    }
}

#[test]
fn the_originals_errors_of_validation() {
    let cases = [
        ("port: qwerty", "invalid port syntax, expect [listening_port:]target_port"),
        ("port: 65536", "port out of range"),
        ("port: '-1:1234'", "port out of range"),
        ("port: 1.5", "expected a whole number, found a number"),
        ("port: 8888", "localhost:8888 is reserved for Rutter"),
        ("port: 8888, host: 127.0.0.1, scheme: tcp", "localhost:8888 is reserved for Rutter"),
        ("host: a_b c", "an IP address or a DNS name"),
        ("host: 1.5", "expected a text, found a number: put it in quotes"),
        ("host: on", "expected a text, found a boolean: put it in quotes"),
        ("bind: everywhere", "expected an IP address, found `everywhere`"),
        (
            "agent: 10.0.0.1:8890",
            "the original's agents aren't spoken with: run Rutter's agent there",
        ),
        (
            "healthcheck: {disable: true}, load_balance: {link: a}",
            "cannot disable healthcheck when loadbalancer or idle watcher is enabled",
        ),
        ("healthcheck: {interval: 500ms}", "expected 1s or more"),
        (
            "healthcheck: {timeout: 5}",
            "a duration needs a unit, such as `5s`: the original takes a bare number for nanoseconds",
        ),
        ("healthcheck: {path: up}", "expected a path that begins with `/`, found `up`"),
        (
            "relay_proxy_protocol_header: true",
            "relay_proxy_protocol_header is only supported for tcp routes",
        ),
        ("tls_termination: true", "tls_termination is only supported for tcp routes"),
        (
            "tls_termination: true, port: 1:2",
            "tls_termination is only supported for tcp routes on the shared HTTPS listener",
        ),
        ("scheme: fileserver", "root must be an absolute path"),
        ("scheme: fileserver, root: srv", "root must be an absolute path"),
        ("ssl_certificate: /c.pem", "ssl_certificate and ssl_certificate_key need each other"),
        ("ssl_protocols: [sslv3]", "expected tlsv1.0, tlsv1.1, tlsv1.2 or tlsv1.3, found `sslv3`"),
        ("idlewatcher: {idle_timeout: 1h}", "missing idlewatcher provider config"),
        ("idlewatcher: {stop_method: nap}", "invalid stop method: expected stop, pause or kill"),
        (
            "idlewatcher: {stop_signal: SIGUSR1}",
            "invalid stop signal: expected INT, TERM, KILL, QUIT or HUP",
        ),
        (
            "idlewatcher: {start_endpoint: ''}",
            "start endpoint must not be empty if defined, and begins with `/`",
        ),
        (
            "scheme: udp, port: 53",
            "a udp route needs a port to listen on: write `listening_port:target_port`",
        ),
        ("scheme: tcp:udp, port: 1:2", "invalid scheme `tcp:udp` (did you mean `tcp`?)"),
        ("path_prefix: api", "a path that begins with `/`"),
        ("path_prefix: {strip: true}", "`path` is missing"),
        (
            "path_prefix: /api, scheme: tcp, port: 1:2",
            "path_prefix is only supported for HTTP-based routes",
        ),
        ("alias: other", "a route is asked for by its name, unless it has a `path_prefix`"),
        ("load_balance: {link: 'a b'}", "63 bytes each, 253 in all"),
        ("load_balance: {link: a, weight: -1}", "expected 0 to 65535, found -1"),
        ("max_conns_per_host: -1", "expected 0 to 4294967295, found -1"),
        ("no_tls_verify: maybe", "expected true or false, found `maybe`"),
    ];
    for (field, want) in cases {
        let said = only(&format!("app: {{{field}}}"));
        assert!(said.ends_with(want), "{said}");
    }
    let both = problems("app: {rules: 'default { bypass }', rule_file: x}");
    assert!(both[2].ends_with("app: `rules` and `rule_file` exclude each other"), "{both:?}");
    let alias = only("a b: {port: 1}");
    assert!(alias.contains("`a b` is not a valid alias"), "{alias}");
}

#[test]
fn what_is_only_shown_left_out_or_done_otherwise_is_a_remark_and_the_route_stands() {
    use RemarkKind::{Differs, Ignored, Mistake};
    let cases = [
        (Mistake, "homepage: {nmae: x}", "unknown field `nmae` (did you mean `name`?)"),
        (Mistake, "homepage: {name: yes}", "expected a text, found a boolean: put it in quotes"),
        (Mistake, "homepage: {icon: png/x.png}", "found `png/x.png`"),
        (Ignored, "homepage: {widget_config: {provider: qbittorrent}}", "widgets aren't shown"),
        (Mistake, "homepage: [x]", "expected a mapping, found a list"),
        (
            Ignored,
            "access_log: {path: /l, keep: 30 days}",
            "a route has no log of its own: the gateway's access log has its requests",
        ),
        (Ignored, "load_balance: {mode: ip_hash}", "without `link` it does nothing"),
        (
            Mistake,
            "load_balance: {link: a, mode: random}",
            "unknown mode `random`, so it is round_robin",
        ),
        (
            Ignored,
            "load_balance: {link: a, options: {header: X}}",
            "the address that ip_hash goes by is the one that the gateway sees",
        ),
        (
            Differs,
            "load_balance: {link: a, weight: 2}",
            "shares are kept to; the original computes them and uses them in no mode",
        ),
        (
            Differs,
            "healthcheck: {retries: 3}",
            "so many failures in a row turn the route unhealthy; in the original one does, and this delays the notification",
        ),
        (
            Differs,
            "ssl_protocols: [tlsv1.0, tlsv1.2]",
            "TLS 1.0 and 1.1 aren't spoken: only what else is named is",
        ),
        (
            Ignored,
            "proxmox: {services: [nginx]}",
            "the journals and files of Proxmox guests aren't shown",
        ),
        (
            Ignored,
            "idlewatcher: {idle_timeout: 1h, proxmox: {node: a, vmid: 1}}",
            "nothing is put to sleep yet: what runs goes on running",
        ),
        (
            Ignored,
            "root: /srv",
            "`root`, `spa` and `index` do nothing without `scheme: fileserver`",
        ),
        (Ignored, "port: 1:2, no_tls_verify: true", "options of HTTP upstreams do nothing here"),
    ];
    for (kind, field, want) in cases {
        let said = remarks(&format!("app: {{{field}}}"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].0 == kind && said[0].1.contains(want), "{said:?}");
    }
    let log = remarks("app: {access_log: {retention: for ever, format: xml}}");
    assert_eq!(log.len(), 4, "{log:?}");
}

#[test]
fn every_mistake_of_a_route_is_told_at_its_place() {
    let text = "app:\n  port: x\n  hots: a\n  healthcheck:\n    interval: 1ms\n";
    let want = [
        "2:9 app.port: `x` is not a valid port: invalid port syntax, expect [listening_port:]target_port",
        "3:9 app.hots: unknown field `hots` (did you mean `host`?)",
        "5:15 app.healthcheck.interval: expected 1s or more",
    ];
    assert_eq!(problems(text), want);
}
