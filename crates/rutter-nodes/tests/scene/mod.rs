//! A table `nodes` with its nodes, driven call by call.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part of it, and it is test code outside of tests"
)]

use std::collections::BTreeSet;

use proptest::prelude::ProptestConfig;
use rutter_nodes::election::{self, Settings};
use rutter_nodes::policy::{AutoApprovers, PolicyFile};
use rutter_nodes::{Node, Nodes, NodesError, Owner, RouteRow, RowId};
use rutter_registry::PublicKey;
use rutter_rib::{Changes, Table, ViewId};
use rutter_route::*;

pub const WALL: u64 = 1_700_000_000_000;

pub struct Scene {
    pub table: Table<Prefix>,
    pub nodes: Nodes,
    pub settings: Settings,
    pub now: Now,
    pub changes: Changes<Prefix>,
    /// What commits said since it was last asked.
    pub n_changes: usize,
    pub incarnations: u64,
    pub policy: PolicyFile,
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

pub fn node(id: u64, owner: &str) -> Node {
    let owner = match owner.starts_with("tag:") {
        true => {
            let tags: Vec<Tag> = owner.split(' ').map(|t| t.parse().unwrap()).collect();
            Owner::Tags(tags.try_into().unwrap())
        }
        false => Owner::User(owner.parse().unwrap()),
    };
    let mut key = [0; 32];
    key[..8].copy_from_slice(&id.to_be_bytes());
    let [.., high, low] = id.to_be_bytes();
    Node {
        id: NodeId(id),
        key: PublicKey(key),
        name: format!("node-{id}").parse().unwrap(),
        owner,
        addresses: vec![[100, 64, high, low].into()],
        created: Wall(WALL),
        expiry: None,
        ephemeral: false,
    }
}

impl Scene {
    pub fn new(settings: Settings) -> Self {
        let now = Now::new(0, WALL);
        let policy = settings.policy(&AutoApprovers::default());
        let (name, cluster) = ("nodes".parse().unwrap(), "home".parse().unwrap());
        Self {
            table: Table::new(name, cluster, policy, now, 7).unwrap(),
            nodes: Nodes::new(NodeId(0), RowId(0)),
            settings,
            now,
            changes: Changes::default(),
            n_changes: 0,
            incarnations: 0,
            policy: PolicyFile::default(),
        }
    }

    pub fn with_policy(settings: Settings, policy: &str) -> Self {
        let mut scene = Self::new(settings);
        scene.set_policy(policy);
        scene
    }

    pub fn set_policy(&mut self, text: &str) {
        let policy = PolicyFile::parse("policy", text).unwrap_or_else(|e| panic!("{e}"));
        let before = std::mem::replace(&mut self.policy, policy);
        let Self { policy, table, settings, now, .. } = self;
        policy.enforce(*now, table, settings, &before, 3).unwrap();
        self.settle();
    }

    pub fn add(&mut self, owner: &str) -> NodeId {
        let id = self.nodes.next_id();
        self.nodes.add(node(id.0, owner)).unwrap();
        id
    }

    /// Works everything off and commits.
    pub fn settle(&mut self) {
        self.changes.clear();
        loop {
            let progress = self
                .table
                .expire(self.now, 1024)
                .and(self.table.work(self.now, 1024))
                .and(self.table.commit(self.now, 1024, &mut self.changes));
            if progress.is_done() {
                break;
            }
        }
        self.n_changes += self.changes.changes.len();
        let touched = self.changes.changes.iter().map(|c| &c.destination);
        self.nodes.note(self.now, &self.table, touched);
    }

    pub fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(std::time::Duration::from_millis(ms));
    }

    pub fn connect(&mut self, id: NodeId) -> Session {
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        self.nodes.connect(self.now, &mut self.table, id, incarnation).unwrap()
    }

    pub fn session(&self, id: NodeId) -> Session {
        self.table.session_of(&SourceId::node(id.0)).expect("it was connected")
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.table.speaks(&SourceId::node(id.0))
    }

    pub fn disconnect(&mut self, id: NodeId) {
        let session = self.session(id);
        self.nodes.disconnect(self.now, &mut self.table, &session, "cut off").unwrap();
    }

    /// Says all that the node advertises, in its session or a new one.
    pub fn announce(&mut self, id: NodeId, prefixes: &[&str]) {
        let prefixes: BTreeSet<Prefix> = prefixes.iter().map(|p| prefix(p)).collect();
        self.announce_all(id, &prefixes);
    }

    pub fn announce_all(&mut self, id: NodeId, prefixes: &BTreeSet<Prefix>) {
        let session = match self.is_up(id) {
            true => self.session(id),
            false => self.connect(id),
        };
        self.nodes.announce(self.now, &mut self.table, &session, prefixes).unwrap();
    }

    pub fn approve(&mut self, id: NodeId, route: &str) -> Result<(), NodesError> {
        let word = ("ann", "");
        let on = (id, &prefix(route));
        self.nodes.approve(self.now, &mut self.table, on, word, false).map(drop)
    }

    pub fn revoke(&mut self, id: NodeId, route: &str) {
        let on = (id, &prefix(route));
        self.nodes.revoke(self.now, &mut self.table, on, ("ann", "")).unwrap();
    }

    pub fn unhealthy(&mut self, id: NodeId) -> bool {
        let is = Health::Unhealthy { why: "no answer".into(), until: None };
        self.nodes.health(self.now, &mut self.table, id, is)
    }

    pub fn healthy(&mut self, id: NodeId) -> bool {
        self.nodes.health(self.now, &mut self.table, id, Health::Healthy)
    }

    pub fn primary(&self, route: &str) -> Option<NodeId> {
        election::primary(&self.table, &prefix(route), ViewId::DEFAULT)
    }

    pub fn row(&self, id: NodeId, route: &str) -> RouteRow {
        self.nodes.row(&self.table, id, &prefix(route)).expect("there is a row")
    }
}

/// So many cases, or as many as `PROPTEST_CASES` says. A failure prints its input in full.
#[allow(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}
