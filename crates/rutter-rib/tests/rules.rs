//! Each kind of rule as the configuration writes it, and what becomes of a route.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use rutter_rib::*;
use rutter_route::*;
use scene::now;

/// Whether the rule matched: it denies what it matches.
fn denies<D: Destination>(rule: &str, source: &str, info: &str, route: &str) -> bool {
    let text = format!("rules: [{{match: {rule}, then: {{action: deny}}}}]");
    let import: Rules = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let policy = Policy { import, ..Policy::default() };
    let (name, cluster) = ("t".parse().unwrap(), "home".parse().unwrap());
    let mut t = Table::<D>::new(name, cluster, policy, now(0), 7).unwrap();
    let s = Session { source: source.parse().unwrap(), incarnation: Incarnation(1) };
    let info: SourceInfo = serde_saphyr::from_str(info).unwrap();
    t.source(now(0), &s, SourceState::Up(info)).unwrap();
    let (destination, attributes) = route.split_once(' ').unwrap_or((route, ""));
    let text = format!("{{next_hop: 192.0.2.1, {attributes}}}");
    let attributes: Attributes =
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let route = Advertisement::new(destination.parse::<D>().unwrap(), attributes);
    match t.advertise(now(0), &s, route) {
        Verdict::Stands(Standing::Denied) => true,
        Verdict::Stands(Standing::Eligible) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_match_on_a_source() {
    let cases = [
        ("{source: agent/a}", "agent/a", "{}", true),
        ("{source: agent/a}", "agent/ab", "{}", false),
        ("{source: 'agent/a*'}", "agent/ab", "{}", true),
        ("{source: '*'}", "node/1", "{}", true),
        ("{kind: [agent, node]}", "node/1", "{}", true),
        ("{kind: [agent, node]}", "peer/1", "{}", false),
        ("{owner: [ann]}", "agent/a", "{owner: ann}", true),
        ("{owner: [ann]}", "agent/a", "{owner: bob}", false),
        ("{owner: [ann]}", "agent/a", "{}", false),
        ("{source_tags: {all: [x, y]}}", "agent/a", "{tags: [x, y, z]}", true),
        ("{source_tags: {all: [x, y]}}", "agent/a", "{tags: [x]}", false),
        ("{source_tags: {any: [x, y]}}", "agent/a", "{tags: [y]}", true),
        ("{source_tags: {any: [x, y]}}", "agent/a", "{tags: [z]}", false),
        ("{source_tags: {none: [x]}}", "agent/a", "{tags: [y]}", true),
        ("{source_tags: {none: [x]}}", "agent/a", "{tags: [x]}", false),
        ("{}", "agent/a", "{}", true),
    ];
    for (rule, source, info, expected) in cases {
        assert_eq!(
            denies::<Service>(rule, source, info, "web"),
            expected,
            "{rule} {source} {info}"
        );
    }
}

#[test]
fn each_match_on_a_prefix() {
    let cases = [
        ("{prefix: {exact: [10.0.0.0/8]}}", "10.0.0.0/8", true),
        ("{prefix: {exact: [10.0.0.0/8]}}", "10.0.0.0/9", false),
        ("{prefix: {or_longer: [10.0.0.0/8]}}", "10.1.0.0/16", true),
        ("{prefix: {or_longer: [10.0.0.0/8]}}", "10.0.0.0/7", false),
        ("{prefix: {or_longer: ['::/0']}}", "10.0.0.0/8", false),
        ("{prefix: {range: {within: 10.0.0.0/8, from: 16, to: 24}}}", "10.1.0.0/16", true),
        ("{prefix: {range: {within: 10.0.0.0/8, from: 16, to: 24}}}", "10.1.0.0/25", false),
        ("{prefix: {range: {within: 10.0.0.0/8, from: 16, to: 24}}}", "10.0.0.0/8", false),
        ("{prefix: {range: {within: 'fd00::/8', from: 48, to: 64}}}", "fd00:1::/48", true),
        ("{prefix: {overlap: [10.1.0.0/16]}}", "10.0.0.0/8", true),
        ("{prefix: {overlap: [10.1.0.0/16]}}", "10.1.2.0/24", true),
        ("{prefix: {overlap: [10.1.0.0/16]}}", "10.2.0.0/16", false),
        ("{service_suffix: web}", "10.0.0.0/8", false),
        ("{next_hop: [198.51.100.0/24, 192.0.2.0/24]}", "10.0.0.0/8", true),
        ("{next_hop: [192.0.2.2/32, '::/0']}", "10.0.0.0/8", false),
    ];
    for (rule, prefix, expected) in cases {
        assert_eq!(denies::<Prefix>(rule, "node/1", "{}", prefix), expected, "{rule} {prefix}");
    }
}

#[test]
fn each_match_on_a_service_a_cluster_tags_and_a_path_list() {
    let step = "path_list: [{cluster: eu, table: fabric}]";
    let services = [
        ("{service_suffix: alice.localhost}", "alice.localhost", true),
        ("{service_suffix: alice.localhost}", "web.alice.localhost", true),
        ("{service_suffix: alice.localhost}", "malice.localhost", false),
        ("{prefix: {or_longer: [0.0.0.0/0]}}", "web", false),
        ("{cluster: [eu]}", "web", false),
        ("{tags: {all: [x]}}", "web tags: [x, y]", true),
        ("{tags: {any: [x]}}", "web tags: [y]", false),
        ("{tags: {none: [x]}}", "web tags: [y]", true),
        (
            "{origin: [eu]}",
            "web path_list: [{cluster: eu, table: t}, {cluster: us, table: t}]",
            true,
        ),
        (
            "{origin: [us]}",
            "web path_list: [{cluster: eu, table: t}, {cluster: us, table: t}]",
            false,
        ),
        ("{origin: [eu]}", "web", false),
        ("{foreign: true}", "web path_list: [{cluster: eu, table: t}]", false),
        ("{unless: [{service_suffix: web}]}", "db.web", false),
        ("{unless: [{service_suffix: web}]}", "web2", true),
    ];
    for (rule, route, expected) in services {
        assert_eq!(denies::<Service>(rule, "agent/a", "{}", route), expected, "{rule} {route}");
    }
    let clusters = [
        ("{cluster: [eu, us]}", "us".to_owned(), true),
        ("{cluster: [eu]}", "us".to_owned(), false),
        ("{path_list: {clusters: [eu]}}", format!("us {step}"), true),
        ("{path_list: {clusters: [as]}}", format!("us {step}"), false),
        ("{path_list: {tables: [fabric]}}", format!("us {step}"), true),
        ("{path_list: {longer_than: 0}}", format!("us {step}"), true),
        ("{path_list: {longer_than: 1}}", format!("us {step}"), false),
        ("{origin: [eu]}", format!("us {step}"), true),
        ("{origin: [us]}", format!("us {step}"), false),
        ("{origin: [us]}", "us".to_owned(), true),
        ("{foreign: true}", format!("us {step}"), true),
        ("{foreign: true}", format!("eu {step}"), false),
        ("{foreign: true}", "us".to_owned(), false),
        ("{foreign: false}", format!("eu {step}"), true),
        ("{hops_over: 2}", "us hops: 3".to_owned(), true),
        ("{hops_over: 3}", "us hops: 3".to_owned(), false),
        ("{unless: [{cluster: [eu]}, {cluster: [as]}]}", "us".to_owned(), true),
        ("{unless: [{cluster: [eu]}, {cluster: [us]}]}", "us".to_owned(), false),
        ("{cluster: [us], unless: [{origin: [eu]}]}", format!("us {step}"), false),
    ];
    for (rule, route, expected) in clusters {
        let is = denies::<ClusterId>(rule, "neighbour/n", "{}", &route);
        assert_eq!(is, expected, "{rule} {route}");
    }
}

#[test]
fn each_act_and_the_order_of_lists() {
    let policy: Policy = serde_saphyr::from_str(
        "
import:
  rules:
    - {name: first, match: {tags: {any: [low]}}, then: {preference: 50, priority: 3, metric: 7}}
    - {name: second, match: {}, then: {add_tags: [seen], remove_tags: [low], group: g}}
    - {name: third, match: {tags: {any: [low]}}, then: {action: deny}}
  default: accept
import_of:
  agent/a:
    rules: [{match: {tags: {any: [bad]}}, then: {action: deny}}]
  tunnel:
    default: deny
",
    )
    .unwrap();
    let mut t = scene::table(policy);
    let [a, b, tunnel] = ["agent/a", "agent/b", "tunnel/t"].map(|s| scene::up(&mut t, s, None));
    let tagged = |tag: &str| {
        let mut route = scene::route("x", "", 1);
        route.attributes.tags.insert(tag.parse().unwrap()).unwrap();
        route
    };
    assert_eq!(t.advertise(now(1), &a, tagged("bad")), Verdict::Stands(Standing::Denied));
    assert_eq!(t.advertise(now(1), &b, tagged("bad")), Verdict::Stands(Standing::Eligible));
    assert_eq!(t.advertise(now(1), &tunnel, tagged("ok")), Verdict::Stands(Standing::Denied));
    assert_eq!(t.advertise(now(1), &a, tagged("low")), Verdict::Stands(Standing::Eligible));
    scene::settle(&mut t, now(1));
    let told = t.explain(now(1), &scene::service("x"));
    let of_a = told.candidates.iter().find(|c| c.route.source == a.source).unwrap();
    let made = &of_a.attributes;
    assert_eq!((made.preference, made.priority, made.metric), (50, Priority::whole(3), 7));
    assert_eq!(made.group.as_ref().map(Group::as_str), Some("g"));
    let tags: Vec<&str> = made.tags.iter().map(Tag::as_str).collect();
    assert_eq!(tags, ["seen"], "a later rule sees what an earlier one made");
    assert!(of_a.policy.accepted && of_a.policy.decided_by == "default");
    assert_eq!(of_a.policy.matched.len(), 2, "{:?}", of_a.policy);
    let denied = told.candidates.iter().find(|c| c.route.source == tunnel.source).unwrap();
    assert_eq!(denied.facts.first().map(|f| f.reason.as_str()), Some("import policy: default"));
}

#[test]
fn rules_that_make_no_sense_are_refused_by_their_place() {
    let cases = [
        ("import: {rules: [{match: {source: 'a*b'}}]}", "import.rules[0].match.source"),
        (
            "import: {rules: [{}, {match: {prefix: {range: {within: 10.0.0.0/8, from: 4, to: 9}}}}]}",
            "import.rules[1].match.prefix.range",
        ),
        ("import_of: {robot/1: {}}", "import_of.robot/1"),
        ("criteria: [standing, standing]", "criteria"),
        ("criteria: [identity, standing]", "criteria"),
        ("bounds: {per_source: 0}", "bounds.per_source"),
    ];
    for (text, field) in cases {
        let policy: Policy = serde_saphyr::from_str(text).unwrap();
        assert_eq!(policy.check().unwrap_err().field, field, "{text}");
    }
    for text in ["import: {rule: []}", "criteria: [fastest]", "approval: perhaps"] {
        assert!(serde_saphyr::from_str::<Policy>(text).is_err(), "{text}");
    }
}

#[test]
fn a_list_is_judged_by_itself_and_says_what_decided() {
    let judged = |text: &str, hop: &str| {
        let rules: Rules = serde_saphyr::from_str(text).unwrap();
        let attributes = Attributes::via(hop.parse().unwrap());
        let (source, info) = ("peer/b".parse().unwrap(), SourceInfo::default());
        let trace =
            rules.judge(&"10.0.0.0/8".parse::<Prefix>().unwrap(), &source, &info, attributes);
        (trace.accepted, trace.decided_by)
    };
    let looped = "
rules:
  - {name: tag, match: {}, then: {add_tags: [seen]}}
  - {name: looped, match: {next_hop: [127.0.0.0/8], tags: {all: [seen]}}, then: {action: deny}}
";
    let cases = [
        ("127.0.0.1", (false, "looped")),
        ("tcp://127.0.0.1:1", (false, "looped")),
        ("192.0.2.1", (true, "default")),
        ("tcp://localhost:1", (true, "default")),
        ("node:1", (true, "default")),
    ];
    for (hop, (accepted, by)) in cases {
        assert_eq!(judged(looped, hop), (accepted, by.to_owned()), "{hop}");
    }
    assert_eq!(judged("default: deny", "192.0.2.1"), (false, "default".to_owned()));
}

fn exported(then: &str, attributes: Attributes) -> Option<Attributes> {
    let text = format!("rules: [{{name: on, match: {{}}, then: {then}}}]");
    let export: Rules = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut t = scene::table(Policy::default());
    let s = scene::up(&mut t, "agent/a", None);
    let route = Advertisement::new(scene::service("x"), attributes);
    t.advertise(now(0), &s, route);
    scene::settle(&mut t, now(0));
    let mut outlet = Outlet::new(OutletSpec { export, ..OutletSpec::best("sink") }, 7);
    match outlet.next(now(0), &t, 8).tells.pop() {
        Some(Tell::Advertise { mut routes, .. }) => routes.pop().map(|r| r.attributes),
        _ => None,
    }
}

#[test]
fn an_export_list_hands_a_route_on_as_its_own() {
    let received = Attributes { metric: 5, ..Attributes::via("192.0.2.1".parse().unwrap()) };
    let then = "{next_hop: 192.0.2.9, add_metric: 10, append_step: {cluster: c, table: t}}";
    let told = exported(then, received.clone()).unwrap();
    assert_eq!(told.next_hop, "192.0.2.9".parse().unwrap());
    assert_eq!(told.metric, 15);
    let step = PathStep { cluster: "c".parse().unwrap(), table: "t".parse().unwrap() };
    assert_eq!(*told.path_list, *std::slice::from_ref(&step));
    // The metric has an end, and so has the path list: past it nobody could see a loop.
    let far = Attributes { metric: u32::MAX - 1, ..received.clone() };
    assert_eq!(exported("{add_metric: 10}", far).unwrap().metric, u32::MAX);
    let full = Attributes { path_list: vec![step; MAX_PATH_LIST].into(), ..received };
    assert_eq!(exported(then, full), None);
}

#[test]
fn what_only_an_export_list_does_is_refused_on_import() {
    let lists = [
        ("import: {rules: [{then: {next_hop: 192.0.2.9}}]}", "import.rules[0].then.next_hop"),
        (
            "import_of: {peer: {rules: [{then: {append_step: {cluster: c, table: t}}}]}}",
            "import_of.peer.rules[0].then.append_step",
        ),
    ];
    for (text, field) in lists {
        let policy: Policy = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(policy.check().unwrap_err().field, field, "{text}");
    }
}

#[test]
fn a_path_over_a_link_has_sums_and_the_least() {
    let over = |link: &str, path: &str| {
        let text = format!("rules: [{{then: {{over: {link}}}}}]");
        let rules: Rules = serde_saphyr::from_str(&text).unwrap();
        let path: Attributes =
            serde_saphyr::from_str(&format!("{{next_hop: 192.0.2.1, {path}}}")).unwrap();
        let policy = Policy { import: rules, ..Policy::default() };
        let (name, cluster) = ("t".parse().unwrap(), "home".parse().unwrap());
        let mut t = Table::<ClusterId>::new(name, cluster, policy, now(0), 7).unwrap();
        let s = Session { source: "neighbour/n".parse().unwrap(), incarnation: Incarnation(1) };
        t.source(now(0), &s, SourceState::Up(SourceInfo::default())).unwrap();
        let us: ClusterId = "us".parse().unwrap();
        t.advertise(now(0), &s, Advertisement::new(us.clone(), path));
        t.commit(now(0), SLICE, &mut Changes::default());
        let selected = t.selected(&us, ViewId::DEFAULT);
        let is = selected.best().unwrap().attributes;
        (is.hops, is.latency_us, is.bandwidth_kbps, is.reliability_ppm, is.cost)
    };
    let path = "hops: 2, latency_us: 1000, bandwidth_kbps: 100, reliability_ppm: 990000, cost: 3";
    let link = "{latency_us: 5000, bandwidth_kbps: 50, reliability_ppm: 900000, cost: 2}";
    assert_eq!(over(link, path), (3, 6000, 50, 900_000, 5));
    assert_eq!(over("{}", path), (3, 1000, 100, 990_000, 3), "unknown bandwidth is passed over");
    assert_eq!(over("{bandwidth_kbps: 7}", ""), (1, 0, 7, 1_000_000, 0));
    let most = "{latency_us: 4294967295, cost: 4294967295, hops: 65535}";
    assert_eq!(over(most, path), (65535, u32::MAX, 100, 990_000, u32::MAX), "sums saturate");
}

#[test]
fn an_unless_in_an_unless_is_refused_by_place() {
    let nested = "{rules: [{match: {unless: [{unless: [{}]}]}}]}";
    let import: Rules = serde_saphyr::from_str(nested).unwrap();
    let error = Policy { import, ..Policy::default() }.check().unwrap_err();
    assert_eq!(error.field, "import.rules[0].match.unless[0]");
}
