use std::collections::BTreeMap;

use rutter_route::{
    Attributes, ClusterId, Criterion, Destination, NextHop, PathStep, PolicyTrace, Prefix, Service,
    SourceId, SourceInfo,
};

use super::{Compiled, FabricPolicy};
use crate::stats::Reason;
use crate::wire::{Metrics, Scope};

fn scope(name: &str) -> Scope {
    name.parse().unwrap()
}

/// The policy that stands in this JSON, for `here` between `north` and `west`.
fn try_compile(json: &str) -> Result<Compiled, super::FabricPolicyError> {
    let policy: FabricPolicy = serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"));
    let link = |hops, latency_us| Metrics { hops, latency_us, ..Metrics::default() };
    let links: BTreeMap<ClusterId, Metrics> = [("north", link(1, 1000)), ("west", link(1, 5000))]
        .map(|(name, link)| (name.parse().unwrap(), link))
        .into();
    policy.compile(&"here".parse().unwrap(), &scope("fabric"), &links)
}

fn compile(json: &str) -> Compiled {
    try_compile(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// A route with this path, the originator last as on the wire, and these tags.
fn route(path: &[&str], tags: &[&str], table: &str) -> Attributes {
    let mut attributes = Attributes::via(NextHop::Cluster("x".parse().unwrap()));
    let step = |cluster: &&str| PathStep {
        cluster: cluster.parse().unwrap(),
        table: table.parse().unwrap(),
    };
    attributes.path_list = path.iter().rev().map(step).collect();
    attributes.hops = path.len().saturating_sub(1) as u16;
    tags.iter().for_each(|tag| attributes.tags.insert(tag.parse().unwrap()).unwrap());
    attributes
}

fn import<D: Destination>(
    compiled: &Compiled,
    from: &str,
    scope_: &str,
    to: &str,
    path: &[&str],
    tags: &[&str],
) -> PolicyTrace {
    let source: SourceId = format!("neighbour/{from}").parse().unwrap();
    let rules = match scope_ {
        "fabric" => compiled.fabric.import_of[&source.to_string()].clone(),
        other => compiled.import_from(&from.parse().unwrap(), &scope(other)).1,
    };
    let to: D = to.parse().unwrap();
    rules.judge(&to, &source, &SourceInfo::default(), route(path, tags, scope_))
}

/// What decided of a route to a cluster.
fn decides(compiled: &Compiled, from: &str, path: &[&str], tags: &[&str]) -> String {
    let to = path.last().unwrap();
    import::<ClusterId>(compiled, from, "fabric", to, path, tags).decided_by
}

fn export<D: Destination>(
    compiled: &Compiled,
    to: &str,
    scope_: &str,
    by: &str,
    destination: &str,
    path: &[&str],
    tags: &[&str],
) -> PolicyTrace {
    let rules = compiled.export_to(&to.parse().unwrap(), &scope(scope_));
    let destination: D = destination.parse().unwrap();
    let by: SourceId = by.parse().unwrap();
    rules.judge(&destination, &by, &SourceInfo::default(), route(path, tags, scope_))
}

#[test]
fn each_filter_of_import_denies_under_the_name_of_its_field() {
    let cases: [(&str, &[&str], &[&str], &str); 14] = [
        (
            r#"{"import":{"deny_advertisers":["west"]}}"#,
            &["west", "a"],
            &[],
            "import.deny_advertisers",
        ),
        (
            r#"{"import":{"allowed_advertisers":["north"]}}"#,
            &["west", "a"],
            &[],
            "import.allowed_advertisers",
        ),
        (r#"{"import":{"allowed_advertisers":["west"]}}"#, &["west", "a"], &[], "default"),
        (
            r#"{"import":{"allowed_advertisers":[]}}"#,
            &["west", "a"],
            &[],
            "import.allowed_advertisers",
        ),
        (
            r#"{"import":{"deny_destinations":["a"]}}"#,
            &["west", "a"],
            &[],
            "import.deny_destinations",
        ),
        (r#"{"import":{"deny_destinations":["a"]}}"#, &["west", "b"], &[], "default"),
        (
            r#"{"import":{"allowed_destinations":["a"]}}"#,
            &["west", "b"],
            &[],
            "import.allowed_destinations",
        ),
        (
            r#"{"import":{"allowed_destinations":[]}}"#,
            &["west", "a"],
            &[],
            "import.allowed_destinations",
        ),
        (
            r#"{"import":{"deny_tags":["blocked"]}}"#,
            &["west", "a"],
            &["blocked", "gold"],
            "import.deny_tags",
        ),
        (
            r#"{"import":{"allowed_tags":["gold"]}}"#,
            &["west", "a"],
            &["silver"],
            "import.allowed_tags",
        ),
        (r#"{"import":{"allowed_tags":["gold"]}}"#, &["west", "a"], &["gold", "fast"], "default"),
        (r#"{"import":{"allowed_tags":[]}}"#, &["west", "a"], &["gold"], "import.allowed_tags"),
        (r#"{"import":{"max_hops":1}}"#, &["west", "a"], &[], "import.max_hops"),
        (r#"{"import":{"max_hops":2}}"#, &["west", "a"], &[], "default"),
    ];
    for (json, path, tags, expected) in cases {
        assert_eq!(
            decides(&compile(json), "west", path, tags),
            expected,
            "{json} {path:?} {tags:?}"
        );
    }
}

#[test]
fn case_14_a_tag_that_is_allowed_passes_and_one_that_is_denied_does_not() {
    let policy = compile(r#"{"import":{"allowed_tags":["gold"],"deny_tags":["blocked"]}}"#);
    assert_eq!(decides(&policy, "west", &["west", "a"], &["gold", "fast"]), "default");
    assert_eq!(decides(&policy, "west", &["west", "a"], &["gold", "blocked"]), "import.deny_tags");
    assert_eq!(decides(&policy, "west", &["west", "a"], &[]), "import.allowed_tags");
}

#[test]
fn case_15_a_neighbours_policy_wins_over_the_global_one_entirely() {
    let policy = compile(
        r#"{"import":{"allowed_tags":["bronze"]},
            "neighbours":{"west":{"import":{"allowed_tags":["gold"]}}}}"#,
    );
    let west = "neighbours.west.import.allowed_tags";
    assert_eq!(decides(&policy, "west", &["west", "a"], &["silver"]), west);
    assert_eq!(decides(&policy, "west", &["west", "a"], &["bronze"]), west);
    assert_eq!(decides(&policy, "west", &["west", "a"], &["gold"]), "default");
    assert_eq!(decides(&policy, "north", &["north", "a"], &["gold"]), "import.allowed_tags");
    let open = compile(r#"{"import":{"allowed_tags":[]},"neighbours":{"west":{"import":{}}}}"#);
    assert_eq!(decides(&open, "west", &["west", "a"], &[]), "default");
}

#[test]
fn an_overlay_denies_more_and_never_permits_what_import_has_denied() {
    let policy = compile(
        r#"{"import":{"deny_tags":["blocked"],"preference":110},
            "clusters":{"a":{"deny_tags":["slow"],"preference":200,"add_tags":["of-a"],
                             "allowed_advertisers":["west"]}}}"#,
    );
    assert_eq!(decides(&policy, "west", &["west", "a"], &["blocked"]), "import.deny_tags");
    assert_eq!(decides(&policy, "west", &["west", "a"], &["slow"]), "clusters.a.deny_tags");
    assert_eq!(decides(&policy, "west", &["west", "b"], &["slow"]), "default");
    assert_eq!(decides(&policy, "north", &["north", "a"], &[]), "clusters.a.allowed_advertisers");
    assert_eq!(decides(&policy, "north", &["north", "b"], &[]), "default");
    let matched = |path: &[&str]| {
        let to = path.last().unwrap();
        import::<ClusterId>(&policy, "west", "fabric", to, path, &[]).matched
    };
    let link = "link: next, over 1 hop(s), 5000 us";
    let of_a = "clusters.a: next, preference 200, tag of-a";
    assert_eq!(matched(&["west", "a"]), [link, "import: next, preference 110", of_a]);
    assert_eq!(matched(&["west", "b"]), [link, "import: next, preference 110"]);
}

#[test]
fn a_cluster_originates_itself_and_others_only_where_it_says_so() {
    let path_to = |policy: &Compiled, to: &str, origin: &str| {
        import::<ClusterId>(policy, "west", "fabric", to, &["west", origin], &[]).decided_by
    };
    let policy = compile(r#"{"origins":{"a":{"clusters":["a2"]}}}"#);
    assert_eq!(path_to(&policy, "a", "a"), "default");
    assert_eq!(path_to(&policy, "a2", "a"), "default");
    assert_eq!(path_to(&policy, "a3", "a"), "origin");
    assert_eq!(path_to(&policy, "b", "b"), "default");
    assert_eq!(path_to(&policy, "b2", "b"), "origin");
    assert_eq!(super::reason_of("origin"), Reason::NotAuthorized);
}

#[test]
fn services_and_prefixes_are_originated_by_whom_origins_names() {
    let json = |strict: bool| {
        format!(
            r#"{{"origins":{{"a":{{"services":["a.test"],"prefixes":["10.1.0.0/16"]}}}},
                "strict_origins":{strict},
                "carry":{{"services":{{"import":{{}}}},"overlay/1":{{"import":{{}}}}}}}}"#
        )
    };
    let decided = |strict, scope: &str, to: &str, origin: &str| {
        let policy = compile(&json(strict));
        let path = ["west", origin];
        match scope {
            "services" => import::<Service>(&policy, "west", scope, to, &path, &[]),
            _ => import::<Prefix>(&policy, "west", scope, to, &path, &[]),
        }
        .decided_by
    };
    for strict in [false, true] {
        assert_eq!(decided(strict, "services", "web.a.test", "a"), "default");
        assert_eq!(decided(strict, "services", "web.b.test", "a"), "origin");
        assert_eq!(decided(strict, "overlay/1", "10.1.2.0/24", "a"), "default");
        assert_eq!(decided(strict, "overlay/1", "10.2.0.0/24", "a"), "origin");
    }
    assert_eq!(decided(false, "services", "web.b.test", "b"), "default");
    assert_eq!(decided(true, "services", "web.b.test", "b"), "origin");
    assert_eq!(decided(true, "overlay/1", "10.2.0.0/24", "b"), "origin");
}

#[test]
fn a_scope_beside_the_fabrics_own_is_carried_where_it_says_so_and_nowhere_else() {
    let service = |policy: &Compiled, from: &str, scope: &str| {
        import::<Service>(policy, from, scope, "web.test", &[from, "a"], &[])
    };
    let none = compile("{}");
    assert!(!service(&none, "west", "services").accepted, "RFC 8212: without a policy, nothing");
    let policy = compile(
        r#"{"carry":{"services":{"import":{"services":["test"]},
            "neighbours":{"north":{"import":{"services":["other"]}}}},"more":{"export":{}}}}"#,
    );
    assert!(service(&policy, "west", "services").accepted);
    let by = "carry.services.neighbours.north.import.services";
    assert_eq!(service(&policy, "north", "services").decided_by, by);
    assert_eq!(service(&policy, "west", "more").decided_by, "carry.more.import");
    let told = |to: &str, scope: &str| {
        export::<Service>(&policy, to, scope, "agent/alice", "web.test", &[], &[]).decided_by
    };
    assert_eq!(told("west", "services"), "carry.services.export");
    assert_eq!(told("west", "more"), "default");
    assert_eq!(told("west", "unknown"), "carry.unknown");
    assert!(try_compile(r#"{"carry":{"fabric":{}}}"#).is_err());
}

#[test]
fn prefixes_and_services_are_filtered_each_in_its_own_scope() {
    let policy = compile(
        r#"{"carry":{"services":{"import":{"prefixes":["10.0.0.0/8"],"services":["test"]}},
                     "overlay/1":{"import":{"prefixes":["10.0.0.0/8"],"services":["test"]}}}}"#,
    );
    let service = |to| import::<Service>(&policy, "west", "services", to, &["west"], &[]);
    let prefix = |to| import::<Prefix>(&policy, "west", "overlay/1", to, &["west"], &[]);
    assert!(service("a.test").accepted);
    assert_eq!(service("a.other").decided_by, "carry.services.import.services");
    assert!(prefix("10.9.0.0/16").accepted);
    assert_eq!(prefix("11.0.0.0/16").decided_by, "carry.overlay/1.import.prefixes");
    assert_eq!(prefix("2001:db8::/32").decided_by, "carry.overlay/1.import.prefixes");
}

#[test]
fn export_is_the_global_one_and_the_neighbours() {
    let policy = compile(
        r#"{"export":{"deny_tags":["secret"]},
            "neighbours":{"west":{"export":{"allowed_tags":["gold"]}}}}"#,
    );
    let told = |to: &str, tags: &[&str]| {
        export::<ClusterId>(&policy, to, "fabric", "neighbour/north", "a", &["north", "a"], tags)
            .decided_by
    };
    assert_eq!(told("west", &["gold"]), "default");
    assert_eq!(told("west", &["silver"]), "neighbours.west.export.allowed_tags");
    assert_eq!(told("west", &["gold", "secret"]), "export.deny_tags");
    assert_eq!(told("other", &["silver"]), "carry.fabric", "whoever is no neighbour hears nothing");
}

#[test]
fn an_export_knows_who_said_it_and_what_is_this_clusters_own() {
    let told = |json: &str, by: &str, path: &[&str]| {
        let (to, scope) = ("west", "services");
        export::<Service>(&compile(json), to, scope, by, "web.test", path, &[]).accepted
    };
    let carried = |export: &str| format!(r#"{{"carry":{{"services":{{"export":{export}}}}}}}"#);
    let own = ("agent/alice", &[][..]);
    let relayed = ("neighbour/north", &["north", "a"][..]);
    let cases = [
        (r#"{}"#, true, true),
        (r#"{"allowed_advertisers":["here"]}"#, true, false),
        (r#"{"allowed_advertisers":["north"]}"#, false, true),
        (r#"{"deny_advertisers":["here"]}"#, false, true),
        (r#"{"deny_advertisers":["north"]}"#, true, false),
        (r#"{"allowed_destinations":["here"]}"#, true, false),
        (r#"{"allowed_destinations":["a"]}"#, false, true),
        (r#"{"deny_destinations":["here"]}"#, false, true),
        (r#"{"deny_destinations":["a"]}"#, true, false),
    ];
    for (json, own_told, relayed_told) in cases {
        assert_eq!(told(&carried(json), own.0, own.1), own_told, "{json}");
        assert_eq!(told(&carried(json), relayed.0, relayed.1), relayed_told, "{json}");
    }
}

#[test]
fn nobody_is_told_a_path_that_it_stands_in_or_that_has_no_room() {
    let policy = compile("{}");
    let told = |path: &[&str]| {
        let to = path.last().unwrap();
        export::<ClusterId>(&policy, "west", "fabric", "neighbour/north", to, path, &[]).decided_by
    };
    assert_eq!(told(&["north", "west", "a"]), "in the path");
    assert_eq!(told(&["north", "a"]), "default");
    let names: Vec<String> = (0..64).map(|n| format!("c{n}")).collect();
    let long: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(told(&long), "the path is full");
    assert_eq!(told(&long[1..]), "default");
}

#[test]
fn tie_breakers_follow_the_score_in_their_order() {
    use Criterion::{Cost, Hops, Latency, Preference, Reliability, Score, Standing};
    let default = compile("{}").fabric.criteria;
    assert_eq!(default, [Standing, Preference, Score, Hops, Latency, Reliability]);
    let configured = compile(r#"{"tie_breakers":["cost","latency"]}"#).fabric.criteria;
    assert_eq!(configured, [Standing, Preference, Score, Cost, Latency]);
    let twice = try_compile(r#"{"tie_breakers":["score"]}"#).unwrap_err();
    assert_eq!(twice.field, "tie_breakers");
}

#[test]
fn what_contradicts_itself_is_refused_by_the_fields_name() {
    let cases = [
        (r#"{"import":{"allowed_tags":["x"],"deny_tags":["x"]}}"#, "import.deny_tags"),
        (
            r#"{"export":{"allowed_destinations":["x"],"deny_destinations":["x"]}}"#,
            "export.deny_destinations",
        ),
        (r#"{"neighbours":{"west":{"import":{"max_hops":0}}}}"#, "neighbours.west.import.max_hops"),
        (
            r#"{"clusters":{"a":{"allowed_advertisers":["x"],"deny_advertisers":["x"]}}}"#,
            "clusters.a.deny_advertisers",
        ),
        (
            r#"{"carry":{"s":{"neighbours":{"west":{"export":{"max_hops":0}}}}}}"#,
            "carry.s.neighbours.west.export.max_hops",
        ),
        (r#"{"carry":{"fabric":{}}}"#, "carry.fabric"),
    ];
    for (json, field) in cases {
        assert_eq!(try_compile(json).unwrap_err().field, field, "{json}");
    }
}
