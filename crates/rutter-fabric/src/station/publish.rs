//! Publishing what gateways forward by: after each commit, what of it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rutter_protocol::Speaker;
use rutter_protocol::planner;
use rutter_protocol::speaker::Input;
use rutter_rib::{Book, BookChanges};
use rutter_route::{ClusterId, Now, TableName};
use tokio::sync::watch;

use crate::{Forwarding, NeighbourAccess};

/// Keeps the picture up to date.
#[derive(Debug)]
pub(crate) struct Publisher {
    table: TableName,
    now: Forwarding,
    published: watch::Sender<Arc<Forwarding>>,
    /// Destinations whose paths may have changed. Bounded by the table.
    touched: BTreeSet<ClusterId>,
    /// Whether a neighbour, a key or the identity may have.
    dirty: bool,
    /// Whether the picture is another than was published.
    differs: bool,
}

impl Publisher {
    /// Publishes to `published`, beginning with what stands there; `table` has the clusters.
    pub(crate) fn new(table: TableName, published: watch::Sender<Arc<Forwarding>>) -> Self {
        let now = Forwarding::clone(&published.borrow());
        Self { table, now, published, touched: BTreeSet::new(), dirty: true, differs: false }
    }

    /// What the speaker is about to hear may change who is there: a connection, what is said first
    /// on it, a key.
    pub(super) fn heard(&mut self, input: &Input) {
        let quiet =
            matches!(input, Input::Room { .. } | Input::Measured { .. } | Input::Signed { .. });
        self.dirty |= !quiet;
    }

    /// Some time has come: perhaps that by which a neighbour wanted to be back.
    pub(super) fn ticked(&mut self) {
        self.dirty = true;
    }

    pub(super) fn keys_changed(&mut self) {
        self.dirty = true;
    }

    pub(super) fn identity(&mut self, identity: Arc<CertifiedKey>) {
        self.now.identity = identity;
        self.now.epoch += 1;
        self.differs = true;
    }

    /// Another configuration is in force.
    pub(super) fn reloaded(&mut self, fallback: bool) {
        self.dirty = true;
        self.differs |= self.now.fallback_neighbour != fallback;
        self.now.fallback_neighbour = fallback;
    }

    pub(super) fn note(&mut self, changes: &BookChanges) {
        let Some(changes) = changes.of::<ClusterId>(&self.table) else { return };
        self.touched.extend(changes.changes.iter().map(|change| change.destination.clone()));
    }

    /// Publishes what has changed.
    pub(super) fn publish(&mut self, speaker: &Speaker, book: &Book, now: Now) {
        if std::mem::take(&mut self.dirty) {
            self.neighbours(speaker, now);
        }
        if let Some(table) = book.table::<ClusterId>(&self.table) {
            for cluster in std::mem::take(&mut self.touched) {
                let paths = planner::paths(&self.now.own, table, &cluster);
                if self.now.paths(&cluster) != paths {
                    self.now.set_paths(cluster, paths);
                    self.differs = true;
                }
            }
        }
        if std::mem::take(&mut self.differs) {
            self.published.send_replace(Arc::new(self.now.clone()));
        }
    }

    fn neighbours(&mut self, speaker: &Speaker, now: Now) {
        let mut there = BTreeMap::new();
        for reach in speaker.reach() {
            let keys = speaker.keys().active(now, reach.neighbour);
            let access = NeighbourAccess {
                reachable: reach.connected || reach.restarts,
                gateway: reach.gateway.to_owned(),
                keys: keys.into_iter().map(|record| record.key).collect(),
            };
            there.insert(reach.neighbour.clone(), access);
        }
        if *self.now.neighbours != there {
            self.now.neighbours = Arc::new(there);
            self.now.epoch += 1;
            self.differs = true;
        }
    }
}
