//! What the fleet holds in memory, the one way to it and to the table, and who is told that it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rutter_registry::NodeRecord;
use rutter_rib::{Decided, Table};
use rutter_route::{Incarnation, Mono, NodeId, Now, Prefix, Wall};
use tokio::sync::Notify;

use super::{FleetError, Inner};
use crate::policy::PolicyFile;
use crate::{Nodes, NodesError};

/// What the fleet holds. It changes on the owner of the book and nowhere else, so that it and the
/// table are of one moment; what needs no table may be looked at from outside too.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Nodes and what is kept of their rows.
    pub(super) nodes: Nodes,
    /// Their sessions.
    pub(super) presence: BTreeMap<NodeId, Presence>,
    /// Where their packets are sent to on the underlay, also of those that are away.
    pub(super) endpoints: BTreeMap<NodeId, Vec<IpAddr>>,
    /// The policy in force.
    pub(super) policy: Arc<PolicyFile>,
    /// As it was written.
    pub(super) policy_text: Option<Arc<str>>,
    /// The primaries as of the commit that was looked at last.
    pub(super) primaries: BTreeMap<Prefix, NodeId>,
    /// Prefixes that several routers could serve as of that commit.
    pub(super) shared: BTreeSet<Prefix>,
    /// Sessions end from this side: nothing follows from it, and nothing is written.
    pub(super) paused: bool,
}

/// A node's last session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Presence {
    /// Its number.
    pub(super) incarnation: u64,
    /// It lives.
    pub(super) online: bool,
    /// When it began or ended.
    pub(super) since: Option<Wall>,
    /// Since when the node is away, on the clock of deadlines.
    pub(super) away: Option<Mono>,
}

impl State {
    /// Whether it is this session that speaks for the node.
    pub(super) fn is_current(&self, id: NodeId, incarnation: u64) -> bool {
        let presence = self.presence.get(&id);
        presence.is_some_and(|p| p.online && p.incarnation == incarnation)
    }

    /// What is to be kept of a node.
    pub(super) fn record(
        &self,
        table: &Table<Prefix>,
        id: NodeId,
    ) -> Result<NodeRecord, NodesError> {
        let node = self.nodes.get(id).ok_or(NodesError::Unknown(id))?.clone();
        let presence = self.presence.get(&id).copied().unwrap_or_default();
        let Decided { approval, preference, drain } = table.decisions(&node.source(), None);
        Ok(NodeRecord {
            incarnation: Incarnation(presence.incarnation),
            last_seen: presence.since,
            endpoints: self.endpoints.get(&id).cloned().unwrap_or_default(),
            approval,
            preference,
            drain,
            node,
        })
    }
}

/// Nothing that is done under it panics, so what a poisoned one holds is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Changes the state and the table together. Returns when the commit that follows is done.
    pub(super) async fn apply<R, F>(&self, f: F) -> Result<R, FleetError>
    where
        R: Send + 'static,
        F: FnOnce(&mut State, &mut Table<Prefix>, Now) -> R + Send + 'static,
    {
        let (state, name) = (self.state.clone(), self.table.clone());
        let applied = self.book.apply(move |book, now| {
            let table = book.table_mut::<Prefix>(&name)?;
            Some(f(&mut lock(&state), table, now))
        });
        applied.await?.ok_or_else(|| self.no_table())
    }

    /// Looks at the state and the table as the last commit left it.
    pub(super) async fn look<R, F>(&self, f: F) -> Result<R, FleetError>
    where
        R: Send + 'static,
        F: FnOnce(&mut State, &Table<Prefix>, Now) -> R + Send + 'static,
    {
        let (state, name) = (self.state.clone(), self.table.clone());
        let seen = self.book.read(move |book, now| {
            let table = book.table::<Prefix>(&name)?;
            Some(f(&mut lock(&state), table, now))
        });
        seen.await?.ok_or_else(|| self.no_table())
    }

    fn no_table(&self) -> FleetError {
        FleetError::Invalid(format!("the book has no table of prefixes `{}`", self.table))
    }
}

/// What changed that isn't seen in the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct What {
    /// Nodes came or went, or their names, owners or keys' expiries are others.
    pub(super) roster: bool,
    /// Another policy is in force.
    pub(super) policy: bool,
    /// Nodes whose endpoints are others.
    pub(super) endpoints: BTreeSet<NodeId>,
}

/// What changed since it was asked last: a set, so it is bounded by the nodes. One asks.
#[derive(Debug, Default)]
pub(super) struct Changed {
    what: Mutex<What>,
    news: Notify,
}

impl Changed {
    /// Something changed, and can be seen in the [`State`] by now.
    pub(super) fn note(&self, add: impl FnOnce(&mut What)) {
        add(&mut lock(&self.what));
        self.news.notify_one();
    }

    /// What changed; waits until something has. Cancelled, it has taken nothing.
    pub(super) async fn next(&self) -> What {
        loop {
            let what = {
                let mut what = lock(&self.what);
                std::mem::take(&mut *what)
            };
            if what != What::default() {
                return what;
            }
            self.news.notified().await;
        }
    }
}
