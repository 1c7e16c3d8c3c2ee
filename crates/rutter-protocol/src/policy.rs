//! The fabric's policy: in the words of its configuration, and compiled to rules of tables and
//! outlets.
//!
//! # The order in which import is merged
//!
//! 1. what the protocol itself refuses (loops, claims): no policy takes that back;
//! 2. the neighbour's `import`, if it has one, else the global `import` (an override wins entirely,
//!    as in the original);
//! 3. on top, the overlay of the *originating* cluster in `clusters`: it may deny more, add tags,
//!    and set the preference, and it never permits what 2 has denied.
//!
//! Export is the global `export` *and* the neighbour's: both must let a route pass.
//!
//! Scopes beside the fabric's own are carried only where `carry` says so; nothing is imported or
//! exported there without a policy (RFC 8212).

mod check;
mod compile;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rutter_rib::{Policy, Rules, ScoreWeights, Stability};
use rutter_route::{ClusterId, Criterion, Prefix, ServiceName, Tag};
use serde::{Deserialize, Serialize};

use crate::stats::Reason;
use crate::wire::{Metrics, Scope};

/// Filters of routes. `None` is any; an empty set is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutePolicy {
    /// Neighbours whose word is taken (import), or from whom what is told may come (export).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_advertisers: Option<BTreeSet<ClusterId>>,
    /// Neighbours whose word isn't.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub deny_advertisers: BTreeSet<ClusterId>,
    /// Originating clusters that may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_destinations: Option<BTreeSet<ClusterId>>,
    /// Originating clusters that may not.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub deny_destinations: BTreeSet<ClusterId>,
    /// One of these tags is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tags: Option<BTreeSet<Tag>>,
    /// Any of these tags denies.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub deny_tags: BTreeSet<Tag>,
    /// In scopes of services: suffixes under which a name must lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceName>>,
    /// In scopes of prefixes: those in which a prefix must lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<Prefix>>,
    /// The most hops, the link to this cluster included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u16>,
    /// The preference of what passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<u32>,
    /// Tags added to what passes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub add_tags: BTreeSet<Tag>,
}

/// What is said of one neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NeighbourPolicy {
    /// In place of the global import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<RoutePolicy>,
    /// Beside the global export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<RoutePolicy>,
}

/// How a scope beside the fabric's own is carried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopePolicy {
    /// What is taken; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<RoutePolicy>,
    /// What is told; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<RoutePolicy>,
    /// In place of these, by neighbour.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub neighbours: BTreeMap<ClusterId, NeighbourPolicy>,
}

/// Who may originate what. A cluster may always originate itself, and nobody else may unless it
/// stands here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OriginPolicy {
    /// Clusters beside itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clusters: BTreeSet<ClusterId>,
    /// Suffixes of services; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceName>>,
    /// Prefixes; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<Prefix>>,
}

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FabricPolicy {
    /// What may enter, from neighbours that have no import of their own.
    pub import: RoutePolicy,
    /// What may leave.
    pub export: RoutePolicy,
    /// By neighbour.
    pub neighbours: BTreeMap<ClusterId, NeighbourPolicy>,
    /// Overlays by originating cluster.
    pub clusters: BTreeMap<ClusterId, RoutePolicy>,
    /// Who may originate what; with `strict_origins`, who doesn't stand here may originate only
    /// itself.
    pub origins: BTreeMap<ClusterId, OriginPolicy>,
    /// See `origins`.
    pub strict_origins: bool,
    /// The weights of the score.
    pub scoring: ScoreWeights,
    /// What decides after standing, preference and score; empty: hops, latency, reliability.
    pub tie_breakers: Vec<Criterion>,
    /// Hold-down and damping; off by default.
    pub stability: Stability,
    /// Scopes beside the fabric's own.
    pub carry: BTreeMap<Scope, ScopePolicy>,
}

/// What a policy compiles to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compiled {
    /// The whole policy of the fabric's own table.
    pub fabric: Policy,
    /// For other tables, by scope: their entries of [`Policy::import_of`], keyed `neighbour/NAME`.
    pub import_of: BTreeMap<Scope, BTreeMap<String, Rules>>,
    /// What each neighbour may be told, by (neighbour, scope).
    pub export: BTreeMap<(ClusterId, Scope), Rules>,
}

impl Compiled {
    /// What a neighbour may be told of a scope; of one that isn't carried, nothing.
    pub fn export_to(&self, neighbour: &ClusterId, scope: &Scope) -> Rules {
        let known = self.export.get(&(neighbour.clone(), scope.clone()));
        known.cloned().unwrap_or_else(|| nothing(scope))
    }

    /// What a neighbour may say in a scope beside the fabric's own, with the source that it is; of
    /// one that isn't carried, nothing.
    pub fn import_from(&self, neighbour: &ClusterId, scope: &Scope) -> (String, Rules) {
        let source = source_of(neighbour);
        let known = self.import_of.get(scope).and_then(|lists| lists.get(&source));
        let rules = known.cloned().unwrap_or_else(|| nothing(scope));
        (source, rules)
    }
}

/// What becomes of a scope that isn't carried.
fn nothing(scope: &Scope) -> Rules {
    let rule = compile::deny(&format!("carry.{scope}"), rutter_rib::Match::default());
    Rules { rules: vec![rule], default: None }
}

/// The text of a neighbour's source.
pub(crate) fn source_of(neighbour: &ClusterId) -> String {
    format!("neighbour/{neighbour}")
}

/// Why a route is denied, by the name of the rule that did it.
pub(crate) fn reason_of(rule: &str) -> Reason {
    match rule {
        compile::ORIGIN => Reason::NotAuthorized,
        name if name.ends_with(".max_hops") => Reason::PolicyMetrics,
        _ => Reason::Policy,
    }
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct FabricPolicyError {
    /// Which field.
    pub field: String,
    /// What was expected.
    pub why: String,
}

impl FabricPolicy {
    /// Compiles it for a cluster with these neighbours, whose links cost that.
    ///
    /// # Errors
    /// A policy that contradicts itself; the field is named.
    pub fn compile(
        &self,
        own: &ClusterId,
        fabric: &Scope,
        links: &BTreeMap<ClusterId, Metrics>,
    ) -> Result<Compiled, FabricPolicyError> {
        compile::compile(self, own, fabric, links)
    }
}
