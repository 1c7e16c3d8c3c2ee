//! What a file means, what it is refused for, and what is said of it.

use std::time::Duration;

use super::{Reading, RemarkKind, read};
use crate::{
    Flooding, Identity, ImportOrder, Lookup, OverlayConfig, RoutingTable, Timers, TopologyMode,
    Transit,
};

/// As small as version 1 gets.
const ONE: &str = "
version: 1
node: {id: host-a}
overlay:
  vxlan: {vni: 100, name: vx100, bridge: br100}
  peers:
    - {id: host-b, endpoint: {address: 10.0.0.2}}
";

/// Two overlays with tables of their own and the file's peers, as in a lab.
const TWO: &str = "
version: 2
node: {id: host-a, hostname: a.example, tags: [lab]}
overlays:
  - vni: 100
    name: vx100
    learning: true
    mtu: 1400
    underlay_interface: eth1
    bridge: {name: br100, ipv4: 10.100.0.1/24, ipv6: '2001:db8:100::1/64'}
    bum: {mode: multicast, group: 239.1.1.1}
    routing:
      export: {networks: [172.16.10.0/24, '2001:db8:10::/64'], metric: 50}
      import:
        accept_all: false
        allow: [172.16.0.0/16]
        deny: [172.16.99.7/24]
        install:
          table: 100
          replace_existing: true
          flush_on_peer_down: true
          route_lease_seconds: 60
          lookup_rules: {enabled: true}
  - vni: 200
    name: vx200
    bridge: br200
    routing:
      export: {networks: [172.17.10.0/24]}
      import: {accept_all: true, install: {table: 200}}
peers:
  - id: host-b
    endpoint: {address: 10.0.0.2}
    health: {keepalive_interval_ms: 1000, dead_after_ms: 4000}
  - id: host-c
    endpoint: {address: '2001:db8::3'}
    vnis: [200]
";

fn good(text: &str) -> Reading {
    read("netman.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn config(text: &str) -> OverlayConfig {
    good(text).config
}

fn wrong(text: &str) -> String {
    read("netman.yaml", text).map(|_| ()).expect_err("the file should be refused").to_string()
}

fn remarks(reading: &Reading, kind: RemarkKind) -> Vec<String> {
    let of_kind = reading.remarks.iter().filter(|remark| remark.kind == kind);
    of_kind
        .map(|remark| {
            let line = remark.problem.spot.map_or(0, |spot| spot.line);
            let help = remark.problem.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{line} {}: {}{help}", remark.problem.path.join("."), remark.problem.message)
        })
        .collect()
}

#[test]
fn the_smallest_file_has_the_defaults_of_version_1() {
    let config = config(ONE);
    assert_eq!(config.node.as_str(), "host-a");
    assert_eq!(config.exchange.listen.to_string(), "0.0.0.0:9898");
    assert_eq!(config.exchange.identity, Identity::Unproven);
    assert_eq!(config.exchange.max_message, 16 << 20);
    assert_eq!(config.topology.mode, TopologyMode::DirectPreferred);
    assert_eq!(config.topology.transit, Transit::Deny);
    assert!(config.topology.relay_fallback && config.netplan.enabled);
    assert_eq!(config.observe.metrics.unwrap().to_string(), "127.0.0.1:9109");
    assert_eq!(config.observe.health.unwrap().to_string(), "127.0.0.1:9110");
    assert_eq!((config.observe.level.as_str(), config.observe.json), ("info", true));
    let (vni, overlay) = config.overlays.first_key_value().unwrap();
    assert_eq!((vni.get(), vni.table().as_str()), (100, "overlay/100"));
    let vxlan = &overlay.vxlan;
    assert_eq!((vxlan.port, vxlan.learning, vxlan.mtu), (4789, true, 1450));
    assert_eq!((vxlan.flooding, &vxlan.underlay), (Flooding::HeadEnd, &None));
    assert_eq!((overlay.bridge.name.as_str(), overlay.bridge.addresses.len()), ("br100", 0));
    assert_eq!((overlay.export.metric, overlay.import.order), (100, ImportOrder::DenyFirst));
    let install = overlay.install;
    assert_eq!((install.table, install.lease), (RoutingTable::DEFAULT, Duration::from_secs(30)));
    assert!(install.replace_existing && install.flush_on_peer_down);
    assert_eq!(install.lookup, None);
    let peer = &config.peers[0];
    assert_eq!((peer.name.as_str(), peer.address.to_string()), ("host-b", "10.0.0.2".into()));
    assert_eq!((peer.timers, peer.timers_of_original), (Timers::RUTTER, Timers::ORIGINAL));
    assert_eq!(peer.overlays.len(), 1);
}

#[test]
fn two_overlays_have_what_is_theirs_and_no_defaults_but_those_at_use() {
    let config = config(TWO);
    let [a, b] = [0, 1].map(|n| config.overlays.values().nth(n).unwrap());
    assert_eq!((a.vxlan.learning, a.vxlan.mtu), (true, 1400));
    assert_eq!(a.vxlan.underlay.as_ref().unwrap().as_str(), "eth1");
    assert_eq!(a.vxlan.flooding, Flooding::Multicast("239.1.1.1".parse().unwrap()));
    let addresses: Vec<String> = a.bridge.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.100.0.1/24", "2001:db8:100::1/64"]);
    assert_eq!(a.export.networks.len(), 2);
    assert_eq!((a.export.metric, b.export.metric), (50, 100));
    assert_eq!(a.import.deny[0].to_string(), "172.16.99.0/24", "host bits are cleared");
    assert_eq!(a.install.lookup, Some(Lookup::Interface));
    assert_eq!(a.install.lease, Duration::from_secs(60));
    // What version 2 leaves out.
    assert_eq!((b.vxlan.learning, b.vxlan.mtu, b.vxlan.port), (false, 1450, 4789));
    assert!(!b.install.replace_existing && b.install.flush_on_peer_down);
    assert_eq!((b.install.table.get(), b.install.lease.as_secs()), (200, 30));
    assert!(b.import.accept_all && b.bridge.addresses.is_empty());
    let [first, second] = &config.peers[..] else { panic!("{:?}", config.peers) };
    assert_eq!((first.overlays.len(), second.overlays.len()), (2, 1));
    let timers = Timers { keepalive: Duration::from_secs(1), dead: Duration::from_secs(4) };
    assert_eq!((first.timers, first.timers_of_original), (timers, timers));
    assert!(second.address.is_ipv6());
}

/// A file made of one that is good, with one part replaced.
fn with(text: &str, part: &str, other: &str) -> String {
    assert!(text.contains(part), "{part}");
    text.replacen(part, other, 1)
}

#[test]
fn mistakes_are_told_at_their_place() {
    let cases = [
        (with(ONE, "version: 1\n", ""), "the key `version` is missing (write `version: 1`"),
        (with(ONE, "version: 1", "version: 3"), "2:10: expected version 1 or 2, found 3"),
        (with(ONE, "{id: host-a}", "{}"), "3:1: the key `node.id` is missing"),
        (
            with(ONE, "  vxlan: {vni: 100, name: vx100, bridge: br100}\n", ""),
            "4:1: the key `overlay.vxlan` is missing",
        ),
        (with(ONE, "vni: 100", "vni: 0"), "5:16: an overlay needs a `vni` of 1 to 16777215"),
        (with(ONE, "vni: 100", "vni: 16777216"), "5:16: an overlay needs a `vni`"),
        (with(ONE, "name: vx100, ", ""), "5:3: an interface's name is missing here"),
        (with(ONE, ", bridge: br100", ""), "5:3: an interface's name is missing here"),
        (with(ONE, "vx100", "vxlan-production"), "1 to 15 bytes without `/`"),
        (with(ONE, "{id: host-b, ", "{"), "7:7: a peer needs an `id`"),
        (with(ONE, "10.0.0.2", "b.example"), "7:40: a peer needs an IPv4 or IPv6 address"),
        (with(ONE, "10.0.0.2", "10.0.0.2:9898"), "7:40: a peer needs an IPv4 or IPv6 address"),
        (with(TWO, "vni: 200", "vni: 100"), "24:10: VNI 100 is another overlay's too"),
        (with(TWO, "name: vx200", "name: vx100"), "25:11: `vx100` is another overlay's too"),
        (
            with(TWO, "bridge: br200", "bridge: br100"),
            "26:13: the bridge `br100` is another overlay's too",
        ),
        (with(TWO, "table: 200", "table: 100"), "29:51: table 100 is another overlay's too"),
        (with(TWO, "table: 200", "table: 254"), "29:51: expected 1 to 252, found 254"),
        (
            format!("{TWO}overlay: {{peers: [{{id: x, endpoint: {{address: 10.0.0.9}}}}]}}\n"),
            "37:11: version 2 has its peers in `peers`",
        ),
        (with(TWO, "vnis: [200]", "vnis: [300]"), "36:12: no overlay here has VNI 300"),
        (with(TWO, ", group: 239.1.1.1", ""), "11:5: mode `multicast` needs the address of a"),
        (with(TWO, "239.1.1.1", "10.1.1.1"), "11:35: mode `multicast` needs the address of a"),
        (with(TWO, "mode: multicast", "mode: flood"), "unknown word `flood`, expected one of"),
        (with(TWO, "10.100.0.1/24", "10.100.0.1"), "10:33: `10.100.0.1` is not a valid interface"),
        (with(TWO, "10.100.0.1/24", "10.100.0.1/33"), "an IPv4 length is 0 to 32"),
        (with(TWO, "10.100.0.1/24", "'::1/64'"), "10:33: `::1/64` is of the other family"),
        (with(TWO, "mtu: 1400", "mtu: 1200"), "8:10: expected 1280 to 9000, found 1200"),
        (
            with(TWO, "allow: [172.16.0.0/16]", "allow: [172.16]"),
            "16:17: `172.16` is not a network, such as",
        ),
        (with(TWO, "dead_after_ms: 4000", "dead_after_ms: 900"), "given up before it is asked"),
        (with(TWO, "id: host-c", "id: host-b"), "34:9: `host-b` is another peer's name too"),
        (with(TWO, "version: 2", "version: 2\nkvm: {bridges: [{mtu: 1500}]}"), "needs a `name`"),
        ("version: 2\nnode: {id: a}\n".into(), "version 2 needs at least one overlay"),
        (
            format!("{ONE}security: {{control_plane: {{tls: {{enabled: true}}}}}}\n"),
            "TLS is enabled, so `cert_file` must name a file",
        ),
        (
            format!(
                "{ONE}security: {{control_plane: {{tls: {{enabled: true, cert_file: /no/such}}}}}}\n"
            ),
            "8:60: there is no file `/no/such`",
        ),
        (
            format!("{ONE}kvm: {{enabled: true, bridges: [{{name: br7}}]}}\n"),
            "5:42: the bridge `br100` isn't in `kvm.bridges`",
        ),
        (format!("{ONE}rutter: {{import_order: fast}}\n"), "expected one of running, documented"),
        (with(ONE, "vni: 100", "vni: many"), "5:16: "),
    ];
    let told = cases.map(|(text, expected)| (wrong(&text), expected));
    let other = told.iter().filter(|(told, expected)| !told.contains(expected));
    let other: Vec<String> = other.map(|(told, expected)| format!("{expected} ≠ {told}")).collect();
    assert!(other.is_empty(), "{other:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_text() {
    let text = "version: 1\nnode: {}\noverlay: {vxlan: {vni: 0, name: x}}\n";
    let told = wrong(text);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].starts_with("netman.yaml:2:") && lines[2].starts_with("netman.yaml:3:"));
}

#[test]
fn what_others_write_is_taken() {
    let cases = [
        // Go's booleans and merge keys, texts that look like numbers, sections with nothing in.
        with(ONE, "vni: 100", "vni: 100, learning: yes"),
        with(ONE, "host-a", "17"),
        format!("{ONE}routing:\ntopology: ~\nkvm: {{enabled: false}}\n"),
        format!(
            "{ONE}observability: {{metrics: {{listen: ':9109'}}, healthcheck: {{enabled: no}}}}\n"
        ),
        with(ONE, "bridge: br100", "bridge: {name: br100}"),
        with(ONE, "10.0.0.2", "'2001:db8::2'"),
        // Version 2 without peers; a zero is as good as nothing.
        with(ONE, "vni: 100", "vni: 100, dstport: 0, mtu: 0"),
        "version: 2\nnode: {id: a}\noverlays: [{vni: 7, name: vx7, bridge: br7}]\n".into(),
    ];
    for text in cases {
        good(&text);
    }
    let peer_of_itself = with(ONE, "id: host-b", "id: host-a");
    let reading = good(&peer_of_itself);
    assert!(reading.config.peers.is_empty());
    assert!(remarks(&reading, RemarkKind::Differs)[0].contains("host's own name"));
}

#[test]
fn keys_that_nobody_knows_are_named_with_the_nearest() {
    let text = with(TWO, "underlay_interface: eth1", "underlay_iface: eth1");
    let text = with(&text, "    bridge: {name: br100, ipv4:", "    bridge: {name: br100, ip4:");
    let text = format!("{text}routng: {{}}\n");
    assert_eq!(
        remarks(&good(&text), RemarkKind::UnknownKey),
        [
            "9 overlays.0.underlay_iface: unknown key `underlay_iface` \
             (did you mean `underlay_interface`?)",
            "10 overlays.0.bridge.ip4: unknown key `ip4` (did you mean `ipv4`?)",
            "37 routng: unknown key `routng` (did you mean `routing`?)",
        ]
    );
    assert!(remarks(&good(TWO), RemarkKind::UnknownKey).is_empty());
}

#[test]
fn what_was_left_out_and_runs_otherwise_than_documented_is_named() {
    let absent = remarks(&good(TWO), RemarkKind::Absent);
    let expected = [
        ("24 overlays.1.learning", "documentation says true, it runs with false"),
        ("29 overlays.1.routing.import.install.replace_existing", "says true, it runs with false"),
        ("34 peers.1.health", "timers are left out"),
    ];
    assert_eq!(absent.len(), expected.len(), "{absent:#?}");
    for ((place, what), told) in expected.iter().zip(&absent) {
        assert!(told.starts_with(place) && told.contains(what), "{told}");
    }
    // Version 1 runs as documented, timers apart.
    assert_eq!(remarks(&good(ONE), RemarkKind::Absent).len(), 1);
    // The original asks the file's own section whether routes go with their peer.
    let text = format!("{TWO}routing: {{import: {{install: {{flush_on_peer_down: false}}}}}}\n");
    let reading = good(&text);
    assert!(!reading.config.overlays.values().nth(1).unwrap().install.flush_on_peer_down);
    let told = remarks(&reading, RemarkKind::Absent).join("\n");
    assert!(told.contains("`flush_on_peer_down` is left out"), "{told}");
    // Rules for a table that isn't named aren't made, as in the original.
    let reading = good(&with(TWO, "          table: 100\n", ""));
    assert_eq!(reading.config.overlays.values().next().unwrap().install.lookup, None);
    assert!(remarks(&reading, RemarkKind::Absent).join("\n").contains("no rules are made"));
}

#[test]
fn overlays_without_tables_share_the_default_one_and_that_is_said() {
    let text = with(TWO, "{table: 200}", "{}");
    let text = with(&text, "          table: 100\n", "");
    let told = remarks(&good(&text), RemarkKind::Differs).join("\n");
    assert!(told.contains("table 100 is another overlay's too"), "{told}");
}

#[test]
fn what_the_original_only_reads_is_done_and_that_is_said() {
    let text =
        format!(
        "{}topology:
  mode: hub-spoke
  relay_fallback: true
  transit: allow
  transit_policy: {{allowed_transit_peers: [host-b], denied_transit_peers: [host-c]}}
",
        with(
            TWO,
            "metric: 50",
            "metric: 50, export_all: true, include_connected: true, include_netplan_static: true"
        )
        .replacen("{address: 10.0.0.2}", "{address: 10.0.0.2, via_interface: eth7}", 1)
        .replacen("lookup_rules: {enabled: true}", "lookup_rules: {enabled: true, mode: prefix}", 1)
    );
    let reading = good(&text);
    let config = &reading.config;
    let overlay = config.overlays.values().next().unwrap();
    assert!(overlay.export.all && overlay.export.connected && overlay.export.netplan_static);
    assert_eq!(overlay.install.lookup, Some(Lookup::Prefix));
    assert_eq!(config.peers[0].interface.as_ref().unwrap().as_str(), "eth7");
    assert_eq!(
        (config.topology.mode, config.topology.transit),
        (TopologyMode::HubSpoke, Transit::Allow)
    );
    assert_eq!(config.topology.denied[0].as_str(), "host-c");
    let told = remarks(&reading, RemarkKind::DoneHere).join("\n");
    for key in [
        "export_all",
        "include_connected",
        "include_netplan_static",
        "lookup_rules.mode",
        "replace_existing",
        "via_interface",
        "keepalive_interval_ms",
        "dead_after_ms",
        "topology.mode",
        "topology.transit:",
        "topology.transit_policy",
        "topology.relay_fallback",
    ] {
        assert!(told.contains(key), "{key} isn't in\n{told}");
    }
    let off = format!("{TWO}routing: {{enabled: false}}\n");
    let reading = good(&off);
    let overlay = reading.config.overlays.values().next().unwrap();
    assert!(overlay.export.networks.is_empty() && overlay.import.allow.is_empty());
    assert!(remarks(&reading, RemarkKind::DoneHere).join("\n").contains("routing.enabled"));
}

#[test]
fn what_is_not_done_is_said() {
    let text = format!(
        "{TWO}kvm:
  enabled: true
  provider: libvirt
  libvirt: {{uri: 'qemu:///system', mode: linux-bridge, network: {{forward_mode: nat}}}}
  bridges: [{{name: br100, stp: true, mtu: 1500, manage: true}}]
  attach: {{enabled: true, strategy: by-name, targets: [{{vm: web, bridge: br100}}]}}
"
    );
    let text = with(&text, "vnis: [200]", "auth: {mode: psk, psk_ref: x}");
    let reading = good(&text);
    let told = remarks(&reading, RemarkKind::NotDone).join("\n");
    for key in ["kvm.libvirt", "kvm.attach", "peers.1.auth.mode"] {
        assert!(told.contains(key), "{key} isn't in\n{told}");
    }
    let bridge = &reading.config.bridges[0];
    assert_eq!((bridge.mtu, bridge.stp, bridge.manage), (Some(1500), true, true));
}

#[test]
fn who_a_peer_is_must_be_proven_or_waived_in_so_many_words() {
    let differs = remarks(&good(ONE), RemarkKind::Differs).join("\n");
    assert!(differs.contains("without certificates nobody is believed"), "{differs}");
    let reading = good(&format!(
        "{ONE}rutter: {{insecure: true, accept_unlisted_peers: true, import_order: documented, \
         max_message_mib: 64}}\n"
    ));
    let exchange = &reading.config.exchange;
    assert_eq!((&exchange.identity, exchange.max_message), (&Identity::Insecure, 64 << 20));
    assert!(exchange.accept_unlisted_peers);
    let overlay = reading.config.overlays.values().next().unwrap();
    assert_eq!(overlay.import.order, ImportOrder::AcceptAllFirst);
    assert!(remarks(&reading, RemarkKind::Differs).is_empty());
    // Files that are there.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        path.display().to_string()
    };
    let tls = format!(
        "security: {{control_plane: {{tls: {{enabled: true, cert_file: '{}', key_file: '{}', \
         ca_file: '{}'}}}}}}\n",
        path("a.crt"),
        path("a.key"),
        path("ca.crt")
    );
    let config = config(&format!("{ONE}{tls}"));
    let Identity::Certificates(files) = &config.exchange.identity else { panic!("{config:?}") };
    assert!(files.ca.ends_with("ca.crt"));
    let both = wrong(&format!("{ONE}{tls}rutter: {{insecure: true}}\n"));
    assert!(both.contains("peers prove who they are by certificates"), "{both}");
}

#[test]
fn a_timer_that_was_written_alone_draws_the_other_along() {
    let ms = Duration::from_millis;
    let cases = [
        ("keepalive_interval_ms: 2000", (2000, 6000), (2000, 6000)),
        ("keepalive_interval_ms: 100", (100, 900), (100, 3000)),
        ("dead_after_ms: 600", (200, 600), (200, 600)),
        ("dead_after_ms: 30000", (300, 30000), (1000, 30000)),
    ];
    for (written, rutter, original) in cases {
        let health = format!("health: {{{written}}}");
        let text = with(ONE, "{id: host-b, ", &format!("{{id: host-b, {health}, "));
        let peer = &config(&text).peers[0];
        let got = [peer.timers, peer.timers_of_original];
        let want = [rutter, original].map(|(k, d)| Timers { keepalive: ms(k), dead: ms(d) });
        assert_eq!(got, want, "{written}");
    }
}
