//! What a source says over a link, and what came of it, in Rutter's words.

use std::time::Duration;

use rutter_rib::Batch;
use rutter_route::{AnyDestination, ClusterId, PathId, Prefix, Service, Standing, TableName};

/// Batches of any family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyBatch {
    /// Prefixes.
    Prefix(Batch<Prefix>),
    /// Services.
    Service(Batch<Service>),
    /// Clusters.
    Cluster(Batch<ClusterId>),
}

/// Something that a source says: its snapshot's beginning, advertisements and withdrawals, its
/// snapshot's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUpdate {
    /// Into which table.
    pub table: TableName,
    /// Which of the speaker's sources, where it has several.
    pub source: String,
    /// What. Routes without a source of their own have the speaker's.
    pub batch: AnyBatch,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceReport {
    /// How long it stands unless it is said again; `None`: as long as the session.
    pub lease: Option<Duration>,
    /// When to say it again; with a lease.
    pub renew: Option<Duration>,
    /// How each route fares that the accepter has a word about.
    pub outcomes: Vec<Outcome>,
}

/// How one route fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its destination; `None` for what couldn't be understood so far.
    pub destination: Option<AnyDestination>,
    /// Its path id.
    pub path: PathId,
    /// How it stands, or why it was refused.
    pub is: Result<Standing, String>,
}

impl AnyBatch {
    /// Whether it is a snapshot from beginning to end.
    pub fn is_whole(&self) -> bool {
        let (begins, ends) = match self {
            Self::Prefix(batch) => (batch.begin_snapshot, batch.end_of_snapshot),
            Self::Service(batch) => (batch.begin_snapshot, batch.end_of_snapshot),
            Self::Cluster(batch) => (batch.begin_snapshot, batch.end_of_snapshot),
        };
        begins && ends
    }
}
