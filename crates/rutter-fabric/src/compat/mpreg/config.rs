//! The original's settings, read as they are: nothing is decided here.
//!
//! The original takes a bad number for its default and a bad list for an empty one. Here they are
//! errors: a deny list that was mistyped must not become one that denies nobody.

use std::collections::{BTreeMap, BTreeSet};

use rutter_route::{ClusterId, Tag};
use serde_json::{Map, Value};

use super::ImportError;

/// The part of `MPREGSettings` that concerns routes.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) cluster: Option<ClusterId>,
    pub(super) policy: Option<Policy>,
    pub(super) export: Option<Policy>,
    pub(super) import_by: Option<Directory>,
    pub(super) export_by: Option<Directory>,
    pub(super) stability: Option<Stability>,
    /// Fields that aren't policy, with their values.
    pub(super) others: BTreeMap<String, Value>,
}

/// `RoutePolicyDirectory`.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) default: Option<Policy>,
    pub(super) neighbours: BTreeMap<ClusterId, Policy>,
}

/// `RoutePolicy`. What isn't written has the original's default.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) weights: Weights,
    pub(super) max_hops: Option<u16>,
    pub(super) allowed_advertisers: Option<BTreeSet<ClusterId>>,
    pub(super) allowed_destinations: Option<BTreeSet<ClusterId>>,
    pub(super) allowed_tags: Option<BTreeSet<Tag>>,
    pub(super) deny_tags: Option<BTreeSet<Tag>>,
    pub(super) tie_breakers: Vec<String>,
    /// Fields that the original doesn't know either.
    pub(super) unknown: Vec<String>,
}

/// Points a millisecond, a hop, a unit of cost, for no reliability, and off for 1 Mbit/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weights {
    pub(super) latency: f64,
    pub(super) hops: f64,
    pub(super) cost: f64,
    pub(super) reliability: f64,
    pub(super) bandwidth: f64,
}

/// `RouteStabilityPolicy`; the original's settings have no field for it, its code has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stability {
    pub(super) hold_down: f64,
    pub(super) flap_threshold: u32,
    pub(super) window: f64,
}

pub(super) const TIE_BREAKERS: [&str; 4] =
    ["hop_count", "latency_ms", "reliability_score", "advertiser"];

impl Default for Weights {
    fn default() -> Self {
        Self { latency: 1.0, hops: 10.0, cost: 1.0, reliability: 50.0, bandwidth: 0.05 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            max_hops: None,
            allowed_advertisers: None,
            allowed_destinations: None,
            allowed_tags: None,
            deny_tags: None,
            tie_breakers: TIE_BREAKERS.map(str::to_owned).to_vec(),
            unknown: Vec::new(),
        }
    }
}

/// A JSON object.
pub(super) fn object(json: &str) -> Result<Map<String, Value>, ImportError> {
    match serde_json::from_str(json) {
        Ok(Value::Object(all)) => Ok(all),
        Ok(_) => Err(ImportError::new("the file", "a JSON object")),
        Err(error) => Err(ImportError::new("the file", format!("JSON ({error})"))),
    }
}

/// Reads a settings file; the original lets all of it stand under `mpreg`.
pub(super) fn settings(json: &str) -> Result<Settings, ImportError> {
    let mut all = object(json)?;
    if let Some(Value::Object(inner)) = all.remove("mpreg") {
        all = inner;
    }
    let mut settings = Settings::default();
    for (name, value) in all {
        let at = name.as_str();
        match at {
            "cluster_id" => settings.cluster = Some(cluster(&value, at)?),
            "fabric_route_policy" => settings.policy = optional(&value, at, policy)?,
            "fabric_route_export_policy" => settings.export = optional(&value, at, policy)?,
            "fabric_route_neighbor_policies" => {
                settings.import_by = optional(&value, at, directory)?;
            }
            "fabric_route_export_neighbor_policies" => {
                settings.export_by = optional(&value, at, directory)?;
            }
            "route_stability_policy" | "fabric_route_stability_policy" => {
                settings.stability = optional(&value, at, stability)?;
            }
            _ => {
                settings.others.insert(name, value);
            }
        }
    }
    Ok(settings)
}

/// `null` is what isn't there.
fn optional<T>(
    value: &Value,
    at: &str,
    read: impl Fn(&Value, &str) -> Result<T, ImportError>,
) -> Result<Option<T>, ImportError> {
    if value.is_null() { Ok(None) } else { read(value, at).map(Some) }
}

fn fields<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, ImportError> {
    value.as_object().ok_or_else(|| ImportError::new(at, "an object"))
}

fn directory(value: &Value, at: &str) -> Result<Directory, ImportError> {
    let mut directory = Directory::default();
    for (name, value) in fields(value, at)? {
        let at = format!("{at}.{name}");
        match name.as_str() {
            "default_policy" => directory.default = optional(value, &at, policy)?,
            "neighbor_policies" => {
                for (name, value) in fields(value, &at)? {
                    let at = format!("{at}.{name}");
                    let cluster = cluster_named(name, &at)?;
                    directory.neighbours.insert(cluster, policy(value, &at)?);
                }
            }
            _ => return Err(ImportError::new(at, "`default_policy` or `neighbor_policies`")),
        }
    }
    Ok(directory)
}

fn policy(value: &Value, at: &str) -> Result<Policy, ImportError> {
    let mut policy = Policy::default();
    for (name, value) in fields(value, at)? {
        let at = format!("{at}.{name}");
        let weights = &mut policy.weights;
        match name.as_str() {
            "weight_latency" => weights.latency = weight(value, &at)?,
            "weight_hops" => weights.hops = weight(value, &at)?,
            "weight_cost" => weights.cost = weight(value, &at)?,
            "weight_reliability" => weights.reliability = weight(value, &at)?,
            "weight_bandwidth" => weights.bandwidth = weight(value, &at)?,
            "max_hops" => policy.max_hops = optional(value, &at, hops)?,
            "allowed_advertisers" => {
                policy.allowed_advertisers = optional(value, &at, |v, at| set(v, at, cluster))?;
            }
            "allowed_destinations" => {
                policy.allowed_destinations = optional(value, &at, |v, at| set(v, at, cluster))?;
            }
            "allowed_tags" => {
                policy.allowed_tags = optional(value, &at, |v, at| set(v, at, tag))?;
            }
            "deny_tags" => policy.deny_tags = optional(value, &at, |v, at| set(v, at, tag))?,
            "deterministic_tiebreakers" => {
                policy.tie_breakers = list(value, &at)?
                    .iter()
                    .map(|item| text(item, &at).map(str::to_owned))
                    .collect::<Result<_, _>>()?;
            }
            _ => policy.unknown.push(name.clone()),
        }
    }
    Ok(policy)
}

fn stability(value: &Value, at: &str) -> Result<Stability, ImportError> {
    let mut stability = Stability { hold_down: 0.0, flap_threshold: 0, window: 0.0 };
    for (name, value) in fields(value, at)? {
        let at = format!("{at}.{name}");
        match name.as_str() {
            "hold_down_seconds" => stability.hold_down = weight(value, &at)?,
            "suppression_window_seconds" => stability.window = weight(value, &at)?,
            "flap_threshold" => {
                let count = value.as_u64().and_then(|n| u32::try_from(n).ok());
                stability.flap_threshold =
                    count.ok_or_else(|| ImportError::new(&at, "a whole number"))?;
            }
            _ => {
                return Err(ImportError::new(
                    at,
                    "`hold_down_seconds`, `flap_threshold` or `suppression_window_seconds`",
                ));
            }
        }
    }
    Ok(stability)
}

fn weight(value: &Value, at: &str) -> Result<f64, ImportError> {
    let number = value.as_f64().filter(|n| n.is_finite() && (0.0..1e6).contains(n));
    number.ok_or_else(|| ImportError::new(at, "a number of at least 0 and below a million"))
}

fn hops(value: &Value, at: &str) -> Result<u16, ImportError> {
    let hops = value.as_u64().and_then(|n| u16::try_from(n).ok());
    hops.ok_or_else(|| ImportError::new(at, "a whole number of hops, or null"))
}

fn list<'a>(value: &'a Value, at: &str) -> Result<&'a Vec<Value>, ImportError> {
    value.as_array().ok_or_else(|| ImportError::new(at, "a list"))
}

fn set<T: Ord>(
    value: &Value,
    at: &str,
    item: impl Fn(&Value, &str) -> Result<T, ImportError>,
) -> Result<BTreeSet<T>, ImportError> {
    list(value, at)?.iter().map(|value| item(value, at)).collect()
}

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str, ImportError> {
    value.as_str().ok_or_else(|| ImportError::new(at, "texts"))
}

fn cluster(value: &Value, at: &str) -> Result<ClusterId, ImportError> {
    cluster_named(text(value, at)?, at)
}

fn cluster_named(name: &str, at: &str) -> Result<ClusterId, ImportError> {
    name.parse().map_err(|error| ImportError::new(at, format!("a cluster's name ({error})")))
}

fn tag(value: &Value, at: &str) -> Result<Tag, ImportError> {
    let parsed = text(value, at)?.parse();
    parsed.map_err(|error| ImportError::new(at, format!("a tag ({error})")))
}
