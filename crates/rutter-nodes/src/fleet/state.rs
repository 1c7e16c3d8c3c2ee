//! What a fleet holds beside the table, and who is told that it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rutter_route::NodeId;
use tokio::sync::Notify;

use crate::Nodes;
use crate::policy::PolicyFile;

/// Looked at and changed on the owner of the book alone, so that it and the table are of one moment.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The nodes.
    pub(super) nodes: Nodes,
    /// Where nodes' packets are sent to on the underlay, the best first, as of their last session.
    pub(super) endpoints: BTreeMap<NodeId, Vec<IpAddr>>,
    /// The policy in force.
    pub(super) policy: Arc<PolicyFile>,
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
        add(&mut self.what.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
    }

    /// What changed; waits until something has. Cancelled, it has taken nothing.
    pub(super) async fn next(&self) -> What {
        loop {
            let what = {
                let mut what = self.what.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *what)
            };
            if what != What::default() {
                return what;
            }
            self.news.notified().await;
        }
    }
}
