use super::*;
use rutter_route::Criterion;

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn texts<T: ToString>(set: &BTreeSet<T>) -> Vec<String> {
    set.iter().map(ToString::to_string).collect()
}

fn said(remarks: &[Remark]) -> String {
    remarks.iter().map(|remark| format!("{remark}\n")).collect()
}

const SETTINGS: &str = r#"{"mpreg": {
    "cluster_id": "west", "port": 9000, "gossip_interval": 5.0,
    "fabric_route_policy": {
        "weight_hops": 2.5, "max_hops": 5, "allowed_advertisers": ["b", "c"],
        "allowed_tags": ["gold", "fast"], "deny_tags": ["blocked"],
        "deterministic_tiebreakers": ["latency_ms", "colour", "hop_count", "advertiser"]},
    "fabric_route_export_policy": {"allowed_tags": ["gold"], "allowed_advertisers": ["west"]},
    "fabric_route_neighbor_policies": {
        "default_policy": {"deny_tags": ["slow"]},
        "neighbor_policies": {
            "b": {"allowed_tags": ["gold"], "allowed_advertisers": ["b"], "max_hops": 2},
            "c": {"allowed_tags": ["gold", "blue"]}}},
    "fabric_route_export_neighbor_policies": {
        "default_policy": {"allowed_destinations": []},
        "neighbor_policies": {"b": {}}},
    "fabric_route_security_config": {"require_signatures": false},
    "fabric_route_ttl_seconds": 30.0,
    "fabric_link_state_mode": "prefer",
    "route_stability_policy": {
        "hold_down_seconds": 10.0, "flap_threshold": 2, "suppression_window_seconds": 30.0}}}"#;

#[test]
fn what_passed_in_the_original_passes_and_nothing_else() {
    let neighbours = ["b", "c", "d"].map(cluster).into_iter().collect();
    let (policy, _) = import_policies_for(SETTINGS, &neighbours).unwrap();
    // Nobody's own policy: the directory's default and the global one.
    assert_eq!(texts(&policy.import.deny_tags), ["blocked", "slow"]);
    assert_eq!(policy.import.max_hops, Some(5));
    // b's: its own and the global one; the directory's default isn't asked then.
    let b = policy.neighbours[&cluster("b")].import.as_ref().unwrap();
    assert_eq!(texts(b.allowed_tags.as_ref().unwrap()), ["gold"]);
    assert_eq!(texts(b.allowed_advertisers.as_ref().unwrap()), ["b"]);
    assert_eq!((texts(&b.deny_tags), b.max_hops), (vec!["blocked".to_owned()], Some(5)));
    // c's: a tag of both lists.
    let c = policy.neighbours[&cluster("c")].import.as_ref().unwrap();
    assert_eq!(texts(c.allowed_tags.as_ref().unwrap()), ["gold"]);
    // Told: by tag to all, everything else to b, nothing to those that aren't named.
    assert_eq!(texts(policy.export.allowed_tags.as_ref().unwrap()), ["gold"]);
    assert!(policy.export.allowed_advertisers.is_none());
    let export = |name: &str| policy.neighbours[&cluster(name)].export.clone().unwrap();
    assert!(export("b").allowed_destinations.is_none());
    assert!(export("c").allowed_destinations.unwrap().is_empty());
    assert!(export("d").allowed_destinations.unwrap().is_empty());
    // Weights keep their proportions.
    let scoring = policy.scoring;
    assert_eq!((scoring.latency_ms, scoring.hops, scoring.unreliability), (10, 25, 500));
    assert_eq!(policy.tie_breakers, [Criterion::Latency, Criterion::Hops]);
    assert_eq!(policy.stability.hold_down.as_secs(), 10);
    assert_eq!(policy.stability.flap_limit.unwrap().flaps, 2);
}

#[test]
fn nothing_is_dropped_without_a_word() {
    let (_, remarks) = import_policies(SETTINGS).unwrap();
    let fields: Vec<_> = remarks.iter().map(|remark| remark.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "fabric_link_state_mode",
            "fabric_route_export_neighbor_policies.default_policy",
            "fabric_route_export_policy.allowed_advertisers",
            "fabric_route_neighbor_policies.neighbor_policies.b.max_hops",
            "fabric_route_neighbor_policies.neighbor_policies.c.allowed_tags",
            "fabric_route_policy.deterministic_tiebreakers",
            "fabric_route_policy.weight_*",
            "fabric_route_policy.weight_bandwidth",
            "fabric_route_security_config",
            "fabric_route_ttl_seconds",
            "gossip_interval",
            "port",
            "route_stability_policy.flap_threshold",
            "route_stability_policy.hold_down_seconds",
        ],
        "{}",
        said(&remarks)
    );
    let refused: Vec<_> = remarks.iter().filter(|r| r.outcome == Outcome::Refused).collect();
    assert_eq!(refused.len(), 2, "{}", said(&remarks));
}

#[test]
fn empty_settings_are_the_originals_defaults() {
    let (policy, remarks) = import_policies("{}").unwrap();
    let expected = FabricPolicy {
        scoring: rutter_rib::ScoreWeights {
            latency_ms: 1,
            hops: 10,
            cost: 1,
            unreliability: 50,
            bandwidth: 0,
        },
        tie_breakers: vec![Criterion::Hops, Criterion::Latency, Criterion::Reliability],
        ..FabricPolicy::default()
    };
    assert_eq!(policy, expected);
    assert_eq!(said(&remarks).lines().count(), 1, "bandwidth: {}", said(&remarks));
}

#[test]
fn what_cannot_be_understood_is_an_error_and_never_a_filter_less() {
    let wrong = |text: &str| import_policies(text).unwrap_err().to_string();
    let policy = |inner: &str| wrong(&format!("{{\"fabric_route_policy\": {inner}}}"));
    assert_eq!(
        policy(r#"{"deny_tags": "blocked"}"#),
        "fabric_route_policy.deny_tags: expected a list"
    );
    assert!(policy(r#"{"deny_tags": ["not a tag"]}"#).contains("expected a tag"));
    assert!(policy(r#"{"allowed_advertisers": ["a b"]}"#).contains("expected a cluster's name"));
    assert!(policy(r#"{"weight_hops": "ten"}"#).contains("expected a number"));
    assert!(policy(r#"{"max_hops": -1}"#).contains("expected a whole number of hops"));
    assert!(wrong("[]").contains("a JSON object"));
    let directory = r#"{"fabric_route_neighbor_policies": {"b": {}}}"#;
    assert!(wrong(directory).contains("`default_policy` or `neighbor_policies`"));
}

#[test]
fn a_list_of_advertisers_for_export_is_all_or_nothing() {
    let export = |cluster: &str, list: &str| {
        let text = format!(
            "{{{cluster}\"fabric_route_export_policy\": {{\"allowed_advertisers\": {list}}}}}"
        );
        let (policy, remarks) = import_policies(&text).unwrap();
        let said = remarks.iter().find(|r| r.field.ends_with("allowed_advertisers")).unwrap();
        (policy.export.allowed_destinations.map(|all| all.len()), said.outcome)
    };
    let west = "\"cluster_id\": \"west\", ";
    assert_eq!(export(west, r#"["west"]"#), (None, Outcome::Ignored));
    assert_eq!(export(west, r#"["b"]"#), (Some(0), Outcome::Different));
    assert_eq!(export("", r#"["west"]"#), (Some(0), Outcome::Refused));
}

#[test]
fn keys_are_read_from_a_registry_and_from_a_saved_snapshot_of_one() {
    let registry = r#"{"generated_at": 1.0, "clusters": {"b": {
        "primary_key_id": "route_key_66687aadf862bd77", "keys": [
        {"key_id": "route_key_66687aadf862bd77", "added_at": 1.0, "expires_at": null,
         "public_key": "0000000000000000000000000000000000000000000000000000000000000000"}]}}}"#;
    let keys = import_keys(registry).unwrap();
    assert_eq!(keys.clusters[&cluster("b")].keys.len(), 1);
    let saved = format!("{{\"saved_at\": 2.0, \"route_keys\": {registry}}}");
    assert_eq!(import_keys(&saved).unwrap(), keys);
    let error = import_keys(&registry.replace("null", "\"x\"")).unwrap_err().to_string();
    assert_eq!(error, "clusters.b.keys[0].expires_at: expected seconds since 1970");
}
