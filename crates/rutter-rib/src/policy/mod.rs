//! What a table is told to do: rules, criteria, stability, bounds.
//!
//! These types are also the form in which the configuration file says it: unknown keys are
//! refused, durations are seconds or `10s`, `5m`, `1h` texts.

mod damping;
mod matching;
mod over;
mod rules;
pub(crate) mod score;

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_route::{Criterion, DestinationKind, NextHop};
use serde::{Deserialize, Serialize};

pub use damping::{Damping, FlapLimit, Stability};
pub(crate) use damping::{FlapState, Flapped};
pub use matching::{Match, PathListMatch, PrefixMatch, TagMatch};
pub use over::Over;
pub(crate) use rules::Subject;
pub use rules::{Action, Rule, Rules, Then};
pub use score::ScoreWeights;

/// Whether a route needs somebody's word before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// No.
    #[default]
    None,
    /// Yes: a person's approval, or a rule's whose action says `approve`.
    Required,
}

/// What a withdrawal does to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnWithdraw {
    /// It is cleared: advertised again, the route needs a word again.
    #[default]
    Clear,
    /// It stays.
    Keep,
}

/// What is selected where even the best candidate is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllUnhealthy {
    /// The best anyway: it may work.
    #[default]
    Best,
    /// The incumbent while it is a candidate, else none.
    Incumbent,
}

/// Kinds of next hops, for saying which must be resolved by another table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HopKind {
    /// A router's address.
    Address,
    /// A service's endpoint.
    Endpoint,
    /// A folder of files.
    Files,
    /// A node.
    Node,
    /// A peer.
    Peer,
    /// A tunnel.
    Tunnel,
    /// A cluster.
    Cluster,
    /// Nowhere.
    Discard,
}

impl HopKind {
    /// The kind of a next hop.
    pub fn of(hop: &NextHop) -> Self {
        match hop {
            NextHop::Address(_) => Self::Address,
            NextHop::Endpoint(_) => Self::Endpoint,
            NextHop::Files(_) => Self::Files,
            NextHop::Node(_) => Self::Node,
            NextHop::Peer(_) => Self::Peer,
            NextHop::Tunnel(_) => Self::Tunnel,
            NextHop::Cluster(_) => Self::Cluster,
            NextHop::Discard => Self::Discard,
        }
    }
}

/// How much of everything a table holds. Over a source's or an owner's bound the newcomer is
/// refused; over a destination's the last in rank gives way, barred ones first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Sources.
    pub sources: usize,
    /// Routes of one source.
    pub per_source: usize,
    /// Routes of all sources of one owner.
    pub per_owner: usize,
    /// Candidates of one destination.
    pub per_destination: usize,
    /// Routes of one source to one destination.
    pub paths: usize,
    /// Events kept in all.
    pub events: usize,
    /// Events kept of one destination; one more makes the oldest quarter go.
    pub events_per_destination: usize,
    /// Withdrawn or flapping routes remembered for hold-down and damping.
    pub held: usize,
    /// Decisions kept.
    pub decisions: usize,
    /// Views.
    pub views: usize,
    /// Evicted claims remembered, to be asked for when there is room.
    pub asks: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            sources: 200_000,
            per_source: 2_000_000,
            per_owner: 4_000_000,
            per_destination: 64,
            paths: 64,
            events: 16_384,
            events_per_destination: 64,
            held: 100_000,
            decisions: 1_000_000,
            views: 64,
            asks: 10_000,
        }
    }
}

/// Everything that a table is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Rules for what may enter. The default is `accept`.
    pub import: Rules,
    /// Rules of single sources, by their text `KIND/NAME` or by `KIND`; where one matches it is
    /// asked first, and what it leaves open falls back to `import`.
    pub import_of: BTreeMap<String, Rules>,
    /// The criteria by which candidates are ranked, first decides; identity follows always. Empty:
    /// those of the table's kind.
    pub criteria: Vec<Criterion>,
    /// How the score is weighed.
    pub score: ScoreWeights,
    /// Hold-down and damping; off unless said.
    pub stability: Stability,
    /// Whether a route needs a word before it is used.
    pub approval: Approval,
    /// What a withdrawal does to an approval.
    pub on_withdraw: OnWithdraw,
    /// What a rule approved is taken back when no rule approves it any more.
    pub strict: bool,
    /// A destination with authorized routes but no best falls through to a shorter prefix, where
    /// it is `unreachable` otherwise.
    pub fall_through: bool,
    /// What is selected where even the best is unhealthy.
    pub all_unhealthy: AllUnhealthy,
    /// The kinds of next hops that are unresolved until somebody says otherwise.
    pub resolve: Vec<HopKind>,
    /// How much of everything.
    pub bounds: Bounds,
}

impl Policy {
    /// The criteria in force for a table of this kind: the configured ones, or those that the
    /// design gives the kind; identity always closes the list.
    pub fn criteria_for(&self, kind: DestinationKind) -> Vec<Criterion> {
        use Criterion::{Equal, Hops, Latency, Metric, Preference, Priority, Reliability, Score};
        let mut criteria = match kind {
            _ if !self.criteria.is_empty() => self.criteria.clone(),
            DestinationKind::Service => vec![Criterion::Standing, Preference, Priority, Equal],
            DestinationKind::Prefix => vec![Criterion::Standing, Preference, Metric, Equal],
            DestinationKind::Cluster => {
                vec![Criterion::Standing, Preference, Score, Hops, Latency, Reliability]
            }
        };
        if criteria.last() != Some(&Criterion::Identity) {
            criteria.push(Criterion::Identity);
        }
        criteria
    }

    /// Whether best routes are remembered: a criterion or the answer to unhealthiness sticks.
    pub(crate) fn sticks(&self, criteria: &[Criterion]) -> bool {
        criteria.contains(&Criterion::Incumbent) || self.all_unhealthy == AllUnhealthy::Incumbent
    }

    /// Checks what types alone can't.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn check(&self) -> Result<(), PolicyError> {
        let error = |field: &str, why: &str| Err(PolicyError::new(field, why));
        let n_equal = self.criteria.iter().filter(|c| **c == Criterion::Equal).count();
        if n_equal > 1 {
            return error("criteria", "the mark `equal` stands once");
        }
        let identity = self.criteria.iter().position(|c| *c == Criterion::Identity);
        if identity.is_some_and(|at| at + 1 != self.criteria.len()) {
            return error("criteria", "`identity` leaves nothing to decide: it is the last");
        }
        let mut seen = Vec::new();
        for criterion in &self.criteria {
            if seen.contains(criterion) {
                return error("criteria", "a criterion stands twice");
            }
            seen.push(*criterion);
        }
        let bounds = &self.bounds;
        let least = [
            ("bounds.sources", bounds.sources),
            ("bounds.per_source", bounds.per_source),
            ("bounds.per_owner", bounds.per_owner),
            ("bounds.per_destination", bounds.per_destination),
            ("bounds.paths", bounds.paths),
            ("bounds.events", bounds.events),
            ("bounds.events_per_destination", bounds.events_per_destination),
        ];
        for (field, bound) in least {
            if bound == 0 {
                return error(field, "a bound is at least 1");
            }
        }
        if bounds.per_destination > 4096 {
            return error("bounds.per_destination", "at most 4096: each is ranked at every change");
        }
        for (source, rules) in &self.import_of {
            let kind = source.split_once('/').map_or(source.as_str(), |(kind, _)| kind);
            if kind.parse::<rutter_route::SourceKind>().is_err() {
                return error(&format!("import_of.{source}"), "expected `KIND` or `KIND/NAME`");
            }
            let at = format!("import_of.{source}");
            rules.check(&at)?;
            rules.check_import(&at)?;
        }
        self.import.check("import")?;
        self.import.check_import("import")?;
        self.stability.check()
    }
}

/// A policy that contradicts itself. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct PolicyError {
    /// Which field, as a path from the policy.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl PolicyError {
    pub(crate) fn new(field: &str, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

/// Durations in policy: whole seconds, or a number with `ms`, `s`, `m` or `h`.
pub(crate) mod seconds {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        match value.subsec_millis() {
            0 => s.collect_str(&format_args!("{}s", value.as_secs())),
            _ => s.collect_str(&format_args!("{}ms", value.as_millis())),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Seconds(u64),
            Text(String),
        }
        match Raw::deserialize(d)? {
            Raw::Seconds(n) => Ok(Duration::from_secs(n)),
            Raw::Text(text) => parse(&text).ok_or_else(|| {
                de::Error::custom(format!("`{text}` is not a duration such as `10s` or `5m`"))
            }),
        }
    }

    fn parse(text: &str) -> Option<Duration> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at_checked(digits)?;
        let number = number.parse::<u64>().ok()?;
        let millis = match unit {
            "ms" => 1,
            "s" | "" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        number.checked_mul(millis).map(Duration::from_millis)
    }
}
