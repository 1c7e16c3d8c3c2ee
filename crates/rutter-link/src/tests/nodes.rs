//! A node over a link: its map, whether it is there, what it sees behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rutter_route::*;
use tokio::sync::{mpsc, oneshot};

use crate::map::{EncodedMap, MapChange, MapExit, MapPeer};
use crate::testing::*;
use crate::*;

/// One node is admitted, as often as it comes.
struct Gate {
    key: PeerKey,
    /// What the next session is made of.
    next: Mutex<Option<Session>>,
    seen: mpsc::UnboundedSender<Vec<Observation<Prefix>>>,
}

struct Session {
    maps: mpsc::UnboundedReceiver<EncodedMap>,
    applied: mpsc::UnboundedSender<u64>,
    pings: mpsc::Receiver<Pinged>,
}

/// The test's ends of a session.
struct Ends {
    maps: mpsc::UnboundedSender<EncodedMap>,
    applied: mpsc::UnboundedReceiver<u64>,
    pings: mpsc::Sender<Pinged>,
}

fn session() -> (Session, Ends) {
    let (maps, to_tell) = mpsc::unbounded_channel();
    let (say, applied) = mpsc::unbounded_channel();
    let (ask, pings) = mpsc::channel(1);
    let session = Session { maps: to_tell, applied: say, pings };
    (session, Ends { maps, applied, pings: ask })
}

struct Tells {
    maps: mpsc::UnboundedReceiver<EncodedMap>,
    applied: mpsc::UnboundedSender<u64>,
}

#[async_trait]
impl TellsMap for Tells {
    async fn next(&mut self) -> Option<EncodedMap> {
        self.maps.recv().await
    }

    fn applied(&mut self, number: u64) {
        let _test_is_over = self.applied.send(number);
    }
}

struct Ears(mpsc::UnboundedSender<Vec<Observation<Prefix>>>);

#[async_trait]
impl Announced for Ears {
    async fn heard(&mut self, _: SourceUpdate) -> Result<SourceReport, Refusal> {
        Ok(SourceReport::default())
    }

    async fn observed(&mut self, of: TableName, observations: Vec<Observation<Prefix>>) {
        assert_eq!(of, table("nodes"));
        let _test_is_over = self.0.send(observations);
    }

    async fn ended(&mut self, _: bool) {}
}

#[async_trait]
impl Admission for Gate {
    async fn enrol(&self, enrolment: Enrolment) -> Result<Enrolled, Refusal> {
        let why = format!("{} waits for a person", enrolment.name);
        Err(Refusal::new(RefusalCode::Pending, why))
    }

    async fn admit(&self, caller: &Caller, _: SocketAddr) -> Result<Admitted, Refusal> {
        if caller.key()? != self.key {
            return Err(Refusal::new(RefusalCode::NotKnown, "nobody"));
        }
        let session = self.next.lock().unwrap().take();
        let gone = || Refusal::new(RefusalCode::Unavailable, "not again");
        let Session { maps, applied, pings } = session.ok_or_else(gone)?;
        let announced: Option<Box<dyn Announced>> = Some(Box::new(Ears(self.seen.clone())));
        let map: Option<Box<dyn TellsMap>> = Some(Box::new(Tells { maps, applied }));
        let node = Some((NodeId(7), vec!["100.64.0.7".parse().unwrap()]));
        let asks = Some(Duration::from_millis(100));
        let pulse = Some(Pulse { keepalive: OFTEN, dead: Some(Duration::from_millis(700)) });
        let admitted = Admitted::new("node/r1", 1);
        Ok(Admitted { announced, node, map, pings: Some(pings), asks, pulse, ..admitted })
    }

    fn knows(&self, _: &Caller) -> bool {
        true
    }
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn change(id: u64) -> MapChange {
    let peer = MapPeer {
        name: format!("node-{id}"),
        addresses: vec!["100.64.0.1".parse().unwrap(), "fd7a:115c:a1e0::1".parse().unwrap()],
        endpoints: vec!["192.0.2.1".parse().unwrap()],
    };
    MapChange {
        peers: BTreeMap::from([(NodeId(id), Some(peer)), (NodeId(90 + id), None)]),
        routes: BTreeMap::from([
            (prefix("10.1.0.0/24"), Some(NodeId(id))),
            (prefix("fd00::/64"), None),
        ]),
        exits: BTreeMap::from([
            (NodeId(id), Some(MapExit { v4: true, v6: false })),
            (NodeId(90 + id), None),
        ]),
    }
}

fn encoded(number: u64, snapshot: bool, change: &MapChange, more: bool) -> EncodedMap {
    EncodedMap { number, snapshot, change: change.encode(), more }
}

async fn hears_map(announcer: &mut Announcer) -> (u64, bool, MapChange) {
    loop {
        match soon(announcer.next()).await.unwrap() {
            Answered::Map { number, snapshot, change } => break (number, snapshot, change),
            Answered::Up { .. } | Answered::Report { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn observation(of: &str, is: Seen) -> Observation<Prefix> {
    let source = "node/r1".parse().unwrap();
    let route = RouteKey { source, path: PathId::default() };
    Observation { destination: prefix(of), route, is }
}

fn says(prefixes: &[&str]) -> SourceUpdate {
    let by = "node/r1".parse().unwrap();
    let route = |text: &&str| {
        let hop = Attributes::via("192.0.2.7".parse().unwrap());
        (prefix(text), PathId::default(), hop)
    };
    SourceUpdate::prefixes(table("nodes"), "node".into(), &by, prefixes.iter().map(route))
}

fn gate(key: &LinkKey) -> (Arc<Gate>, Ends, mpsc::UnboundedReceiver<Vec<Observation<Prefix>>>) {
    let (seen, sees) = mpsc::unbounded_channel();
    let (session, ends) = session();
    let next = Mutex::new(Some(session));
    (Arc::new(Gate { key: key.public().unwrap(), next, seen }), ends, sees)
}

#[tokio::test]
async fn a_node_is_told_its_map_and_says_what_it_uses_and_that_it_is_there() {
    let ca = Authority::new();
    let key = LinkKey::generate().unwrap();
    let (gate, mut ends, _seen) = gate(&key);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let mut announcer = Announcer::start(dialer(accepting.address, &ca, &key), eager());
    match soon(announcer.next()).await.unwrap() {
        Answered::Up { node: Some(node), .. } => {
            assert_eq!((node.id, node.addresses.len()), (NodeId(7), 1));
        }
        other => panic!("{other:?}"),
    }
    ends.maps.send(encoded(1, true, &change(1), false)).unwrap();
    assert_eq!(hears_map(&mut announcer).await, (1, true, change(1)));
    announcer.applied(1);
    assert_eq!(soon(ends.applied.recv()).await, Some(1));
    // In parts it is heard of when it is whole.
    ends.maps.send(encoded(2, true, &change(2), true)).unwrap();
    ends.maps.send(encoded(3, false, &change(3), false)).unwrap();
    let mut whole = change(2);
    whole.then(change(3));
    assert_eq!(hears_map(&mut announcer).await, (3, true, whole));
    let (answer, mut answered) = oneshot::channel();
    ends.pings.send(Pinged { answer }).await.unwrap();
    let number = match soon(announcer.next()).await.unwrap() {
        Answered::Ping { number } => number,
        other => panic!("{other:?}"),
    };
    assert!(answered.try_recv().is_err(), "it isn't the connection that answers");
    announcer.pong(number + 1);
    announcer.applied(3);
    assert_eq!(soon(ends.applied.recv()).await, Some(3));
    announcer.pong(number);
    soon(answered).await.unwrap();
    // What is said of an older session is nothing to the next.
    let (next, mut next_ends) = session();
    *gate.next.lock().unwrap() = Some(next);
    let address = accepting.address;
    accepting.end().await;
    announcer.applied(3);
    let accepting = Accepting::start(address, &ca, gate);
    next_ends.maps.send(encoded(1, true, &change(4), false)).unwrap();
    loop {
        match soon(announcer.next()).await.unwrap() {
            Answered::Map { number, snapshot, change: told } => {
                break assert_eq!((number, snapshot, told), (1, true, change(4)));
            }
            Answered::Up { .. } | Answered::Lost { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    announcer.applied(1);
    assert_eq!(soon(next_ends.applied.recv()).await, Some(1));
    accepting.end().await;
}

#[tokio::test]
async fn what_a_node_sees_behind_it_is_heard_and_ends_with_its_prefix() {
    let ca = Authority::new();
    let key = LinkKey::generate().unwrap();
    let (gate, _ends, mut seen) = gate(&key);
    let accepting = Accepting::start(anywhere(), &ca, gate.clone());
    let announcer = Announcer::start(dialer(accepting.address, &ca, &key), eager());
    let (one, two) = ("10.1.0.0/24", "10.2.0.0/24");
    announcer.say(says(&[one, two])).unwrap();
    let unhealthy = |of| observation(of, Seen::Unhealthy { why: "no answer".into(), left: None });
    announcer.observe(&table("nodes"), vec![unhealthy(one), unhealthy(two)]).unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(soon(seen.recv()).await.unwrap());
    }
    heard.sort_by_key(|seen| seen.destination);
    assert_eq!(heard, [unhealthy(one), unhealthy(two)]);
    let refused = announcer.observe(&table("services"), vec![unhealthy(one)]).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Invalid);
    let many = (0..=MAX_SEEN as u32).map(|n| {
        let prefix = Prefix::new(std::net::Ipv4Addr::from(n << 8).into(), 24).unwrap();
        Observation { destination: prefix, ..unhealthy(one) }
    });
    let refused = announcer.observe(&table("nodes"), many.collect()).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Bound);
    // It is said again to who comes after, as far as it is still said to be there.
    announcer.say(says(&[two])).unwrap();
    let (next, _next_ends) = session();
    *gate.next.lock().unwrap() = Some(next);
    let address = accepting.address;
    accepting.end().await;
    let accepting = Accepting::start(address, &ca, gate);
    assert_eq!(soon(seen.recv()).await.unwrap(), [unhealthy(two)]);
    accepting.end().await;
}

#[tokio::test]
async fn who_waits_for_a_persons_word_is_told_so() {
    let ca = Authority::new();
    let key = LinkKey::generate().unwrap();
    let (gate, _ends, _seen) = gate(&key);
    let accepting = Accepting::start(anywhere(), &ca, gate);
    let refused = dialer(accepting.address, &ca, &key).enrol("", "r1", "node").await.unwrap_err();
    assert_eq!(refused.refusal(), Some(RefusalCode::Pending));
    assert!(refused.refusal().unwrap().is_transient());
    accepting.end().await;
}

/// The dialer would speak each five seconds: it is asked for more, and is believed dead after less.
#[tokio::test]
async fn a_dialer_speaks_as_often_as_it_is_asked_to() {
    let ca = Authority::new();
    let key = LinkKey::generate().unwrap();
    let (gate, mut ends, _seen) = gate(&key);
    let accepting = Accepting::start(anywhere(), &ca, gate);
    let remote = Remote { address: accepting.address.to_string(), pin: ca.pin };
    let dialer = Arc::new(Dialer::new(remote, &key).unwrap());
    let mut announcer = Announcer::start(dialer, eager());
    assert!(matches!(soon(announcer.next()).await, Some(Answered::Up { .. })));
    // Longer than its silence would be borne.
    for n in 1..=4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        ends.maps.send(encoded(n, n == 1, &change(n), false)).unwrap();
        hears_map(&mut announcer).await;
        announcer.applied(n);
        assert_eq!(soon(ends.applied.recv()).await, Some(n), "the session is the same");
    }
    accepting.end().await;
}
