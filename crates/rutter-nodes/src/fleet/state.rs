//! stub
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rutter_route::NodeId;
use tokio::sync::Notify;

use crate::Nodes;
use crate::policy::PolicyFile;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) nodes: Nodes,
    pub(super) endpoints: BTreeMap<NodeId, Vec<IpAddr>>,
    pub(super) policy: PolicyFile,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct What {
    pub(super) roster: bool,
    pub(super) policy: bool,
    pub(super) endpoints: BTreeSet<NodeId>,
}

#[derive(Debug, Default)]
pub(super) struct Changed {
    what: std::sync::Mutex<What>,
    news: Notify,
}

impl Changed {
    pub(super) async fn next(&self) -> What {
        loop {
            let what = std::mem::take(
                &mut *self.what.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
            );
            if what != What::default() {
                return what;
            }
            self.news.notified().await;
        }
    }
    pub(super) fn note(&self, f: impl FnOnce(&mut What)) {
        f(&mut self.what.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.news.notify_one();
    }
}
