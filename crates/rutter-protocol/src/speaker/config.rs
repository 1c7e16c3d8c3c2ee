//! What a speaker is told at the start, and what may be said anew while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_route::{ClusterId, DestinationKind, TableName, Tags};
use serde::{Deserialize, Serialize};

use crate::claims::ClaimLimits;
use crate::link::LinkSettings;
use crate::policy::FabricPolicy;
use crate::wire::{Metrics, Scope};

/// A table that is carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeSpec {
    /// Under which name neighbours know it.
    pub scope: Scope,
    /// Which table it is here.
    pub table: TableName,
    /// What kind of destinations it has.
    pub kind: DestinationKind,
}

/// A neighbour, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NeighbourSpec {
    /// What is known of the link beforehand.
    pub link: Metrics,
    /// Where its gateway or host is reached in the data plane, as a next hop; `None`: by name,
    /// `cluster:NAME`.
    pub next_hop: Option<rutter_route::NextHop>,
    /// Tags by which policy knows it.
    pub tags: Tags,
    /// The most routes that are taken of it, a scope.
    pub max_routes: usize,
    /// At which share of that a warning is given, in percent.
    pub warn_percent: u8,
    /// The least time between two advertisements of one destination to it.
    pub pacing: Duration,
    /// How many paths of a destination it is told, if it wants as many.
    pub paths: u8,
}

impl Default for NeighbourSpec {
    fn default() -> Self {
        Self {
            link: Metrics { hops: 1, ..Metrics::default() },
            next_hop: None,
            tags: Tags::default(),
            max_routes: 1_000_000,
            warn_percent: 80,
            pacing: Duration::ZERO,
            paths: 1,
        }
    }
}

/// How what this cluster says is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// Not at all.
    Off,
    /// Each message.
    Each,
    /// One signature a batch.
    #[default]
    Batch,
}

/// What has to be signed, and what is refused. Each has its own switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// What neighbours say has to be signed.
    pub require_signatures: bool,
    /// What originators claim has to be signed by them.
    pub require_claims: bool,
    /// How this cluster signs.
    pub signing: Signing,
    /// By how much two clocks may differ.
    pub skew: Duration,
    /// How long a claim of this cluster counts; it is signed again at a third.
    pub claim_life: Duration,
    /// How long after a cluster's rotation its old key counts.
    pub key_overlap: Duration,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            require_signatures: true,
            require_claims: true,
            signing: Signing::Batch,
            skew: Duration::from_secs(300),
            claim_life: Duration::from_secs(24 * 3600),
            key_overlap: Duration::from_secs(60),
        }
    }
}

impl Security {
    /// The seed's defaults, `profile: open`: nothing is signed and nothing has to be.
    pub fn open() -> Self {
        Self {
            require_signatures: false,
            require_claims: false,
            signing: Signing::Off,
            ..Self::default()
        }
    }
}

/// What a speaker is told at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerConfig {
    /// This cluster.
    pub cluster: ClusterId,
    /// This boot: greater than in any life before.
    pub incarnation: u64,
    /// The tables that are carried; the fabric's own among them.
    pub scopes: Vec<ScopeSpec>,
    /// Whom it may speak with.
    pub neighbours: BTreeMap<ClusterId, NeighbourSpec>,
    /// Tags of this cluster's own claim on itself.
    pub tags: Tags,
    /// Where this cluster's gateway takes what is forwarded to it; empty: it has none.
    pub gateway: String,
    /// What has to be signed.
    pub security: Security,
    /// The policy.
    pub policy: FabricPolicy,
    /// How measurements of links count.
    pub links: LinkSettings,
    /// Bounds of claims.
    pub claims: ClaimLimits,
    /// The longest that a neighbour's announced restart is waited for.
    pub max_restart: Duration,
    /// How long routes of a lost neighbour are kept as offline before they are forgotten.
    pub forget: Duration,
    /// Whether each route that is taken in or told is an event for the log (level debug). Off, a
    /// million routes cost no event.
    pub log_routes: bool,
    /// Seeds the hash tables.
    pub seed: u64,
}
