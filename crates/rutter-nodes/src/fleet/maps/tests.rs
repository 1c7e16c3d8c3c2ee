//! What readers are told, with a real book under it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rutter_book::{BookHandle, Clock, SystemClock};
use rutter_link::{EncodedMap, MapChange, MapPeer};
use rutter_registry::PublicKey;
use rutter_rib::{Book, Table, TableSpec};
use rutter_route::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::state::{Changed, State};
use super::board::{Board, Next};
use super::*;
use crate::election::Settings;
use crate::map::{NetworkMap, Peer};
use crate::policy::{AutoApprovers, PolicyFile};
use crate::{Node, Owner};

mod held;

/// A hang guard, never a measure.
const SOON: Duration = Duration::from_secs(60);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it should have come by now")
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Two groups who know each other and not the others, and a network that all may reach.
const GROUPS: &str = r#"{
    "acls": [
        {"action": "accept", "src": ["a@"], "dst": ["a@:*"]},
        {"action": "accept", "src": ["b@"], "dst": ["b@:*"]},
        {"action": "accept", "src": ["*"], "dst": ["10.9.0.0/16:*"]},
    ],
}"#;

struct World {
    book: BookHandle,
    state: Arc<Mutex<State>>,
    changed: Arc<Changed>,
    maps: Maps,
    told: mpsc::UnboundedReceiver<BTreeSet<Prefix>>,
    _stop: CancellationToken,
}

impl World {
    async fn new(policy: &str, owners: &[&str]) -> Self {
        let now = SystemClock.now();
        let settings = Settings::default();
        let policy = PolicyFile::parse("policy", policy).unwrap();
        let spec = TableSpec {
            name: "nodes".parse().unwrap(),
            kind: DestinationKind::Prefix,
            policy: settings.policy(&AutoApprovers::default()),
        };
        let book = Book::new("home".parse().unwrap(), vec![spec], vec![], vec![], now, 1).unwrap();
        let stop = CancellationToken::new();
        let (book, _task) = rutter_book::spawn(book, SystemClock, 1, stop.clone());
        let mut state = State { policy: policy.into(), ..State::default() };
        for (owner, id) in owners.iter().zip(1..) {
            state.nodes.add(node(id, owner)).unwrap();
        }
        let (state, changed) = (Arc::new(Mutex::new(state)), Arc::new(Changed::default()));
        let (say, told) = mpsc::unbounded_channel();
        let on_told: OnTold = Box::new(move |prefixes| drop(say.send(prefixes.clone())));
        let (table, clock) = ("nodes".parse().unwrap(), Arc::new(SystemClock));
        let maps = Maps::start(table, book.clone(), clock, state.clone(), changed.clone(), on_told);
        let maps = maps.await.unwrap();
        Self { book, state, changed, maps, told, _stop: stop }
    }

    async fn apply<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut State, &mut Table<Prefix>, Now) -> R + Send + 'static,
    ) -> R {
        let state = self.state.clone();
        let applied = self.book.apply(move |book, now| {
            let mut state = state.lock().unwrap();
            f(&mut state, book.prefixes("nodes").unwrap(), now)
        });
        applied.await.unwrap()
    }

    /// A session of a node that advertises what is approved.
    async fn serves(&self, id: u64, incarnation: u64, prefixes: &[&str]) {
        let prefixes: BTreeSet<Prefix> = prefixes.iter().map(|p| prefix(p)).collect();
        self.apply(move |state, table, now| {
            let id = NodeId(id);
            let session = state.nodes.connect(now, table, id, Incarnation(incarnation)).unwrap();
            state.nodes.announce(now, table, &session, &prefixes).unwrap();
            for prefix in &prefixes {
                state.nodes.approve(now, table, (id, prefix), ("ann", ""), false).unwrap();
            }
        })
        .await;
    }

    async fn is_lost(&self, id: u64) {
        self.apply(move |state, table, now| {
            let session = table.session_of(&SourceId::node(id)).unwrap();
            state.nodes.disconnect(now, table, &session, "cut off").unwrap();
        })
        .await;
    }
}

fn node(id: u64, owner: &str) -> Node {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&id.to_be_bytes());
    let [.., high, low] = id.to_be_bytes();
    Node {
        id: NodeId(id),
        key: PublicKey(key),
        name: format!("node-{id}").parse().unwrap(),
        owner: Owner::User(owner.parse().unwrap()),
        addresses: vec![[100, 64, high, low].into()],
        created: Wall(0),
        expiry: None,
        ephemeral: false,
    }
}

/// A node's end: what it was told, put together.
#[derive(Default)]
struct Seen {
    map: MapChange,
    n_snapshots: usize,
    n_told: usize,
    last: u64,
}

impl Seen {
    fn take(&mut self, told: EncodedMap) {
        assert!(told.number > self.last, "numbers rise");
        self.last = told.number;
        self.n_told += 1;
        if told.snapshot {
            self.n_snapshots += 1;
            self.map = MapChange::default();
        }
        self.map.then(MapChange::decode(&told.change).unwrap());
        self.map.peers.retain(|_, new| new.is_some());
        self.map.routes.retain(|_, new| new.is_some());
        self.map.exits.retain(|_, new| new.is_some());
    }

    /// Listens until it was told what is looked for.
    async fn until(&mut self, reader: &mut MapReader, wanted: impl Fn(&MapChange) -> bool) {
        while !wanted(&self.map) {
            let told = soon(reader.next()).await.expect("the telling goes on");
            self.take(told);
        }
    }

    fn peers(&self) -> Vec<u64> {
        self.map.peers.keys().map(|id| id.0).collect()
    }

    fn router(&self, of: &str) -> Option<u64> {
        self.map.routes.get(&prefix(of)).copied().flatten().map(|id| id.0)
    }
}

#[tokio::test]
async fn readers_of_a_class_are_told_the_same_and_a_move_is_a_delta_to_all() {
    let mut world = World::new(GROUPS, &["a@", "a@", "b@", "b@", "a@", "b@"]).await;
    world.serves(5, 1, &["10.9.1.0/24"]).await;
    world.serves(6, 2, &["10.9.1.0/24"]).await;
    let mut readers: Vec<(MapReader, Seen)> =
        [1, 2, 3, 4].map(|id| (world.maps.reader(NodeId(id)), Seen::default())).into();
    for (reader, seen) in &mut readers {
        seen.until(reader, |map| !map.routes.is_empty()).await;
        assert_eq!(seen.router("10.9.1.0/24"), Some(5));
    }
    // Its router is a peer whatever else is told of it.
    assert_eq!(readers[0].1.peers(), [1, 2, 5]);
    assert_eq!(readers[2].1.peers(), [3, 4, 5, 6]);
    assert_eq!(readers[0].1.map, readers[1].1.map);
    assert_eq!(readers[2].1.map, readers[3].1.map);
    while !world.told.is_empty() {
        world.told.recv().await;
    }
    world.is_lost(5).await;
    for (reader, seen) in &mut readers {
        let before = seen.n_snapshots;
        let moved = |map: &MapChange| map.routes.values().all(|to| *to == Some(NodeId(6)));
        seen.until(reader, moved).await;
        assert_eq!(seen.n_snapshots, before, "a move is a delta");
    }
    assert_eq!(readers[0].1.peers(), [1, 2, 5, 6], "those of a group stay peers");
    assert_eq!(readers[2].1.peers(), [3, 4, 6], "who serves nothing any more doesn't");
    let told = soon(async {
        loop {
            let told = world.told.recv().await.unwrap();
            if told.contains(&prefix("10.9.1.0/24")) {
                break told;
            }
        }
    });
    assert_eq!(told.await.len(), 1, "all have been told");
}

#[tokio::test]
async fn a_reader_whose_class_changes_is_told_everything_anew() {
    let world = World::new(GROUPS, &["a@", "b@", "b@"]).await;
    let (mut reader, mut seen) = (world.maps.reader(NodeId(1)), Seen::default());
    seen.until(&mut reader, |map| !map.peers.is_empty()).await;
    assert_eq!(seen.peers(), [1]);
    // It serves what all may reach, so all who may are its peers.
    world.serves(1, 1, &["10.9.1.0/24"]).await;
    seen.until(&mut reader, |map| map.peers.len() == 3).await;
    assert_eq!(seen.peers(), [1, 2, 3]);
    world
        .apply(|state, table, now| {
            let session = table.session_of(&SourceId::node(1)).unwrap();
            state.nodes.announce(now, table, &session, &BTreeSet::new()).unwrap();
        })
        .await;
    seen.until(&mut reader, |map| map.peers.len() == 1).await;
    assert!(seen.map.routes.is_empty());
}

#[tokio::test]
async fn another_policy_roster_and_endpoint_reach_those_whom_they_concern() {
    let world = World::new(GROUPS, &["a@", "a@", "b@"]).await;
    let (mut one, mut seen) = (world.maps.reader(NodeId(1)), Seen::default());
    let (mut other, mut seen_by_other) = (world.maps.reader(NodeId(3)), Seen::default());
    seen.until(&mut one, |map| map.peers.len() == 2).await;
    seen_by_other.until(&mut other, |map| map.peers.len() == 1).await;
    world
        .apply(|state, _, _| {
            state.endpoints.insert(NodeId(2), vec!["192.0.2.7".parse().unwrap()]);
        })
        .await;
    world.changed.note(|what| what.endpoints.extend([NodeId(2)]));
    let has_endpoint = |map: &MapChange| {
        let peer = |peer: &Option<MapPeer>| peer.as_ref().map(|peer| peer.endpoints.clone());
        map.peers.get(&NodeId(2)).and_then(peer).is_some_and(|list| list.len() == 1)
    };
    seen.until(&mut one, has_endpoint).await;
    world.apply(|state, _, _| state.nodes.add(node(4, "a@")).unwrap()).await;
    world.changed.note(|what| what.roster = true);
    seen.until(&mut one, |map| map.peers.len() == 3).await;
    assert!(has_endpoint(&seen.map), "what was known of others stays");
    assert_eq!(seen.n_snapshots, 1, "another node is a delta");
    world
        .apply(|state, table, now| {
            state.nodes.remove(now, table, NodeId(2)).unwrap();
            state.policy = PolicyFile::default().into();
        })
        .await;
    world.changed.note(|what| (what.roster, what.policy) = (true, true));
    seen.until(&mut one, |map| map.peers.len() == 3 && !map.peers.contains_key(&NodeId(2))).await;
    seen_by_other.until(&mut other, |map| map.peers.len() == 3).await;
    assert_eq!(seen.map, seen_by_other.map, "now everybody may know everybody");
}

#[tokio::test]
async fn who_does_not_read_keeps_nothing_waiting_and_is_told_what_counts_in_the_end() {
    let world = World::new(GROUPS, &["a@", "a@", "b@"]).await;
    world.serves(2, 1, &["10.9.1.0/24"]).await;
    let (mut slow, mut seen) = (world.maps.reader(NodeId(1)), Seen::default());
    seen.until(&mut slow, |map| !map.routes.is_empty()).await;
    for n in 2..400 {
        world.is_lost(2).await;
        world.serves(2, n, &["10.9.1.0/24"]).await;
    }
    world.is_lost(2).await;
    world.maps.flush().await;
    let before = seen.n_told;
    while let Some(told) = slow.take() {
        seen.take(told);
    }
    let n = seen.n_told - before;
    assert!(n <= 257, "{n}: a snapshot and the deltas of a board at most");
    assert!(seen.map.routes.is_empty());
}

#[tokio::test]
async fn settling_waits_for_those_who_were_told_and_names_who_does_not_say_so() {
    let world = World::new(GROUPS, &["a@", "a@", "b@"]).await;
    assert!(world.maps.settle(SOON).await.is_empty(), "nobody is there");
    let (mut quick, mut seen) = (world.maps.reader(NodeId(1)), Seen::default());
    let (mut slow, mut seen_by_slow) = (world.maps.reader(NodeId(3)), Seen::default());
    seen.until(&mut quick, |map| !map.peers.is_empty()).await;
    seen_by_slow.until(&mut slow, |map| !map.peers.is_empty()).await;
    world.serves(2, 1, &["10.9.1.0/24"]).await;
    let settled = tokio::join!(world.maps.settle(Duration::from_millis(300)), async {
        seen.until(&mut quick, |map| !map.routes.is_empty()).await;
        quick.applied(seen.last);
    });
    assert_eq!(settled.0, [NodeId(3)]);
    assert_eq!(world.maps.numbers(NodeId(1)), Some((seen.last, seen.last)));
    let settled = tokio::join!(world.maps.settle(SOON), async {
        seen_by_slow.until(&mut slow, |map| !map.routes.is_empty()).await;
        // More than it was told is not believed.
        slow.applied(seen_by_slow.last + 100);
    });
    assert!(settled.0.is_empty());
    assert_eq!(world.maps.numbers(NodeId(3)), Some((seen_by_slow.last, seen_by_slow.last)));
    drop(slow);
    assert_eq!(world.maps.numbers(NodeId(3)), None);
}

#[tokio::test]
async fn a_newer_session_ends_the_telling_of_the_older_and_the_book_ends_all() {
    let world = World::new("{}", &["a@"]).await;
    let mut older = world.maps.reader(NodeId(1));
    soon(older.next()).await.unwrap();
    let mut newer = world.maps.reader(NodeId(1));
    assert!(soon(older.next()).await.is_none());
    drop(older);
    assert!(soon(newer.next()).await.is_some_and(|told| told.snapshot && told.number == 1));
    drop(world);
    assert!(soon(newer.next()).await.is_none());
}

fn map(n: u64) -> NetworkMap {
    let peer = |id: u64| Peer {
        name: format!("node-{id}").parse().unwrap(),
        addresses: vec![],
        endpoints: vec![],
    };
    NetworkMap { peers: (0..n).map(|id| (NodeId(id), peer(id))).collect(), ..NetworkMap::default() }
}

#[test]
fn a_board_leads_from_nothing_and_from_every_number_it_keeps_to_now() {
    let mut maps = vec![map(0)];
    let board = Board::new(1, &maps[0]);
    for n in 1..1000 {
        let new = map(n * 7 % 400);
        board.push(1 + n, &maps.last().unwrap().delta_to(&new), &new, n % 300 == 0);
        maps.push(new);
    }
    assert_eq!(board.number(), 1000);
    let wanted = MapChange::decode(&encode::delta(&NetworkMap::default().delta_to(&maps[999])));
    let wanted = wanted.unwrap();
    let mut n_goes_on = 0;
    for from in [None].into_iter().chain((1..=1000).map(Some)) {
        let known = from.map(|at: u64| NetworkMap::default().delta_to(&maps[at as usize - 1]));
        let mut seen = MapChange::default();
        known.inspect(|known| seen.then(MapChange::decode(&encode::delta(known)).unwrap()));
        let mut at = from;
        while let Some(next) = board.after(at) {
            match next {
                Next::Snapshot { number, parts } => {
                    assert!(at.is_none() || at == from, "a snapshot comes first or not at all");
                    seen = MapChange::default();
                    parts.iter().for_each(|p| seen.then(MapChange::decode(p).unwrap()));
                    at = Some(number);
                }
                Next::Delta { number, change } => {
                    n_goes_on += usize::from(at == from);
                    seen.then(MapChange::decode(&change).unwrap());
                    assert!(at < Some(number));
                    at = Some(number);
                }
            }
        }
        assert_eq!(at, Some(1000));
        seen.peers.retain(|_, new| new.is_some());
        assert_eq!(seen, wanted);
    }
    assert!(n_goes_on > 0, "some go on by deltas");
}

#[test]
fn who_comes_after_another_policy_is_told_nothing_of_before() {
    let (before, after) = (map(9), map(3));
    let board = Board::new(1, &before);
    board.push(2, &before.delta_to(&after), &after, true);
    let Some(Next::Snapshot { number: 2, parts }) = board.after(None) else {
        panic!("a snapshot as of the policy");
    };
    let told = MapChange::decode(&parts[0]).unwrap();
    assert_eq!(told.peers.len(), 3);
    assert_eq!(board.after(Some(2)), None);
    assert!(matches!(board.after(Some(1)), Some(Next::Delta { number: 2, .. })));
}

#[test]
fn a_large_map_goes_in_parts_and_is_whole_in_the_end() {
    let large = map(10_000);
    let parts = encode::snapshot(&large);
    assert!(parts.len() > 2);
    let mut seen = MapChange::default();
    parts.iter().for_each(|part| seen.then(MapChange::decode(part).unwrap()));
    assert_eq!(seen.peers.len(), 10_000);
    assert_eq!(encode::snapshot(&map(0)).len(), 1, "an empty one is told, too");
    let names: BTreeMap<NodeId, String> =
        seen.peers.iter().map(|(id, peer)| (*id, peer.clone().unwrap().name)).collect();
    assert_eq!(names[&NodeId(9_999)], "node-9999");
}
