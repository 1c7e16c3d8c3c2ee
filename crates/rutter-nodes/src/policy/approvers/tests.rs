//! The table of cases of Headscale's `route_approval_test.go`, through a table that has the rules.

use rutter_rib::{Approval, Policy, Table};
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, NodeId, Now, Prefix, Session, SourceId,
    SourceInfo, SourceState, Standing, Verdict,
};

use crate::policy::PolicyFile;

/// Whether a rule of the policy approves a route of a node; `owner` is a user, or tags.
fn approves(routes: &str, exit_node: &str, route: &str, owner: &str) -> bool {
    let text = format!(
        r#"{{
            "groups": {{"group:admin": ["user1@"], "group:other": ["user9@"]}},
            "tagOwners": {{"tag:router": [], "tag:server": []}},
            "autoApprovers": {{"routes": {{{routes}}}, "exitNode": [{exit_node}]}},
        }}"#
    );
    let policy = PolicyFile::parse("policy", &text).unwrap_or_else(|e| panic!("{e}"));
    let policy = Policy {
        import: policy.auto_approvers.rules(),
        approval: Approval::Required,
        ..Policy::default()
    };
    let (name, cluster) = ("nodes".parse().unwrap(), "home".parse().unwrap());
    let now = Now::new(0, 0);
    let mut table = Table::<Prefix>::new(name, cluster, policy, now, 7).unwrap();
    let s = Session { source: SourceId::node(1), incarnation: Incarnation(1) };
    let mut info = SourceInfo::default();
    match owner.strip_prefix('#') {
        Some(tags) => {
            tags.split(' ').for_each(|t| info.tags.insert(t.parse().unwrap()).unwrap());
        }
        None => info.owner = Some(owner.parse().unwrap()),
    }
    table.source(now, &s, SourceState::Up(info)).unwrap();
    let attributes = Attributes::via(NextHop::Node(NodeId(1)));
    match table.advertise(now, &s, Advertisement::new(route.parse().unwrap(), attributes)) {
        Verdict::Stands(Standing::Eligible) => true,
        Verdict::Stands(Standing::Unapproved) => false,
        other => panic!("{route}: {other:?}"),
    }
}

#[test]
fn a_route_is_approved_by_whoever_approves_a_network_that_it_lies_in() {
    let wide = r#""192.168.0.0/16": ["group:admin"]"#;
    let three = r#""10.0.0.0/8": ["group:admin"], "172.16.0.0/12": ["group:admin"],
                   "192.168.0.0/16": ["group:admin"]"#;
    let nested = r#""192.168.1.0/24": ["group:admin"], "192.168.1.128/25": ["group:admin"]"#;
    let halves = r#""10.0.0.0/9": ["group:admin"], "10.128.0.0/9": ["group:admin"]"#;
    let exact = r#""203.0.113.0/24": ["group:admin"]"#;
    let two = r#""192.168.0.0/16": ["group:other"], "192.168.1.0/24": ["group:admin"]"#;
    let tagged = r#""10.0.0.0/8": ["tag:router"]"#;
    let either = r#""10.0.0.0/8": ["tag:router", "tag:server"]"#;
    let user = r#""10.0.0.0/8": ["user1@"]"#;
    let cases = [
        (wide, "192.168.1.0/24", "user1@", true),
        (wide, "192.168.5.0/24", "user1@", true),
        (wide, "10.0.0.0/24", "user1@", false),
        (wide, "192.168.1.0/24", "user2@", false),
        (wide, "192.168.1.0/24", "#tag:router", false),
        (tagged, "10.0.0.0/8", "#tag:router", true),
        (tagged, "10.0.0.0/8", "user1@", false),
        (three, "172.16.10.0/24", "user1@", true),
        (nested, "192.168.1.5/32", "user1@", true),
        (exact, "203.0.113.0/24", "user1@", true),
        (exact, "203.0.113.0/26", "user1@", true),
        (exact, "203.0.112.0/23", "user1@", false),
        (exact, "203.0.114.0/24", "user1@", false),
        (exact, "203.0.112.0/22", "user1@", false),
        (halves, "10.0.0.0/8", "user1@", false),
        (halves, "10.1.0.0/16", "user1@", true),
        (two, "192.168.1.0/24", "user1@", true),
        (two, "192.168.2.0/24", "user1@", false),
        (either, "10.0.0.0/16", "#tag:router tag:server", true),
        (either, "10.0.0.0/16", "#tag:server", true),
        (user, "10.0.0.0/16", "user1@", true),
        ("", "10.0.0.0/16", "user1@", false),
    ];
    for (routes, route, owner, expected) in cases {
        assert_eq!(approves(routes, "", route, owner), expected, "{routes}: {route} of {owner}");
    }
}

#[test]
fn an_exit_route_is_approved_by_exit_node_and_by_nothing_else() {
    let v4 = r#""0.0.0.0/0": ["group:admin"]"#;
    let v6 = r#""::/0": ["group:admin"]"#;
    let exit = r#""group:admin""#;
    let cases = [
        (v4, "", "0.0.0.0/0", false),
        (v6, "", "::/0", false),
        ("", exit, "0.0.0.0/0", true),
        ("", exit, "::/0", true),
        ("", exit, "192.168.1.0/24", false),
        ("", exit, "fd00::/8", false),
        (v4, "", "10.0.0.0/8", true),
        (v4, "", "192.168.101.5/32", true),
        (v6, "", "fd00::/8", true),
        (v6, "", "2001:db8::1/128", true),
        (v6, "", "fc00::/7", true),
        (v4, "", "fd00::/8", false),
        (v6, "", "10.0.0.0/8", false),
    ];
    for (routes, exit_node, route, expected) in cases {
        let is = approves(routes, exit_node, route, "user1@");
        assert_eq!(is, expected, "{routes} {exit_node}: {route}");
    }
    assert!(!approves("", exit, "0.0.0.0/0", "user2@"));
}
