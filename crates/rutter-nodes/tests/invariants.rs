//! The six invariants of election under random operations, against a model that shares no code.
//!
//! The model is Headscale's algorithm as its pseudo-code says it, run from nothing after every
//! operation, over four nodes and two prefixes. The one thing that differs is what "previous" means:
//! who was primary last, also if there was none since, as long as it advertises the prefix.
//!
//! 500 cases of 200 operations are 100,000; `PROPTEST_CASES` asks for more. A failure prints its
//! operations.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of tests")]

mod scene;

use std::collections::BTreeSet;

use proptest::prelude::*;
use rutter_nodes::Nodes;
use rutter_nodes::election::{self, Settings};
use rutter_rib::{OnWithdraw, Table, ViewId};
use rutter_route::{NodeId, Prefix};
use scene::{Scene, prefix};

const N_NODES: usize = 4;
const PREFIXES: [&str; 2] = ["10.1.0.0/16", "fd00:1::/64"];

#[derive(Debug, Clone)]
enum Op {
    /// A new session, which says these.
    Connect(usize, [bool; 2]),
    Disconnect(BTreeSet<usize>),
    /// The session that is there says these.
    Announce(usize, [bool; 2]),
    Approve(usize, usize),
    Revoke(usize, usize),
    /// Verdicts in one batch: `true` is healthy.
    Health(Vec<(usize, bool)>),
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 0..N_NODES;
    let set = any::<[bool; 2]>;
    prop_oneof![
        4 => (node(), set()).prop_map(|(n, set)| Op::Connect(n, set)),
        2 => node().prop_map(|n| Op::Disconnect([n].into())),
        1 => prop::collection::btree_set(node(), 2..=N_NODES).prop_map(Op::Disconnect),
        3 => (node(), set()).prop_map(|(n, set)| Op::Announce(n, set)),
        5 => (node(), 0..2usize).prop_map(|(n, p)| Op::Approve(n, p)),
        2 => (node(), 0..2usize).prop_map(|(n, p)| Op::Revoke(n, p)),
        3 => (node(), any::<bool>()).prop_map(|one| Op::Health(vec![one])),
        2 => prop::collection::vec((node(), any::<bool>()), 2..5).prop_map(Op::Health),
    ]
}

#[derive(Debug, Clone, Default)]
struct Router {
    is_online: bool,
    is_sick: bool,
    announced: [bool; 2],
    approved: [bool; 2],
}

impl Router {
    fn serves(&self, p: usize) -> bool {
        self.announced[p] && self.approved[p]
    }

    /// A node that serves nothing is judged by nobody.
    fn forget_if_idle(&mut self) {
        self.is_sick &= self.serves(0) || self.serves(1);
    }
}

#[derive(Debug, Default)]
struct Model {
    routers: [Router; N_NODES],
    /// Who is primary.
    owner: [Option<usize>; 2],
    /// Who was last.
    last: [Option<usize>; 2],
    keeps_approvals: bool,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Connect(n, set) => {
                self.routers[*n].is_online = true;
                self.routers[*n].is_sick = false;
                self.announce(*n, *set);
            }
            Op::Disconnect(nodes) => {
                nodes.iter().for_each(|n| self.routers[*n].is_online = false);
            }
            Op::Announce(n, set) if self.routers[*n].is_online => self.announce(*n, *set),
            Op::Announce(..) => {}
            Op::Approve(n, p) => self.routers[*n].approved[*p] = true,
            Op::Revoke(n, p) => {
                self.routers[*n].approved[*p] = false;
                self.routers[*n].forget_if_idle();
            }
            Op::Health(batch) => {
                for (n, is_well) in batch {
                    let router = &mut self.routers[*n];
                    if router.is_online && (router.serves(0) || router.serves(1)) {
                        router.is_sick = !is_well;
                    }
                }
            }
        }
        (0..2).for_each(|p| self.elect(p));
    }

    fn announce(&mut self, n: usize, set: [bool; 2]) {
        let router = &mut self.routers[n];
        for (p, said) in set.into_iter().enumerate() {
            if router.announced[p] && !said && !self.keeps_approvals {
                router.approved[p] = false;
            }
            router.announced[p] = said;
        }
        router.forget_if_idle();
    }

    fn candidates(&self, p: usize) -> Vec<usize> {
        let is = |n: &usize| self.routers[*n].is_online && self.routers[*n].serves(p);
        (0..N_NODES).filter(is).collect()
    }

    fn elect(&mut self, p: usize) {
        let last = self.last[p].filter(|n| self.routers[*n].announced[p]);
        let candidates = self.candidates(p);
        let is_well = |n: &usize| !self.routers[*n].is_sick;
        let stays = last.filter(|n| candidates.contains(n));
        self.owner[p] =
            stays.filter(is_well).or_else(|| candidates.iter().copied().find(is_well)).or(stays);
        self.last[p] = self.owner[p].or(last);
    }
}

fn id(n: usize) -> NodeId {
    NodeId(n as u64 + 1)
}

fn routes(set: &[bool; 2]) -> BTreeSet<Prefix> {
    PREFIXES.iter().zip(set).filter(|(_, said)| **said).map(|(p, _)| prefix(p)).collect()
}

fn apply(scene: &mut Scene, op: &Op) {
    match op {
        Op::Connect(n, set) => {
            scene.connect(id(*n));
            scene.announce_all(id(*n), &routes(set));
        }
        Op::Disconnect(nodes) => {
            for n in nodes.iter().filter(|n| scene.is_up(id(**n))).collect::<Vec<_>>() {
                scene.disconnect(id(*n));
            }
        }
        Op::Announce(n, set) if scene.is_up(id(*n)) => scene.announce_all(id(*n), &routes(set)),
        Op::Announce(..) => {}
        Op::Approve(n, p) => {
            let on = (id(*n), &prefix(PREFIXES[*p]));
            scene.nodes.approve(scene.now, &mut scene.table, on, ("ann", ""), true).unwrap();
        }
        Op::Revoke(n, p) => scene.revoke(id(*n), PREFIXES[*p]),
        Op::Health(batch) => {
            for (n, is_well) in batch {
                match is_well {
                    true => scene.healthy(id(*n)),
                    false => scene.unhealthy(id(*n)),
                };
            }
        }
    }
    scene.settle();
}

fn check(scene: &Scene, before: &[Option<usize>; 2], model: &Model) {
    for (p, route) in PREFIXES.iter().enumerate() {
        let owner = scene.primary(route);
        assert_eq!(owner, model.owner[p].map(id), "{route}: equals the model");
        let candidates = model.candidates(p);
        let is_well = |n: &usize| !model.routers[*n].is_sick;
        if let Some(n) = owner.map(|n| n.0 as usize - 1) {
            let router = &model.routers[n];
            assert!(router.is_online, "1: the owner is online");
            assert!(router.serves(p), "2: the owner advertises it and is approved");
            let none_is_well = !candidates.iter().any(is_well);
            assert!(is_well(&n) || none_is_well, "3: the owner is well if any is");
        }
        for n in 0..N_NODES {
            let row = scene.nodes.row(&scene.table, id(n), &prefix(route));
            let is_primary = row.is_some_and(|r| r.is_primary);
            assert_eq!(is_primary, owner == Some(id(n)), "4: rows agree on one owner");
        }
        if let Some(n) = before[p].filter(|n| candidates.contains(n) && is_well(n)) {
            assert_eq!(owner, Some(id(n)), "5: a healthy owner stays");
        }
        if !candidates.is_empty() && !candidates.iter().any(is_well) {
            let kept = model.last[p].filter(|n| candidates.contains(n));
            assert_eq!(owner, kept.map(id), "6: nobody takes over among the unhealthy");
        }
    }
}

/// A new table and new nodes from what the rows say: every row and every primary is the same.
fn check_restart(scene: &mut Scene) {
    let grace = scene.settings.restart_grace;
    let (name, policy) = (scene.table.name().clone(), scene.table.policy().clone());
    let cluster = scene.table.cluster().clone();
    let mut table = Table::<Prefix>::new(name, cluster, policy, scene.now, 9).unwrap();
    let mut nodes = Nodes::new(NodeId(0), scene.nodes.last_row());
    for node in scene.nodes.iter() {
        let stored = scene.nodes.stored(&scene.table, node.id).unwrap();
        nodes.restore(scene.now, &mut table, &stored, grace).unwrap();
    }
    let before: Vec<_> = scene.nodes.rows(&scene.table).collect();
    let primaries = PREFIXES
        .map(|p| scene.primary(p).or_else(|| election::last_primary(&scene.table, &prefix(p))));
    (scene.table, scene.nodes) = (table, nodes);
    scene.settle();
    for (old, new) in before.iter().zip(scene.nodes.rows(&scene.table)) {
        let said = |r: &rutter_nodes::RouteRow| {
            (r.id, r.node, r.prefix, r.advertised, r.enabled, r.approval.clone(), r.created)
        };
        assert_eq!(said(old), said(&new));
        assert_eq!(old.was_enabled, new.was_enabled);
    }
    for (p, primary) in PREFIXES.iter().zip(primaries) {
        // A nominee that may not be used is none.
        let may = primary.is_some_and(|n| scene.row(n, p).enabled);
        let is = election::primary(&scene.table, &prefix(p), ViewId::DEFAULT);
        assert_eq!(is, primary.filter(|_| may), "{p}");
    }
    // When the grace ends nobody is there.
    scene.pass(grace.as_millis() as u64 + 100);
    scene.settle();
    assert!(PREFIXES.iter().all(|p| scene.primary(p).is_none()));
}

proptest! {
    #![proptest_config(scene::config(500))]

    #[test]
    fn the_six_invariants_hold_and_a_restart_keeps_everything(
        keeps_approvals in any::<bool>(),
        ops in prop::collection::vec(op(), 200),
    ) {
        let on_withdraw = if keeps_approvals { OnWithdraw::Keep } else { OnWithdraw::Clear };
        let mut scene = Scene::new(Settings { on_withdraw, ..Settings::default() });
        let mut model = Model { keeps_approvals, ..Model::default() };
        for _ in 0..N_NODES {
            scene.add("user1@");
        }
        for op in &ops {
            let before = model.owner;
            apply(&mut scene, op);
            model.apply(op);
            check(&scene, &before, &model);
        }
        check_restart(&mut scene);
    }
}
