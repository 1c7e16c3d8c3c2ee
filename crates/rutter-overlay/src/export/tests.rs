//! Whole networks under a simulated wire: whatever comes, goes and is lost, ways are free of loops,
//! and what nobody announces any more is nowhere.
//!
//! The hosts are tables and outlets with the policies that run, and what arrives goes through the
//! same intake; only sockets and time are left out. Stability is off: it keeps ways away for a while,
//! and never brings one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use rutter_rib::{Batch, Changes, Outlet, Stability, Table, ViewId};
use rutter_route::{
    Advertisement, Attributes, Incarnation, NextHop, Now, PathId, Session, SourceInfo, SourceState,
};

use super::*;
use crate::feed::{Intake, Known};
use crate::import;
use crate::testing::{name, prefix, read, vni};

/// Hosts: each link of the graph is a session each way.
const N: usize = 4;

fn now() -> Now {
    Now::new(1_000, 1_700_000_000_000)
}

/// Host `n` of a network in which all allow transit.
fn config(n: usize, mode: &str) -> OverlayConfig {
    let peers: String = (0..N)
        .filter(|peer| *peer != n)
        .map(|peer| format!("  - {{id: h{peer}, endpoint: {{address: 127.0.0.1}}}}\n"))
        .collect();
    read(&format!(
        "version: 2
node: {{id: h{n}}}
overlays:
  - vni: 100
    name: vx100
    bridge: {{name: br100, ipv4: 10.100.0.{}/24}}
    routing: {{import: {{accept_all: true}}}}
topology: {{mode: {mode}, transit: allow}}
peers:
{peers}",
        n + 1
    ))
}

fn network(n: usize) -> Prefix {
    prefix(&format!("172.16.{n}.0/24"))
}

struct SimHost {
    config: OverlayConfig,
    table: Table<Prefix>,
    outlets: BTreeMap<usize, Outlet<Prefix>>,
    known: Known,
    own: Session,
}

impl SimHost {
    fn new(n: usize, mode: &str) -> Self {
        let config = config(n, mode);
        let (vni, overlay) = config.overlays.first_key_value().unwrap();
        let own = import::Own { announced: vec![], ..import::Own::of(overlay) };
        let policy = import::policy(&config, overlay, &own);
        let policy = rutter_rib::Policy { stability: Stability::default(), ..policy };
        let cluster = config.node.cluster();
        let mut table = Table::new(vni.table(), cluster, policy, now(), 7).unwrap();
        let own = Session { source: own_source(), incarnation: Incarnation(1) };
        table.source(now(), &own, SourceState::Up(SourceInfo::default())).unwrap();
        let known = Known::new(Incarnation(1));
        Self { config, table, outlets: BTreeMap::new(), known, own }
    }

    /// Ranks what was touched, and notes it for the peers.
    fn settle(&mut self) {
        let mut changes = Changes::default();
        loop {
            changes.clear();
            let table = &mut self.table;
            let progress = table.work(now(), 64).and(table.commit(now(), 64, &mut changes));
            self.outlets.values_mut().for_each(|outlet| outlet.note(table, &changes));
            if progress.is_done() {
                return;
            }
        }
    }
}

struct Sim {
    hosts: Vec<SimHost>,
    /// What is on its way, by teller and receiver; there is an entry where a session is.
    wires: BTreeMap<(usize, usize), VecDeque<Batch<Prefix>>>,
}

#[derive(Debug, Clone)]
enum Op {
    Announce(usize),
    Withdraw(usize),
    Connect(usize, usize),
    Cut(usize, usize),
    Deliver(usize, usize),
}

impl Sim {
    fn new(mode: &str) -> Self {
        Self { hosts: (0..N).map(|n| SimHost::new(n, mode)).collect(), wires: BTreeMap::new() }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Announce(n) => {
                let SimHost { table, own, .. } = &mut self.hosts[n];
                let hop = format!("10.100.0.{}", n + 1).parse().unwrap();
                let route = Attributes { metric: 100, ..Attributes::via(hop) };
                table.advertise(now(), own, Advertisement::new(network(n), route));
            }
            Op::Withdraw(n) => {
                let SimHost { table, own, .. } = &mut self.hosts[n];
                table.withdraw(now(), own, &network(n), &PathId::default());
            }
            Op::Connect(from, to) if from != to => {
                if let Entry::Vacant(wire) = self.wires.entry((from, to)) {
                    wire.insert(VecDeque::new());
                    let host = &mut self.hosts[from];
                    let (vni, overlay) = host.config.overlays.first_key_value().unwrap();
                    let peer = name(&format!("h{to}"));
                    let spec = peer_outlet(&host.config, (*vni, overlay), &peer);
                    host.outlets.insert(to, Outlet::new(spec, 7));
                }
            }
            Op::Cut(from, to) => {
                if self.wires.remove(&(from, to)).is_some() {
                    self.hosts[from].outlets.remove(&to);
                    let SimHost { table, known, .. } = &mut self.hosts[to];
                    let peer = name(&format!("h{from}"));
                    if known.lower(&peer, vni(100)) {
                        let (session, why) = (known.session(&peer, vni(100)), "cut".to_owned());
                        table.source(now(), &session, SourceState::Offline { why }).unwrap();
                    }
                }
            }
            Op::Deliver(from, to) => {
                self.deliver(from, to);
            }
            Op::Connect(..) => {}
        }
        self.settle();
    }

    fn settle(&mut self) {
        for (n, host) in self.hosts.iter_mut().enumerate() {
            host.settle();
            for (to, outlet) in &mut host.outlets {
                let batch = outlet.next(now(), &host.table, 16);
                if !batch.is_empty() {
                    self.wires.get_mut(&(n, *to)).unwrap().push_back(batch);
                }
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let wire = self.wires.get_mut(&(from, to));
        let Some(batch) = wire.and_then(VecDeque::pop_front) else { return false };
        let host = &mut self.hosts[to];
        let (peer, here) = (name(&format!("h{from}")), host.config.node.cluster());
        let anew = batch.begin_snapshot;
        let at = (&peer, vni(100));
        let source = host.known.raise(now(), &mut host.table, at, anew).unwrap();
        let mut intake = Intake::new(now(), &mut host.table, source, &peer, &here);
        intake.batch(vni(100), &batch);
        drop(intake.end());
        true
    }

    /// Delivers until nothing is on its way.
    fn run(&mut self) {
        for _ in 0..10_000 {
            let some = self.wires.iter().find(|(_, wire)| !wire.is_empty()).map(|(at, _)| *at);
            let Some((from, to)) = some else { return };
            self.deliver(from, to);
            self.settle();
        }
        panic!("it never comes to rest: a count to infinity");
    }

    /// Where packets to a network go from a host: to itself, on to another, or nowhere.
    fn next(&self, at: usize, to: &Prefix) -> Option<usize> {
        let selected = self.hosts[at].table.selected(to, ViewId::DEFAULT);
        let best = selected.best()?;
        match best.attributes.next_hop {
            NextHop::Address(std::net::IpAddr::V4(v4)) => Some(usize::from(v4.octets()[3]) - 1),
            _ => Some(at),
        }
    }

    /// What must hold once all is at rest.
    fn check(&self, announced: &[bool; N]) {
        for (origin, announced) in announced.iter().enumerate() {
            for start in 0..N {
                let mut at = start;
                let mut n_hops = 0;
                while let Some(next) = self.next(at, &network(origin)).filter(|next| *next != at) {
                    at = next;
                    n_hops += 1;
                    assert!(n_hops < N, "a loop: packets from h{start} to h{origin}");
                }
                let arrives = at == origin && *announced;
                let reachable = *announced && self.reaches(origin, start);
                assert_eq!(arrives, reachable, "from h{start} to h{origin}");
                let is_there = self.next(start, &network(origin)).is_some();
                assert_eq!(is_there, reachable, "h{start} has a way to h{origin}");
            }
        }
    }

    /// Whether what one host tells comes to another.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![from];
        let mut at = 0;
        while let Some(n) = seen.get(at).copied() {
            at += 1;
            let told = self.wires.keys().filter(|(a, _)| *a == n).map(|(_, b)| *b);
            let new: Vec<usize> = told.filter(|b| !seen.contains(b)).collect();
            seen.extend(new);
        }
        seen.contains(&to)
    }
}

fn op() -> impl Strategy<Value = Op> {
    let host = 0..N;
    let pair = || (0..N, 0..N);
    prop_oneof![
        2 => host.clone().prop_map(Op::Announce),
        2 => host.prop_map(Op::Withdraw),
        3 => pair().prop_map(|(a, b)| Op::Connect(a, b)),
        1 => pair().prop_map(|(a, b)| Op::Cut(a, b)),
        8 => pair().prop_map(|(a, b)| Op::Deliver(a, b)),
    ]
}

fn play(mode: &str, ops: &[Op]) {
    let mut sim = Sim::new(mode);
    let mut announced = [false; N];
    for op in ops {
        match op {
            Op::Announce(n) => announced[*n] = true,
            Op::Withdraw(n) => announced[*n] = false,
            _ => {}
        }
        sim.apply(op);
    }
    sim.run();
    sim.check(&announced);
    // All withdraw, and nobody keeps what another told him of it.
    (0..N).for_each(|n| sim.apply(&Op::Withdraw(n)));
    sim.run();
    sim.check(&[false; N]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_and_goes_there_is_no_loop_and_in_the_end_nothing(
        ops in prop::collection::vec(op(), 1..80),
        mode in prop::sample::select(vec!["static", "direct-preferred", "hub-spoke"]),
    ) {
        play(mode, &ops);
    }
}

/// The classic: two that know a network from a third keep telling each other of it when it goes.
#[test]
fn a_ring_of_three_forgets_what_its_origin_withdraws() {
    let mut ops: Vec<Op> = Vec::new();
    for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)] {
        ops.push(Op::Connect(a, b));
    }
    ops.push(Op::Announce(0));
    let mut sim = Sim::new("static");
    ops.iter().for_each(|op| sim.apply(op));
    sim.run();
    sim.check(&[true, false, false, false]);
    let through_2 = sim.hosts[1].table.candidates(&network(0)).len();
    assert_eq!(through_2, 2, "it has the direct way and the one around");
    sim.apply(&Op::Withdraw(0));
    // The news comes to one of them long before the other, which tells what it still knows.
    for _ in 0..16 {
        for (a, b) in [(0, 1), (1, 2), (2, 1)] {
            sim.apply(&Op::Deliver(a, b));
        }
    }
    sim.run();
    sim.check(&[false; N]);
}

#[test]
fn transit_is_for_those_who_may_and_never_in_a_full_mesh() {
    let told = |topology: &str, to: &str| {
        let text = format!(
            "version: 2
node: {{id: h0}}
overlays:
  - {{vni: 100, name: vx100, bridge: {{name: br100, ipv4: 10.100.0.1/24}}}}
topology: {topology}
peers: [{{id: a, endpoint: {{address: 127.0.0.1}}}}, {{id: b, endpoint: {{address: 127.0.0.1}}}}]"
        );
        let config = read(&text);
        let overlay = config.overlays.first_key_value().unwrap();
        let spec = peer_outlet(&config, (*overlay.0, overlay.1), &name(to));
        let route = |hop: &str| Attributes::via(hop.parse().unwrap());
        let judge = |source: &str, prefix: Prefix| {
            let info = SourceInfo::default();
            spec.export.judge(&prefix, &source.parse().unwrap(), &info, route("10.100.0.9"))
        };
        assert!(judge("operator/local", network(1)).accepted, "own networks always");
        let [v4, v6] = [network(1), prefix("2001:db8::/32")].map(|p| judge("peer/b", p).accepted);
        assert_eq!(v4, v6);
        v4
    };
    assert!(!told("{}", "a"), "denied unless it is allowed");
    assert!(told("{transit: allow}", "a"));
    assert!(!told("{transit: allow, mode: full-mesh}", "a"));
    for list in ["denied", "allowed"] {
        let policy = |names: &str| {
            format!("{{transit: allow, transit_policy: {{{list}_transit_peers: [{names}]}}}}")
        };
        assert!(!told(&policy("a"), "a"), "{list}: one of the two isn't in it, or is");
        assert!(!told(&policy("b"), "a"), "{list}");
        assert_eq!(told(&policy("a, b"), "a"), list == "allowed");
    }
}
