//! What becomes of each network, and who says so.

use rutter_rib::{Changes, PrefixMatch, Table};
use rutter_route::*;

use super::*;
use crate::Vni;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| prefix(text)).collect()
}

fn import(accept_all: bool, allow: &[&str], deny: &[&str]) -> Import {
    let (allow, deny) = (prefixes(allow), prefixes(deny));
    Import { accept_all, allow, deny, order: ImportOrder::DenyFirst }
}

/// The verdict as `+RULE` or `-RULE`.
fn verdict(import: &Import, prefix: &str) -> String {
    let trace = judge(&rules(import, &Own::default()), &self::prefix(prefix));
    format!("{}{}", if trace.accepted { '+' } else { '-' }, trace.decided_by)
}

#[test]
fn the_verdicts_of_an_import() {
    let site = import(false, &["172.16.0.0/16", "2001:db8::/32"], &["172.16.99.0/24"]);
    let all = import(true, &[], &["0.0.0.0/0", "::/0"]);
    let documented = import(false, &["172.16.0.0/16"], &["0.0.0.0/0", "::/0"]);
    let nothing = import(false, &[], &[]);
    let narrow = import(false, &["172.16.0.0/16"], &[]);
    let cases = [
        // The original's own: a wider route that covers what is denied, the denied one itself and
        // a part of it, one that is allowed, one wider than what is allowed.
        (&site, "172.16.0.0/16", "-deny 172.16.99.0/24"),
        (&site, "172.16.99.0/24", "-deny 172.16.99.0/24"),
        (&site, "172.16.99.128/25", "-deny 172.16.99.0/24"),
        (&site, "172.16.20.0/24", "+allow 172.16.0.0/16"),
        (&narrow, "172.0.0.0/8", "-not in allow"),
        (&site, "2001:db8:20::/64", "+allow 2001:db8::/32"),
        (&site, "2001:db9::/64", "-not in allow"),
        // Everything, nothing, and a default route that beats everything.
        (&all, "10.0.0.0/8", "+accept_all"),
        (&all, "0.0.0.0/0", "-deny 0.0.0.0/0"),
        (&all, "::/0", "-deny ::/0"),
        (&all, "2001:db8::/32", "+accept_all"),
        (&nothing, "10.0.0.0/8", "-not in allow"),
        // The example of the documentation, which the original refuses wholly.
        (&documented, "172.16.20.0/24", "+allow 172.16.0.0/16"),
        (&documented, "0.0.0.0/0", "-deny 0.0.0.0/0"),
        (&documented, "0.0.0.0/1", "-not in allow"),
    ];
    for (import, prefix, expected) in cases {
        assert_eq!(verdict(import, prefix), expected, "{prefix} {import:?}");
    }
}

#[test]
fn the_orders_differ_where_everything_is_accepted_and_something_denied() {
    let asked = prefixes(&["10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]);
    let differing = |import: &Import| -> Vec<String> {
        let found = differences(import, &Own::default(), asked.clone());
        let by = |trace: PolicyTrace| trace.decided_by;
        found
            .into_iter()
            .map(|d| format!("{}: {} / {}", d.prefix, by(d.running), by(d.documented)))
            .collect()
    };
    assert_eq!(
        differing(&import(true, &[], &["10.1.0.0/16", "0.0.0.0/0"])),
        [
            "10.1.0.0/16: deny 10.1.0.0/16 / accept_all",
            "10.0.0.0/8: deny 10.1.0.0/16 / accept_all",
            "0.0.0.0/0: deny 10.1.0.0/16 / accept_all",
        ]
    );
    assert!(differing(&import(false, &["10.0.0.0/8"], &["10.1.0.0/16"])).is_empty());
    assert!(differing(&import(true, &[], &[])).is_empty());
}

#[test]
fn what_is_this_hosts_own_is_refused_whatever_the_import_says() {
    let own = Own {
        addresses: vec!["10.100.0.1".parse().unwrap()],
        connected: prefixes(&["10.100.0.0/24"]),
        announced: prefixes(&["172.16.10.0/24", "172.20.0.0/16"]),
    };
    for order in [ImportOrder::DenyFirst, ImportOrder::AcceptAllFirst] {
        let rules = rules(&Import { order, ..import(true, &["0.0.0.0/0"], &[]) }, &own);
        let by = |prefix: &str, hop: &str| {
            let (peer, info): (PeerName, _) = ("b".parse().unwrap(), SourceInfo::default());
            let attributes = Attributes::via(hop.parse().unwrap());
            let trace = rules.judge(&self::prefix(prefix), &peer.source(), &info, attributes);
            (!trace.accepted).then_some(trace.decided_by)
        };
        let refused = [
            ("172.16.10.0/24", "10.100.0.2", "own network 172.16.10.0/24"),
            ("10.100.0.0/24", "10.100.0.2", "own connected network 10.100.0.0/24"),
            ("10.100.0.2/32", "10.100.0.2", "own connected network 10.100.0.0/24"),
            ("127.0.0.0/8", "10.100.0.2", "not a network to route"),
            ("fe80::/64", "10.100.0.2", "not a network to route"),
            ("224.0.0.0/4", "10.100.0.2", "not a network to route"),
            ("172.16.20.0/24", "10.100.0.1", "next hop is this host"),
            ("172.16.20.0/24", "127.0.0.1", "next hop is not a router's address"),
            ("172.16.20.0/24", "::1", "next hop is not a router's address"),
            ("172.16.20.0/24", "0.0.0.0", "next hop is not a router's address"),
            ("172.16.20.0/24", "239.1.1.1", "next hop is not a router's address"),
        ];
        for (prefix, hop, rule) in refused {
            assert_eq!(by(prefix, hop).as_deref(), Some(rule), "{prefix} {hop}");
        }
        // A part of what this host announces may be another's, and so may what covers it.
        for prefix in ["172.20.7.0/24", "172.0.0.0/8", "0.0.0.0/0"] {
            assert_eq!(by(prefix, "10.100.0.2"), None, "{prefix}");
        }
        assert_eq!(by("172.16.20.0/24", "fe80::2"), None, "routers are reached by such");
    }
}

#[test]
fn every_literal_parses() {
    assert_eq!(networks(&UNUSABLE).count(), UNUSABLE.len());
    assert_eq!(networks(&LINK_LOCAL).count(), LINK_LOCAL.len());
    let default = |prefix: &str| denied(&self::prefix(prefix)).matches.prefix.unwrap();
    assert!(matches!(default("::/0"), PrefixMatch::Exact(_)));
    assert!(matches!(default("::/1"), PrefixMatch::Overlap(_)));
}

#[test]
fn a_table_with_the_policy_says_why_it_refused() {
    let (name, cluster) = (Vni::new(100).unwrap().table(), "local".parse().unwrap());
    let now = Now::new(0, 0);
    let policy = Policy {
        import: rules(&import(false, &["172.16.0.0/16"], &["172.16.99.0/24"]), &Own::default()),
        ..Policy::default()
    };
    let mut table = Table::<Prefix>::new(name, cluster, policy, now, 1).unwrap();
    let source = "host-b".parse::<PeerName>().unwrap().source();
    let session = Session { source, incarnation: Incarnation(1) };
    table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
    let denied = prefix("172.16.99.0/24");
    let attributes = Attributes::via("10.100.0.2".parse().unwrap());
    let verdict = table.advertise(now, &session, Advertisement::new(denied, attributes));
    assert_eq!(verdict, Verdict::Stands(Standing::Denied));
    let progress = table.commit(now, rutter_rib::SLICE, &mut Changes::default());
    assert!(progress.is_done());
    let explanation = table.explain(now, &denied);
    assert_eq!(explanation.candidates[0].policy.decided_by, "deny 172.16.99.0/24");
    assert!(explanation.candidates[0].facts[0].reason.contains("deny 172.16.99.0/24"));
}
