//! What a source says over a link, and what came of it, in Rutter's words.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::{
    AnyDestination, Attributes, ClusterId, PathId, Prefix, RouteKey, Service, SourceId, Standing,
    TableName,
};

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

impl SourceUpdate {
    /// All the services that a source has; none is a withdrawal. Routes are by the speaker, whom
    /// the accepter knows: `by` is only what they are called on the way.
    pub fn services(
        table: TableName,
        source: String,
        by: &SourceId,
        routes: impl IntoIterator<Item = (Service, PathId, Attributes)>,
    ) -> Self {
        Self { table, source, batch: AnyBatch::Service(whole(by, routes)) }
    }

    /// All the prefixes that a source has, as [`SourceUpdate::services`]. The next hop of each is
    /// where the source wants its packets sent to.
    pub fn prefixes(
        table: TableName,
        source: String,
        by: &SourceId,
        routes: impl IntoIterator<Item = (Prefix, PathId, Attributes)>,
    ) -> Self {
        Self { table, source, batch: AnyBatch::Prefix(whole(by, routes)) }
    }
}

/// A snapshot from its beginning to its end.
fn whole<D: Ord>(
    by: &SourceId,
    routes: impl IntoIterator<Item = (D, PathId, Attributes)>,
) -> Batch<D> {
    let mut of_each: BTreeMap<D, Vec<ToldRoute>> = BTreeMap::new();
    for (destination, path, attributes) in routes {
        let route = RouteKey { source: by.clone(), path };
        let standing = Standing::Eligible;
        let told = ToldRoute { route, attributes, standing, equal: false };
        of_each.entry(destination).or_default().push(told);
    }
    let tells = of_each.into_iter();
    let tells =
        tells.map(|(destination, routes)| Tell::Advertise { number: 0, destination, routes });
    Batch { tells: tells.collect(), begin_snapshot: true, end_of_snapshot: true, more: false }
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

impl SourceReport {
    /// When to say it again: as it was asked for, and whatever was, before the lease is half over.
    pub fn renew_within(&self) -> Option<Duration> {
        let half = self.lease.map(|lease| lease / 2);
        [self.renew, half].into_iter().flatten().min()
    }
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
