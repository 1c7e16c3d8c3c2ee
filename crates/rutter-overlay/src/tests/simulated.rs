//! The long scenarios of overlays, on their own table's policy, under a clock that is set: S10 and S28 in
//! full, and of S26 what no wire would show twice.

use std::time::Duration;

use rutter_rib::{Changes, SLICE, Table, ViewId};
use rutter_route::*;

use crate::compat::nnetman::config;
use crate::{PeerName, import};

const FILE: &str = "\
version: 2
node: {id: host-a}
overlays:
  - vni: 100
    name: vx100
    bridge: {name: br100, ipv4: 10.100.0.1/24}
    routing: {import: {allow: [172.16.0.0/16], install: {table: 100}}}
peers:
  - {id: host-b, endpoint: {address: 192.0.2.2}}
  - {id: host-c, endpoint: {address: 192.0.2.3}}
";

/// An overlay's table at a time of its own.
struct Scene {
    table: Table<Prefix>,
    ms: u64,
}

fn session(peer: &str, incarnation: u64) -> Session {
    let source = peer.parse::<PeerName>().unwrap().source();
    Session { source, incarnation: Incarnation(incarnation) }
}

fn network() -> Prefix {
    "172.16.20.0/24".parse().unwrap()
}

impl Scene {
    fn new() -> Self {
        let config = config::read("netman.yaml", FILE).unwrap().config;
        let spec = import::tables(&config).remove(0);
        let policy = spec.policy;
        let cluster = "local".parse().unwrap();
        let table = Table::new(spec.name, cluster, policy, Now::new(0, 0), 1).unwrap();
        Self { table, ms: 0 }
    }

    fn now(&self) -> Now {
        Now::new(self.ms, self.ms)
    }

    fn up(&mut self, session: &Session) -> Result<(), Refused> {
        let now = self.now();
        self.table.source(now, session, SourceState::Up(SourceInfo::default()))
    }

    fn says(&mut self, session: &Session, metric: u32, lease: Option<Duration>) -> Verdict {
        let hop = if session.source.to_string().ends_with('b') { 2 } else { 3 };
        let mut attributes = Attributes::via(format!("10.100.0.{hop}").parse().unwrap());
        attributes.metric = metric;
        let mut route = Advertisement::new(network(), attributes);
        route.lease = lease;
        let now = self.now();
        let verdict = self.table.advertise(now, session, route);
        self.settle();
        verdict
    }

    fn withdraws(&mut self, session: &Session) {
        let now = self.now();
        self.table.withdraw(now, session, &network(), &PathId::default());
        self.settle();
    }

    fn settle(&mut self) {
        let now = self.now();
        while !self.table.expire(now, SLICE).is_done() {}
        while !self.table.work(now, SLICE).is_done() {}
        while !self.table.commit(now, SLICE, &mut Changes::default()).is_done() {}
    }

    fn passes(&mut self, ms: u64) {
        self.ms += ms;
        self.settle();
    }

    /// Whose way is used.
    fn best(&self) -> Option<String> {
        let selected = self.table.selected(&network(), ViewId::DEFAULT);
        let best = selected.best()?;
        Some(best.key().source.to_string())
    }
}

/// S10 in full: a lease of 5 s, said again at a third of it, stands for ten minutes; and it ends when
/// nobody says it any more.
#[test]
fn s10_a_lease_of_five_seconds_stands_for_ten_minutes() {
    let (mut scene, b) = (Scene::new(), session("host-b", 1));
    scene.up(&b).unwrap();
    let lease = Duration::from_secs(5);
    scene.says(&b, 100, Some(lease));
    for step in 1..=6000 {
        scene.passes(100);
        assert_eq!(scene.best().as_deref(), Some("peer/host-b"), "at {} ms", scene.ms);
        // A third of 5 s, and a fifth of that late.
        if step % 20 == 0 {
            scene.says(&b, 100, Some(lease));
        }
    }
    scene.passes(4999);
    assert!(scene.best().is_some());
    scene.passes(1);
    assert_eq!(scene.best(), None, "the lease has ended");
}

/// S28 in full: the better way goes and comes ten times in a minute. The other one is used without a
/// gap; the seventh withdrawal brings the penalty over its threshold (RFC 7196: 6,000), and from then on
/// nothing moves.
#[test]
fn s28_a_way_that_flaps_for_a_minute_moves_nothing_from_the_seventh_time_on() {
    let (mut scene, b, c) = (Scene::new(), session("host-b", 1), session("host-c", 1));
    scene.up(&b).unwrap();
    scene.up(&c).unwrap();
    scene.says(&b, 200, None);
    scene.says(&c, 100, None);
    let (mut moves, mut before) = (0, scene.best());
    let mut last_move = 0;
    for step in 0..600 {
        match step % 60 {
            0 => scene.withdraws(&c),
            30 => drop(scene.says(&c, 100, None)),
            _ => {}
        }
        scene.passes(100);
        let best = scene.best();
        assert!(best.is_some(), "no gap at {} ms", scene.ms);
        if best != before {
            (moves, last_move, before) = (moves + 1, scene.ms, best);
        }
    }
    assert_eq!((moves, last_move), (13, 36_100), "moves, and the time of the last");
    assert_eq!(before.as_deref(), Some("peer/host-b"));
    let held = scene.table.explain(scene.now(), &network());
    let flapping = held.candidates.iter().find(|c| c.route.source == session("host-c", 1).source);
    assert!(matches!(flapping.unwrap().standing, Standing::Held), "it is held, and seen to be");
    // It is forgiven when it has been quiet.
    scene.passes(3_600_000);
    assert_eq!(scene.best().as_deref(), Some("peer/host-c"));
}

/// S26: what an older session says comes too late, whatever its order on the wire.
#[test]
fn s26_what_an_older_session_says_is_refused() {
    let (mut scene, old, new) = (Scene::new(), session("host-b", 1), session("host-b", 2));
    scene.up(&old).unwrap();
    scene.says(&old, 100, None);
    scene.up(&new).unwrap();
    scene.says(&new, 50, None);
    scene.withdraws(&old);
    assert_eq!(scene.best().as_deref(), Some("peer/host-b"), "its withdrawal is nobody's");
    assert!(matches!(scene.says(&old, 10, None), Verdict::Refused(_)));
    assert!(scene.up(&old).is_err());
    let explanation = scene.table.explain(scene.now(), &network());
    assert_eq!(explanation.candidates.len(), 1);
    assert_eq!(explanation.candidates[0].attributes.metric, 50);
}
