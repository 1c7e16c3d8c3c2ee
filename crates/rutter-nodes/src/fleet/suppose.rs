//! What another policy would change: tried on a copy, by the very code that would do it.
//!
//! The nodes, their rows and who is there are copied, a few at a time, into a table of its own. That
//! is taken under the policy in force and then under the other, and what differs between the two is
//! the answer. So nothing has to be said twice of how rules approve, how routers are elected or who
//! is told what; and the owner of the book does nothing but the copying. Rejected: asking the table
//! for each of the three, which has no answer for maps and would need one for each of its parts.
//!
//! What a router's flaps hold back is not copied: it is as if all were calm.

use std::collections::{BTreeMap, BTreeSet};

use rutter_rib::{Changes, Table, ViewId};
use rutter_route::{ClusterId, Health, NodeId, Now, Observer, PathId, Prefix, Standing};

use super::routes::PolicyDiff;
use super::state::State;
use super::{FleetError, Inner};
use crate::election::{self, Settings};
use crate::map::{Class, Mapper, NetworkMap};
use crate::nodes::StoredNode;
use crate::policy::{AutoApprovers, PolicyFile};
use crate::{Nodes, NodesError};

/// The longest list of a [`PolicyDiff`].
const MOST: usize = 1000;

/// How many nodes are copied in one visit to the owner of the book.
const AT_ONCE: usize = 64;

/// A node as it is copied.
struct Copied {
    stored: StoredNode,
    online: bool,
}

impl Inner {
    pub(super) async fn suppose(&self, file: PolicyFile) -> Result<PolicyDiff, FleetError> {
        let (mut copied, mut after) = (Vec::new(), None);
        loop {
            let slice = self.look(move |state, table, _| copy(state, table, after)).await?;
            after = slice.last().map(|copied| copied.stored.node.id).or(after);
            let is_last = slice.len() < AT_ONCE;
            copied.extend(slice);
            if is_last {
                break;
            }
        }
        let read = |state: &mut State, table: &Table<Prefix>, now: Now| {
            (state.policy.clone(), table.cluster().clone(), now)
        };
        let (before, cluster, now) = self.look(read).await?;
        let (settings, name, seed) =
            (self.config().election.clone(), self.table.clone(), self.seed);
        let tried = tokio::task::spawn_blocking(move || {
            let mut supposed = Supposed::new(now, name, cluster, &settings, copied, seed)?;
            let none = PolicyFile::default();
            let old = supposed.under(&before, &none, &settings, seed)?;
            let new = supposed.under(&file, &before, &settings, seed)?;
            Ok(difference(&old, &new))
        });
        tried.await.map_err(|_| rutter_registry::Error::Closed)?
    }
}

fn copy(state: &State, table: &Table<Prefix>, after: Option<NodeId>) -> Vec<Copied> {
    let behind = state.nodes.behind(after).take(AT_ONCE);
    let copied = behind.filter_map(|node| {
        let stored = state.nodes.stored(table, node.id).ok()?;
        Some(Copied { online: table.speaks(&node.source()), stored })
    });
    copied.collect()
}

/// The copy.
struct Supposed {
    now: Now,
    table: Table<Prefix>,
    nodes: Nodes,
}

/// How it is under one policy.
struct Outcome {
    enabled: BTreeSet<(NodeId, Prefix)>,
    primaries: BTreeMap<Prefix, NodeId>,
    /// What each node is told: by its place among the maps.
    readers: BTreeMap<NodeId, usize>,
    maps: Vec<NetworkMap>,
}

impl Supposed {
    fn new(
        now: Now,
        name: rutter_route::TableName,
        cluster: ClusterId,
        settings: &Settings,
        copied: Vec<Copied>,
        seed: u64,
    ) -> Result<Self, FleetError> {
        let calm = Settings { damping: None, ..settings.clone() };
        let policy = calm.policy(&AutoApprovers::default());
        let table = Table::new(name, cluster, policy, now, seed);
        let table = table.map_err(crate::policy::EnforceError::from)?;
        let mut supposed = Self { now, table, nodes: Nodes::default() };
        for Copied { stored, online } in copied {
            supposed.take(&stored, online)?;
        }
        Ok(supposed)
    }

    /// A node as it stands: its primaries are incumbents like any others.
    fn take(&mut self, stored: &StoredNode, online: bool) -> Result<(), NodesError> {
        let Self { now, table, nodes } = self;
        nodes.restore(*now, table, stored, std::time::Duration::ZERO)?;
        let id = stored.node.id;
        if online {
            nodes.connect(*now, table, id, stored.incarnation)?;
        }
        let source = stored.node.source();
        let sick = stored.rows.iter().filter(|row| row.standing == Some(Standing::Unhealthy));
        for row in sick {
            let by = Observer { name: "copied".into(), acts: true };
            let is = Health::Unhealthy { why: "as it is now".into(), until: None };
            table.health(*now, &by, &source, Some((&row.prefix, &PathId::default())), is);
        }
        Ok(())
    }

    fn under(
        &mut self,
        file: &PolicyFile,
        before: &PolicyFile,
        settings: &Settings,
        seed: u64,
    ) -> Result<Outcome, FleetError> {
        let calm = Settings { damping: None, ..settings.clone() };
        file.enforce(self.now, &mut self.table, &calm, before, seed)?;
        self.settle();
        let Self { now, table, nodes } = self;
        let rows: Vec<_> = nodes.rows(table).collect();
        let enabled = rows.iter().filter(|row| row.enabled);
        let enabled: BTreeSet<_> = enabled.map(|row| (row.node, row.prefix)).collect();
        let prefixes: BTreeSet<Prefix> = rows.iter().map(|row| row.prefix).collect();
        let primary = |p: &Prefix| Some((*p, election::primary(table, p, ViewId::DEFAULT)?));
        let primaries = prefixes.iter().filter_map(primary).collect();
        let mapper = Mapper::new(now.wall, nodes, &file.access, table);
        let networks = mapper.networks(table);
        let mut of_class: BTreeMap<Class, usize> = BTreeMap::new();
        let (mut readers, mut maps) = (BTreeMap::new(), Vec::new());
        for node in nodes.iter() {
            let Some(class) = mapper.class_of(nodes, table, node.id) else { continue };
            let at = *of_class.entry(class.clone()).or_insert_with(|| {
                maps.push(mapper.map(table, &class, &networks));
                maps.len() - 1
            });
            readers.insert(node.id, at);
        }
        Ok(Outcome { enabled, primaries, readers, maps })
    }

    /// Nothing is left to be done in the table.
    fn settle(&mut self) {
        let mut changes = Changes::default();
        loop {
            let table = &mut self.table;
            let worked = table.work(self.now, rutter_rib::SLICE);
            let committed = table.commit(self.now, rutter_rib::SLICE, &mut changes);
            changes.clear();
            if worked.and(committed).is_done() {
                return;
            }
        }
    }
}

impl Outcome {
    /// Where a node is told that it may send packets to.
    fn told(&self, reader: NodeId) -> BTreeSet<Prefix> {
        let Some(map) = self.readers.get(&reader).and_then(|at| self.maps.get(*at)) else {
            return BTreeSet::new();
        };
        let routes = map.routes.iter().filter(|(_, router)| **router != reader);
        let mut told: BTreeSet<Prefix> = routes.map(|(prefix, _)| *prefix).collect();
        for (_, exit) in map.exits.iter().filter(|(node, _)| **node != reader) {
            let families = [(exit.v4, Prefix::DEFAULT_V4), (exit.v6, Prefix::DEFAULT_V6)];
            told.extend(families.iter().filter(|(is, _)| *is).map(|(_, prefix)| *prefix));
        }
        told
    }
}

fn difference(old: &Outcome, new: &Outcome) -> PolicyDiff {
    let mut diff = PolicyDiff::default();
    let mut cut = false;
    diff.approved = bounded(new.enabled.difference(&old.enabled).copied(), &mut cut);
    diff.revoked = bounded(old.enabled.difference(&new.enabled).copied(), &mut cut);
    let prefixes: BTreeSet<Prefix> =
        old.primaries.keys().chain(new.primaries.keys()).copied().collect();
    let moved = prefixes.into_iter().map(|prefix| {
        let primary = |of: &Outcome| of.primaries.get(&prefix).copied();
        (prefix, primary(old), primary(new))
    });
    diff.moved = bounded(moved.filter(|(_, from, to)| from != to), &mut cut);
    let readers: BTreeSet<NodeId> = old.readers.keys().chain(new.readers.keys()).copied().collect();
    for reader in readers {
        if diff.gained.len() >= MOST && diff.lost.len() >= MOST {
            cut = true;
            break;
        }
        let (before, after) = (old.told(reader), new.told(reader));
        diff.gained.extend(after.difference(&before).map(|prefix| (reader, *prefix)));
        diff.lost.extend(before.difference(&after).map(|prefix| (reader, *prefix)));
    }
    diff.gained = bounded(diff.gained.into_iter(), &mut cut);
    diff.lost = bounded(diff.lost.into_iter(), &mut cut);
    diff.cut = cut;
    diff
}

fn bounded<T>(list: impl Iterator<Item = T>, cut: &mut bool) -> Vec<T> {
    let mut list: Vec<T> = list.take(MOST + 1).collect();
    *cut |= list.len() > MOST;
    list.truncate(MOST);
    list
}
