//! The original's policies in Rutter's words.
//!
//! # What the original does, and what it becomes
//!
//! - An announcement passes the neighbour's policy (its own, else the directory's default) *and* the
//!   global one. Here a neighbour's `import` stands in place of the global: so each becomes the two
//!   at once.
//! - A neighbour's policy filters only: its weights, tie-breakers and `max_hops` are never looked at.
//! - Export filters see this cluster as the advertiser of everything: a list of advertisers there
//!   lets all pass or nothing.
//! - Bandwidth is subtracted without a floor, so 10 Gbit/s outweigh 50 hops: that isn't taken over.

use std::collections::BTreeSet;
use std::time::Duration;

use rutter_protocol::policy::{FabricPolicy, RoutePolicy};
use rutter_rib::{FlapLimit, ScoreWeights, Stability};
use rutter_route::{ClusterId, Criterion, Tag};
use serde_json::Value;

use super::config::{self, Policy, Settings, Weights};
use super::{ImportError, Outcome, Remark};

const EXPORT: &str = "fabric_route_export_policy";
const EXPORT_BY: &str = "fabric_route_export_neighbor_policies";
const IMPORT: &str = "fabric_route_policy";
const IMPORT_BY: &str = "fabric_route_neighbor_policies";

/// The policy, and what is to be said of it.
pub(super) fn policies(
    settings: &Settings,
    neighbours: &BTreeSet<ClusterId>,
) -> Result<(FabricPolicy, Vec<Remark>), ImportError> {
    let mut remarks = Remarks::default();
    let mut policy = FabricPolicy::default();
    let global = settings.policy.clone().unwrap_or_default();
    policy.scoring = scoring(global.weights, &mut remarks);
    policy.tie_breakers = tie_breakers(&global.tie_breakers, &mut remarks);
    remarks.unknown(IMPORT, &global);
    import(settings, &global, &mut policy, &mut remarks);
    export(settings, neighbours, &mut policy, &mut remarks);
    if let Some(stability) = &settings.stability {
        policy.stability = self::stability(*stability, &mut remarks)?;
    }
    for (name, value) in &settings.others {
        other(name, value, &mut remarks);
    }
    remarks.0.sort();
    Ok((policy, remarks.0))
}

#[derive(Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn say(&mut self, field: impl Into<String>, outcome: Outcome, why: impl Into<String>) {
        self.0.push(Remark { field: field.into(), outcome, why: why.into() });
    }

    fn unknown(&mut self, at: &str, policy: &Policy) {
        for name in &policy.unknown {
            self.say(format!("{at}.{name}"), Outcome::Ignored, "the original knows no such field");
        }
    }

    /// What a policy that only filters has no use for.
    fn only_filters(&mut self, at: &str, policy: &Policy) {
        let default = Policy::default();
        let why = "the original only filters by this policy, and never looks at it";
        if policy.weights != default.weights {
            self.say(format!("{at}.weight_*"), Outcome::Ignored, why);
        }
        if policy.max_hops.is_some() {
            self.say(format!("{at}.max_hops"), Outcome::Ignored, why);
        }
        if policy.tie_breakers != default.tie_breakers {
            self.say(format!("{at}.deterministic_tiebreakers"), Outcome::Ignored, why);
        }
        self.unknown(at, policy);
    }
}

fn import(settings: &Settings, global: &Policy, policy: &mut FabricPolicy, remarks: &mut Remarks) {
    let all = RoutePolicy { max_hops: global.max_hops, ..filter(global) };
    policy.import = all.clone();
    let Some(directory) = &settings.import_by else { return };
    if let Some(default) = &directory.default {
        let at = format!("{IMPORT_BY}.default_policy");
        remarks.only_filters(&at, default);
        policy.import = both(&filter(default), &all, &at, remarks);
    }
    for (neighbour, own) in &directory.neighbours {
        let at = format!("{IMPORT_BY}.neighbor_policies.{neighbour}");
        remarks.only_filters(&at, own);
        let import = both(&filter(own), &all, &at, remarks);
        policy.neighbours.entry(neighbour.clone()).or_default().import = Some(import);
    }
}

fn export(
    settings: &Settings,
    neighbours: &BTreeSet<ClusterId>,
    policy: &mut FabricPolicy,
    remarks: &mut Remarks,
) {
    let own = settings.cluster.as_ref();
    if let Some(export) = &settings.export {
        remarks.only_filters(EXPORT, export);
        policy.export = of_export(export, own, EXPORT, remarks);
    }
    let Some(directory) = &settings.export_by else { return };
    for (neighbour, export) in &directory.neighbours {
        let at = format!("{EXPORT_BY}.neighbor_policies.{neighbour}");
        remarks.only_filters(&at, export);
        let export = of_export(export, own, &at, remarks);
        policy.neighbours.entry(neighbour.clone()).or_default().export = Some(export);
    }
    let Some(default) = &directory.default else { return };
    let at = format!("{EXPORT_BY}.default_policy");
    remarks.only_filters(&at, default);
    let unnamed = neighbours.iter().filter(|n| !directory.neighbours.contains_key(*n));
    for neighbour in unnamed {
        let export = of_export(default, own, &at, remarks);
        policy.neighbours.entry(neighbour.clone()).or_default().export = Some(export);
    }
    if neighbours.is_empty() {
        let why = "there is no default for neighbours here: name the neighbours, or give each that \
                   isn't named this policy as its `export`";
        remarks.say(at, Outcome::Refused, why);
    } else {
        let why = "spelled out for the neighbours of now; one that comes later needs it too";
        remarks.say(at, Outcome::Different, why);
    }
}

/// The four filters.
fn filter(policy: &Policy) -> RoutePolicy {
    RoutePolicy {
        allowed_advertisers: policy.allowed_advertisers.clone(),
        allowed_destinations: policy.allowed_destinations.clone(),
        allowed_tags: policy.allowed_tags.clone(),
        deny_tags: policy.deny_tags.clone().unwrap_or_default(),
        ..RoutePolicy::default()
    }
}

/// The filters of an export policy: everything has this cluster as its advertiser.
fn of_export(
    policy: &Policy,
    own: Option<&ClusterId>,
    at: &str,
    remarks: &mut Remarks,
) -> RoutePolicy {
    let mut export = filter(policy);
    let Some(advertisers) = export.allowed_advertisers.take() else { return export };
    let field = format!("{at}.allowed_advertisers");
    match own {
        Some(own) if advertisers.contains(own) => {
            remarks.say(field, Outcome::Ignored, "this cluster is in it, so everything passes");
        }
        Some(_) => {
            export.allowed_destinations = Some(BTreeSet::new());
            remarks.say(field, Outcome::Different, "this cluster isn't in it: nothing is told");
        }
        None => {
            export.allowed_destinations = Some(BTreeSet::new());
            let why = "without `cluster_id` nobody knows whether this cluster is in it: nothing is \
                       told";
            remarks.say(field, Outcome::Refused, why);
        }
    }
    export
}

/// What passes both.
fn both(one: &RoutePolicy, all: &RoutePolicy, at: &str, remarks: &mut Remarks) -> RoutePolicy {
    let tags = match (&one.allowed_tags, &all.allowed_tags) {
        (Some(one), Some(all)) => Some(both_tags(one, all, at, remarks)),
        (one, all) => one.clone().or_else(|| all.clone()),
    };
    RoutePolicy {
        allowed_advertisers: both_sets(&one.allowed_advertisers, &all.allowed_advertisers),
        allowed_destinations: both_sets(&one.allowed_destinations, &all.allowed_destinations),
        allowed_tags: tags,
        deny_tags: one.deny_tags.union(&all.deny_tags).cloned().collect(),
        max_hops: all.max_hops,
        ..RoutePolicy::default()
    }
}

fn both_sets(
    one: &Option<BTreeSet<ClusterId>>,
    all: &Option<BTreeSet<ClusterId>>,
) -> Option<BTreeSet<ClusterId>> {
    match (one, all) {
        (Some(one), Some(all)) => Some(one.intersection(all).cloned().collect()),
        (one, all) => one.clone().or_else(|| all.clone()),
    }
}

/// A tag of each list is needed. Where one list holds the other that is a tag of the lesser.
fn both_tags(
    one: &BTreeSet<Tag>,
    all: &BTreeSet<Tag>,
    at: &str,
    remarks: &mut Remarks,
) -> BTreeSet<Tag> {
    if one.is_subset(all) {
        return one.clone();
    }
    if all.is_subset(one) {
        return all.clone();
    }
    let why = format!(
        "a route needs a tag of this list and one of `{IMPORT}`'s: here only one that both have \
         will do, so a route with two different ones is denied"
    );
    remarks.say(format!("{at}.allowed_tags"), Outcome::Different, why);
    one.intersection(all).cloned().collect()
}

/// Whole weights in the same proportions.
fn scoring(weights: Weights, remarks: &mut Remarks) -> ScoreWeights {
    let Weights { latency, hops, cost, reliability, bandwidth } = weights;
    if bandwidth > 0.0 {
        let why = "the original subtracts it for each Mbit/s without a floor, so 10 Gbit/s outweigh \
                   50 hops; here `scoring.bandwidth` adds points for what is slow, and is off";
        remarks.say(format!("{IMPORT}.weight_bandwidth"), Outcome::Different, why);
    }
    let all = [latency, hops, cost, reliability];
    let is_whole =
        |factor: f64| all.iter().all(|w| (w * factor - (w * factor).round()).abs() < 1e-6);
    let factor = [1.0, 10.0, 100.0, 1_000.0].into_iter().find(|factor| is_whole(*factor));
    let field = format!("{IMPORT}.weight_*");
    match factor {
        Some(factor) if factor > 1.0 => {
            let why = format!("weights are whole here: all are {factor} times as large");
            remarks.say(field, Outcome::Different, why);
        }
        None => {
            let why = "weights are whole here: all are 1000 times as large, and rounded";
            remarks.say(field, Outcome::Different, why);
        }
        Some(_) => {}
    }
    let factor = factor.unwrap_or(1_000.0);
    // A weight is below a million, so the product is within 32 bits.
    let whole = |weight: f64| (weight * factor).round() as u32;
    ScoreWeights {
        latency_ms: whole(latency),
        hops: whole(hops),
        cost: whole(cost),
        unreliability: whole(reliability),
        bandwidth: 0,
    }
}

fn tie_breakers(names: &[String], remarks: &mut Remarks) -> Vec<Criterion> {
    let field = format!("{IMPORT}.deterministic_tiebreakers");
    let mut criteria = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let criterion = match name.as_str() {
            "hop_count" => Criterion::Hops,
            "latency_ms" => Criterion::Latency,
            "reliability_score" => Criterion::Reliability,
            "advertiser" => {
                if n + 1 < names.len() {
                    let why = "`advertiser` decides last here, whatever follows it";
                    remarks.say(&field, Outcome::Different, why);
                }
                continue;
            }
            _ => {
                let why = format!("`{name}` decides nothing in the original either");
                remarks.say(&field, Outcome::Ignored, why);
                continue;
            }
        };
        if !criteria.contains(&criterion) {
            criteria.push(criterion);
        }
    }
    if criteria.is_empty() {
        let why = "without any, hops, then latency, then reliability decide here";
        remarks.say(field, Outcome::Different, why);
    }
    criteria
}

fn stability(from: config::Stability, remarks: &mut Remarks) -> Result<Stability, ImportError> {
    let at = "route_stability_policy";
    let mut to = Stability::default();
    let seconds = |seconds: f64, field: &str| {
        let whole = (seconds * 1_000.0).round() % 1_000.0 == 0.0;
        if whole {
            return Ok(Duration::from_secs_f64(seconds));
        }
        Err(ImportError::new(format!("{at}.{field}"), "whole seconds"))
    };
    to.hold_down = seconds(from.hold_down, "hold_down_seconds")?;
    if !to.hold_down.is_zero() {
        let why = "it holds the withdrawn path alone: another way to the same cluster isn't held";
        remarks.say(format!("{at}.hold_down_seconds"), Outcome::Different, why);
    }
    if from.flap_threshold > 0 && from.window > 0.0 {
        let window = seconds(from.window, "suppression_window_seconds")?;
        to.flap_limit = Some(FlapLimit { flaps: from.flap_threshold, window });
        let why = "flaps are counted a path, not for all of an advertiser's";
        remarks.say(format!("{at}.flap_threshold"), Outcome::Different, why);
    } else if from.flap_threshold > 0 || from.window > 0.0 {
        let why = "one without the other does nothing, as in the original";
        remarks.say(format!("{at}.flap_threshold"), Outcome::Ignored, why);
    }
    Ok(to)
}

/// A field that is no policy.
fn other(name: &str, value: &Value, remarks: &mut Remarks) {
    let (outcome, why) = match name {
        "fabric_route_security_config"
        | "fabric_route_require_signatures"
        | "fabric_route_allow_unsigned" => security(name, value),
        "fabric_route_key_registry" => {
            (Outcome::Different, "keys are taken over apart, from a snapshot of the registry")
        }
        "fabric_route_signer" => {
            (Outcome::Different, "a key of this cluster is `fabric.key`, or a command signs")
        }
        "fabric_route_key_provider" => {
            (Outcome::Different, "providers of keys are files, directories, commands and URLs here")
        }
        "fabric_route_key_refresh_interval_seconds" => {
            (Outcome::Different, "how often providers are asked is `fabric.key_refresh`")
        }
        "fabric_route_ttl_seconds"
        | "fabric_route_announce_interval_seconds"
        | "fabric_route_key_ttl_seconds"
        | "fabric_route_key_announce_interval_seconds" => (
            Outcome::Ignored,
            "nothing is said again to keep it alive: routes stand while their session does, claims \
             for `claim_life`",
        ),
        "fabric_routing_max_hops" => (Outcome::Ignored, "it is each request's own hop budget here"),
        _ if name.starts_with("fabric_link_state") => {
            (Outcome::Refused, "there is no link-state yet: the fabric is path-vector")
        }
        // It may be a filter by another name.
        _ if name.starts_with("fabric_route_") => (
            Outcome::Refused,
            "nobody knows it here; if it filters routes, more would pass without it",
        ),
        _ if name.starts_with("fabric_") || name.starts_with("gossip") => {
            (Outcome::Ignored, "it has no equivalent: routes go over sessions, not gossip")
        }
        _ => (Outcome::Ignored, "it isn't about routes between clusters"),
    };
    remarks.say(name, outcome, why);
}

fn security(name: &str, value: &Value) -> (Outcome, &'static str) {
    let signs = match name {
        "fabric_route_require_signatures" => value.as_bool() == Some(true),
        "fabric_route_allow_unsigned" => value.as_bool() == Some(false),
        _ => value.get("require_signatures").and_then(Value::as_bool) == Some(true),
    };
    let ed25519 = value.get("signature_algorithm").is_none_or(|a| a.as_str() == Some("ed25519"));
    match (signs, ed25519) {
        (_, false) => (Outcome::Refused, "Ed25519 is the only algorithm, here and there"),
        (true, _) => (Outcome::Ignored, "signatures are required by default"),
        (false, _) => (
            Outcome::Different,
            "signatures are required by default; `fabric.profile: open` has the original's defaults",
        ),
    }
}
