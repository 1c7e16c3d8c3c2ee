//! The book: all tables of one process, and how they hang together.
//!
//! A table *resolves through* another where its next hops are destinations there: a service of
//! another cluster is `Unresolved` while `fabric` has no best route to that cluster. A table
//! *feeds* another of its kind where its best routes are claims there, under an export policy.
//! Each step of a feed appends (cluster, table) to the path list, and a list that names the
//! receiver is a loop and refused; so two tables may feed each other. Resolving has no such
//! brake: a chain of "resolves through", with feeds in it or not, that comes back to where it
//! began is refused when the book is made.
//!
//! [`Book::advance`] walks the tables once, lower ones first: what a commit of one changes reaches
//! those above in the same walk.

mod explain;
mod feed;
mod order;
mod resolve;

use std::collections::BTreeMap;

use rutter_route::{
    ClusterId, Deadline, Destination, DestinationKind, Now, Prefix, Service, TableName,
};

use crate::policy::{HopKind, Policy, PolicyError, Rules};
use crate::table::{Changes, Progress, Table};

use feed::Feeding;
use resolve::Resolving;

/// A table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: TableName,
    /// Of what kind its destinations are.
    pub kind: DestinationKind,
    /// What it is told to do.
    pub policy: Policy,
}

/// Next hops of one kind in one table are destinations of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// Whose next hops.
    pub table: TableName,
    /// Which of them: `Cluster` through a table of clusters, `Address` and `Endpoint` (with an
    /// address for a host) through a table of prefixes.
    pub hops: HopKind,
    /// Where they are looked up.
    pub through: TableName,
}

/// The best routes of one table are claims in another of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Whose best.
    pub from: TableName,
    /// Where they are claims.
    pub to: TableName,
    /// What may pass, and what becomes of it.
    pub export: Rules,
}

/// What is wrong with a book. None was made, or nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// Two tables of one name.
    #[error("the table `{0}` stands twice")]
    Twice(TableName),
    /// A feed or a look-up names a table that isn't there, or not of the kind it must be.
    #[error("{what} names the table `{table}`: {expected}")]
    NoTable {
        /// What names it.
        what: String,
        /// Which.
        table: TableName,
        /// What it would have to be.
        expected: String,
    },
    /// Tables resolve through each other in a circle.
    #[error("tables resolve in a circle: {0}")]
    Circle(String),
    /// A policy contradicts itself.
    #[error("table `{table}`: {error}")]
    Policy {
        /// Whose.
        table: TableName,
        /// What is wrong.
        error: PolicyError,
    },
}

/// What one [`Book::advance`] changed, by table.
#[derive(Debug, Default)]
pub struct BookChanges {
    prefixes: BTreeMap<TableName, Changes<Prefix>>,
    services: BTreeMap<TableName, Changes<Service>>,
    clusters: BTreeMap<TableName, Changes<ClusterId>>,
}

impl BookChanges {
    /// What changed in a table.
    pub fn of<D: Kind>(&self, table: &TableName) -> Option<&Changes<D>> {
        D::changes(self).get(table)
    }

    /// Empties it, and keeps the room.
    pub fn clear(&mut self) {
        self.prefixes.values_mut().for_each(Changes::clear);
        self.services.values_mut().for_each(Changes::clear);
        self.clusters.values_mut().for_each(Changes::clear);
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.prefixes.values().all(Changes::is_empty)
            && self.services.values().all(Changes::is_empty)
            && self.clusters.values().all(Changes::is_empty)
    }
}

/// The tables of one kind in a book; sealed by being implemented for the three kinds here.
pub trait Kind: Destination {
    #[doc(hidden)]
    fn tables(book: &Book) -> &BTreeMap<TableName, Table<Self>>;
    #[doc(hidden)]
    fn tables_mut(book: &mut Book) -> &mut BTreeMap<TableName, Table<Self>>;
    #[doc(hidden)]
    fn feeds(book: &Book) -> &Vec<Feeding<Self>>;
    #[doc(hidden)]
    fn feeds_mut(book: &mut Book) -> &mut Vec<Feeding<Self>>;
    #[doc(hidden)]
    fn changes(changes: &BookChanges) -> &BTreeMap<TableName, Changes<Self>>;
    #[doc(hidden)]
    fn changes_mut(changes: &mut BookChanges) -> &mut BTreeMap<TableName, Changes<Self>>;
}

macro_rules! kind {
    ($type:ty, $tables:ident, $feeds:ident) => {
        impl Kind for $type {
            fn tables(book: &Book) -> &BTreeMap<TableName, Table<Self>> {
                &book.$tables
            }
            fn tables_mut(book: &mut Book) -> &mut BTreeMap<TableName, Table<Self>> {
                &mut book.$tables
            }
            fn feeds(book: &Book) -> &Vec<Feeding<Self>> {
                &book.$feeds
            }
            fn feeds_mut(book: &mut Book) -> &mut Vec<Feeding<Self>> {
                &mut book.$feeds
            }
            fn changes(changes: &BookChanges) -> &BTreeMap<TableName, Changes<Self>> {
                &changes.$tables
            }
            fn changes_mut(changes: &mut BookChanges) -> &mut BTreeMap<TableName, Changes<Self>> {
                &mut changes.$tables
            }
        }
    };
}
kind!(Prefix, prefixes, prefix_feeds);
kind!(Service, services, service_feeds);
kind!(ClusterId, clusters, cluster_feeds);

/// See the module's head.
#[derive(Debug)]
pub struct Book {
    cluster: ClusterId,
    prefixes: BTreeMap<TableName, Table<Prefix>>,
    services: BTreeMap<TableName, Table<Service>>,
    clusters: BTreeMap<TableName, Table<ClusterId>>,
    prefix_feeds: Vec<Feeding<Prefix>>,
    service_feeds: Vec<Feeding<Service>>,
    cluster_feeds: Vec<Feeding<ClusterId>>,
    resolves: Vec<Resolving>,
    /// The tables, lower ones first.
    order: Vec<(DestinationKind, TableName)>,
}

impl Book {
    /// A book of these tables.
    ///
    /// # Errors
    /// Names that stand twice or lead nowhere, kinds that don't fit, circles, policies that
    /// contradict themselves.
    pub fn new(
        cluster: ClusterId,
        tables: Vec<TableSpec>,
        resolves: Vec<Resolve>,
        feeds: Vec<Feed>,
        now: Now,
        seed: u64,
    ) -> Result<Self, BookError> {
        let order = order::of(&tables, &resolves, &feeds)?;
        let mut book = Self {
            cluster,
            prefixes: BTreeMap::new(),
            services: BTreeMap::new(),
            clusters: BTreeMap::new(),
            prefix_feeds: Vec::new(),
            service_feeds: Vec::new(),
            cluster_feeds: Vec::new(),
            resolves: resolves.into_iter().map(Resolving::new).collect(),
            order,
        };
        for spec in tables {
            match spec.kind {
                DestinationKind::Prefix => book.add::<Prefix>(spec, now, seed)?,
                DestinationKind::Service => book.add::<Service>(spec, now, seed)?,
                DestinationKind::Cluster => book.add::<ClusterId>(spec, now, seed)?,
            }
        }
        for feed in feeds {
            let kind =
                book.order.iter().find(|(_, name)| *name == feed.from).map(|(kind, _)| *kind);
            match kind {
                Some(DestinationKind::Prefix) => book.add_feed::<Prefix>(feed, now, seed),
                Some(DestinationKind::Service) => book.add_feed::<Service>(feed, now, seed),
                Some(DestinationKind::Cluster) => book.add_feed::<ClusterId>(feed, now, seed),
                None => {}
            }
        }
        Ok(book)
    }

    fn add<D: Kind>(&mut self, spec: TableSpec, now: Now, seed: u64) -> Result<(), BookError> {
        let policy = self.with_resolves(&spec.name, spec.policy);
        let name = spec.name;
        let table = Table::new(name.clone(), self.cluster.clone(), policy, now, seed)
            .map_err(|error| BookError::Policy { table: name.clone(), error })?;
        D::tables_mut(self).insert(name, table);
        Ok(())
    }

    /// What resolves through another table starts unresolved.
    fn with_resolves(&self, table: &TableName, mut policy: Policy) -> Policy {
        for link in self.resolves.iter().filter(|r| r.spec.table == *table) {
            if !policy.resolve.contains(&link.spec.hops) {
                policy.resolve.push(link.spec.hops);
            }
        }
        policy
    }

    /// This cluster's name.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The tables and their kinds, lower ones first.
    pub fn tables(&self) -> &[(DestinationKind, TableName)] {
        &self.order
    }

    /// A table of a kind.
    pub fn table<D: Kind>(&self, name: &TableName) -> Option<&Table<D>> {
        D::tables(self).get(name)
    }

    /// A table of a kind, to be told something.
    pub fn table_mut<D: Kind>(&mut self, name: &TableName) -> Option<&mut Table<D>> {
        D::tables_mut(self).get_mut(name)
    }

    /// A table of prefixes.
    pub fn prefixes(&mut self, name: &str) -> Option<&mut Table<Prefix>> {
        self.table_mut(&name.parse().ok()?)
    }

    /// A table of services.
    pub fn services(&mut self, name: &str) -> Option<&mut Table<Service>> {
        self.table_mut(&name.parse().ok()?)
    }

    /// A table of clusters.
    pub fn clusters(&mut self, name: &str) -> Option<&mut Table<ClusterId>> {
        self.table_mut(&name.parse().ok()?)
    }

    /// The policy in force in a table; `None`: there is no such table.
    pub fn policy(&self, table: &TableName) -> Option<&Policy> {
        let prefixes = self.prefixes.get(table).map(Table::policy);
        let services = self.services.get(table).map(Table::policy);
        prefixes.or(services).or_else(|| self.clusters.get(table).map(Table::policy))
    }

    /// Takes a policy into force in a table; what it resolves through other tables stays.
    ///
    /// # Errors
    /// A policy that contradicts itself, or a table that isn't there.
    pub fn set_policy(
        &mut self,
        now: Now,
        table: &TableName,
        policy: Policy,
    ) -> Result<(), BookError> {
        let policy = self.with_resolves(table, policy);
        let set = if let Some(t) = self.prefixes.get_mut(table) {
            t.set_policy(now, policy)
        } else if let Some(t) = self.services.get_mut(table) {
            t.set_policy(now, policy)
        } else if let Some(t) = self.clusters.get_mut(table) {
            t.set_policy(now, policy)
        } else {
            return Err(BookError::NoTable {
                what: "the new policy".into(),
                table: table.clone(),
                expected: "there is no such table".into(),
            });
        };
        set.map_err(|error| BookError::Policy { table: table.clone(), error })
    }

    /// Ends what is due, goes on with walks and commits, `budget` entries of each a table; appends
    /// what changed, and carries it on to the tables that resolve through or are fed by those
    /// that changed. Call again while it says `More`.
    pub fn advance(&mut self, now: Now, budget: usize, out: &mut BookChanges) -> Progress {
        let mut progress = Progress::Done;
        for at in 0..self.order.len() {
            let Some((kind, name)) = self.order.get(at).cloned() else { break };
            progress = progress.and(match kind {
                DestinationKind::Prefix => self.advance_table::<Prefix>(now, &name, budget, out),
                DestinationKind::Service => self.advance_table::<Service>(now, &name, budget, out),
                DestinationKind::Cluster => {
                    self.advance_table::<ClusterId>(now, &name, budget, out)
                }
            });
        }
        progress
    }

    fn advance_table<D: Kind>(
        &mut self,
        now: Now,
        name: &TableName,
        budget: usize,
        out: &mut BookChanges,
    ) -> Progress {
        let mut changes = Changes::default();
        // Before the commit, so that a new next hop's routes are never told as unresolved first.
        self.answer_asked::<D>(now, name);
        let Some(table) = D::tables_mut(self).get_mut(name) else { return Progress::Done };
        let mut progress = table.expire(now, budget);
        progress = progress.and(table.work(now, budget));
        progress = progress.and(table.commit(now, budget, &mut changes));
        // Those that the commit itself brought up, by a policy's reload.
        progress = progress.and(self.answer_asked::<D>(now, name));
        self.carry_on(now, name, &changes);
        progress = progress.and(self.feed_from(now, name, &changes, budget));
        let mine = D::changes_mut(out).entry(name.clone()).or_default();
        mine.changes.append(&mut changes.changes);
        mine.ask.append(&mut changes.ask);
        progress
    }

    /// When `advance` is next worth calling although nobody said anything.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let prefixes = self.prefixes.values().filter_map(Table::next_deadline);
        let services = self.services.values().filter_map(Table::next_deadline);
        let clusters = self.clusters.values().filter_map(Table::next_deadline);
        prefixes.chain(services).chain(clusters).min()
    }
}

#[cfg(test)]
mod tests;
