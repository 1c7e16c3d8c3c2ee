//! The answer to *why*.

mod dispute;

use serde::{Deserialize, Serialize};

use crate::event::RouteKey;
use crate::{Attributes, Event, NextHop, Standing, TableName, ViewName, Wall};

pub use dispute::Dispute;

/// One of the criteria by which candidates are ranked, first decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Criterion {
    /// Eligible, then draining, stale, unhealthy.
    Standing,
    /// Local preference: higher first.
    Preference,
    /// The best until now.
    Incumbent,
    /// The source's value, lowest first; for nodes, the lowest id.
    NodeId,
    /// A service's priority: lower first.
    Priority,
    /// A prefix's metric: lower first.
    Metric,
    /// The table's weighing of latency, hops, cost, reliability and bandwidth: lower first.
    Score,
    /// Fewer hops first.
    Hops,
    /// Lower latency first.
    Latency,
    /// Higher reliability first.
    Reliability,
    /// Higher bandwidth first.
    Bandwidth,
    /// Lower cost first.
    Cost,
    /// A mark, not a comparison: what is alike in all before it, and names one group, is equal.
    Equal,
    /// The source's value, then the path id: always last, so equal inputs rank alike everywhere.
    Identity,
}

/// All there is to say about a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation<D> {
    /// Which table.
    pub table: TableName,
    /// The destination.
    pub destination: D,
    /// When it was asked.
    pub at: Wall,
    /// What each view selected.
    pub views: Vec<ViewExplanation>,
    /// Every candidate: ranked ones in order, barred ones behind.
    pub candidates: Vec<CandidateExplanation>,
    /// What happened to it, oldest first, with the events that concern many and caused some of it.
    pub events: Vec<Event<D>>,
    /// What each sink was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<SinkExplanation>,
}

/// What a view selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewExplanation {
    /// Which view.
    pub view: ViewName,
    /// The best, if there is one.
    pub best: Option<RouteKey>,
    /// Those as good as the best, without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equals: Vec<RouteKey>,
    /// The others that are not barred, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<RouteKey>,
    /// The criterion by which the best is before the next, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Criterion>,
    /// There are authorized routes but no best, and the table doesn't fall through.
    pub unreachable: bool,
}

/// All there is to say about a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateExplanation {
    /// Which route.
    pub route: RouteKey,
    /// How it stands.
    pub standing: Standing,
    /// Its place in the default view's list, from 1; `None` if it is barred or filtered.
    pub rank: Option<usize>,
    /// What counts, after policy and decisions.
    pub attributes: Attributes,
    /// What was received, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Attributes>,
    /// Why it isn't best: the first criterion that the best beat it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_by: Option<LostBy>,
    /// Every fact that speaks against it, in the order in which they count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<FactExplanation>,
    /// What policy did with it.
    pub policy: PolicyTrace,
    /// When it came.
    pub since: Wall,
    /// Milliseconds until its lease ends, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
    /// Where its next hop was resolved, if another table was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<HopExplanation>,
    /// What each observer says of its health.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<String>,
}

/// The first criterion by which one was beaten, and both values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostBy {
    /// Which.
    pub criterion: Criterion,
    /// The loser's value.
    pub mine: String,
    /// The best's.
    pub best: String,
}

/// A fact that speaks against a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactExplanation {
    /// Which standing it would give.
    pub fact: Standing,
    /// What was seen, or who said so.
    pub reason: String,
    /// Milliseconds until it ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_ms: Option<u64>,
}

/// What policy did with a route: the rules that matched, in order, and what ended it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyTrace {
    /// Whether it may enter.
    pub accepted: bool,
    /// Rules that matched, by name, in order, with what they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched: Vec<String>,
    /// What decided: a rule, or the default.
    pub decided_by: String,
}

/// How a next hop was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopExplanation {
    /// Which next hop.
    pub hop: NextHop,
    /// The table that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableName>,
    /// Why it can't be reached; `None` if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// The explanation in that table, as lines for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// What a sink was told of the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkExplanation {
    /// Which sink.
    pub sink: String,
    /// The number of what it was told last; `None` if nothing.
    pub told: Option<u64>,
    /// Whether it must still be told something.
    pub behind: bool,
    /// Why it refused what it was told, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
