//! A few clusters in one process: real speakers on real books with real Ed25519 keys, joined by
//! links that deliver in order after a delay, under a clock that the test moves.
//!
//! A signature is answered at once, by a key of the cluster's; a signer can be made to fail, and to
//! stay silent. All messages are kept by who said them to whom, for what a test counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::{KeyId, KeyRecord, KeyRegistry, PublicKey};
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{
    Check, ConnectionId, LogEvent, NeighbourSpec, ScopeSpec, Security, Ticket,
};
use rutter_protocol::wire::{Frame, Message, Metrics, Signature};
use rutter_protocol::{Engine, Input, Output, Speaker, SpeakerConfig};
use rutter_rib::{Book, HopKind, Kind, Policy, Resolve, TableSpec, ViewId};
use rutter_route::*;

/// How long a frame is on its way, in milliseconds, unless a test says otherwise.
pub(crate) const DELAY: u64 = 5;

/// Where the wall's clock stands when the test's begins.
pub(crate) const WALL: u64 = 1_700_000_000_000;

/// What somebody said to somebody.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at: u64,
    pub(crate) by: String,
    pub(crate) to: String,
    pub(crate) message: Message,
}

/// What a signer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Signs {
    #[default]
    Well,
    Fails,
    /// It keeps what it was asked until it is made to sign again.
    Late,
}

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) signs: Signs,
    pub(crate) log: Vec<LogEvent>,
    /// By how much the wall's clock is wrong, in milliseconds.
    pub(crate) skew: i64,
    late: Vec<(Ticket, KeyId, Vec<u8>)>,
}

enum Event {
    Deliver(Bytes),
    Down,
}

pub(crate) struct Net {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) said: Vec<Said>,
    pub(crate) now: u64,
    pub(crate) delay: u64,
    /// Frames under way: when, in which order, to whom, over which connection.
    queue: BTreeMap<(u64, u64), (String, ConnectionId, Event)>,
    connections: BTreeMap<ConnectionId, (String, String)>,
    n_events: u64,
    last_connection: u64,
}

pub(crate) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

/// A cluster's key of that number.
pub(crate) fn key(cluster: &str, n: u32) -> SigningKey {
    let seed = <sha2::Sha256 as sha2::Digest>::digest(format!("{cluster} {n}"));
    SigningKey::from_bytes(&seed.into())
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn record(key: &SigningKey) -> KeyRecord {
    KeyRecord { key: public(key), added_at: Wall(WALL), expires_at: None }
}

pub(crate) fn scopes() -> Vec<ScopeSpec> {
    let spec = |name: &str, kind| ScopeSpec {
        scope: name.parse().unwrap(),
        table: name.parse().unwrap(),
        kind,
    };
    vec![
        spec("fabric", DestinationKind::Cluster),
        spec("overlay/1", DestinationKind::Prefix),
        spec("services", DestinationKind::Service),
    ]
}

/// Everything is carried, nothing is filtered.
pub(crate) fn open_policy() -> FabricPolicy {
    let carry = r#"{"carry":{"services":{"import":{},"export":{}},
                             "overlay/1":{"import":{},"export":{}}}}"#;
    serde_json::from_str(carry).unwrap()
}

pub(crate) fn policy(json: &str) -> FabricPolicy {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// How a cluster is set up unless a test says otherwise.
pub(crate) fn config(name: &str, neighbours: &[&str]) -> SpeakerConfig {
    let spec = |n: &&str| (cluster(n), NeighbourSpec::default());
    SpeakerConfig {
        cluster: cluster(name),
        incarnation: 1,
        scopes: scopes(),
        neighbours: neighbours.iter().map(spec).collect(),
        tags: Tags::default(),
        gateway: format!("{name}.test:443"),
        security: Security::default(),
        policy: open_policy(),
        links: LinkSettings { measure: false, ..LinkSettings::default() },
        claims: ClaimLimits {
            total: 100_000,
            per_originator: 10_000,
            max_life_ms: 24 * 3_600_000,
            skew_ms: 300_000,
        },
        max_restart: Duration::from_secs(120),
        forget: Duration::from_secs(600),
        log_routes: true,
        seed: 7,
    }
}

fn book(name: &str, now: Now) -> Book {
    let table = |spec: ScopeSpec| TableSpec {
        name: spec.table,
        kind: spec.kind,
        policy: Policy::default(),
    };
    let through = |table: &str| Resolve {
        table: table.parse().unwrap(),
        hops: HopKind::Cluster,
        through: "fabric".parse().unwrap(),
    };
    let tables = scopes().into_iter().map(table).collect();
    let resolves = vec![through("overlay/1"), through("services")];
    Book::new(cluster(name), tables, resolves, Vec::new(), now, 7).unwrap()
}

impl Net {
    /// Clusters joined by these links; each knows everybody's first key.
    pub(crate) fn new(links: &[(&str, &str)]) -> Self {
        Self::with(links, |_| {})
    }

    /// ... each set up as `tweak` leaves it.
    pub(crate) fn with(links: &[(&str, &str)], tweak: impl Fn(&mut SpeakerConfig)) -> Self {
        let mut net = Self::apart(links, tweak);
        for (a, b) in links {
            net.join(a, b);
        }
        net.settle();
        net
    }

    /// ... none of them connected yet.
    pub(crate) fn apart(links: &[(&str, &str)], tweak: impl Fn(&mut SpeakerConfig)) -> Self {
        let mut around: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (a, b) in links {
            around.entry(a).or_default().insert(b);
            around.entry(b).or_default().insert(a);
        }
        let mut net = Self {
            nodes: BTreeMap::new(),
            said: Vec::new(),
            now: 1000,
            delay: DELAY,
            queue: BTreeMap::new(),
            connections: BTreeMap::new(),
            n_events: 0,
            last_connection: 0,
        };
        let names: Vec<&str> = around.keys().copied().collect();
        for (name, neighbours) in &around {
            let neighbours: Vec<&str> = neighbours.iter().copied().collect();
            let mut config = config(name, &neighbours);
            tweak(&mut config);
            net.add(name, config, &names);
        }
        net
    }

    /// Adds a cluster, or one that was there begins anew without any state, with the first keys of
    /// those that it `knows`.
    pub(crate) fn add(&mut self, name: &str, config: SpeakerConfig, knows: &[&str]) {
        let now = Now::new(self.now, WALL + self.now);
        let mut keys = KeyRegistry::default();
        for other in knows {
            keys.provide(now, &cluster(other), vec![record(&key(other, 0))]);
        }
        let mut book = book(name, now);
        let speaker = Speaker::new(now, config, keys, &mut book).unwrap();
        let node = Node {
            engine: Engine { book, speaker },
            keys: vec![key(name, 0)],
            signs: Signs::Well,
            log: Vec::new(),
            skew: 0,
            late: Vec::new(),
        };
        self.nodes.insert(name.into(), node);
    }

    pub(crate) fn now_of(&self, node: &str) -> Now {
        let wall = i64::try_from(WALL + self.now).unwrap() + self.nodes[node].skew;
        Now::new(self.now, u64::try_from(wall).unwrap())
    }

    /// Opens a connection.
    pub(crate) fn join(&mut self, a: &str, b: &str) -> ConnectionId {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.connections.insert(connection, (a.into(), b.into()));
        let nonce = |end: u8| {
            let mut nonce = [end; 16];
            nonce[..8].copy_from_slice(&connection.0.to_be_bytes());
            nonce
        };
        let up = |to: &str, n| Input::Up { neighbour: cluster(to), connection, nonce: nonce(n) };
        self.input(a, up(b, 1));
        self.input(b, up(a, 2));
        connection
    }

    /// Cuts all connections between two; both ends hear of it at once.
    pub(crate) fn cut(&mut self, a: &str, b: &str) {
        let between = |(_, (x, y)): &(&ConnectionId, &(String, String))| {
            (x == a && y == b) || (x == b && y == a)
        };
        let cut: Vec<_> = self.connections.iter().filter(between).map(|(c, _)| *c).collect();
        cut.into_iter().for_each(|connection| self.cut_one(connection));
    }

    pub(crate) fn cut_one(&mut self, connection: ConnectionId) {
        let Some((a, b)) = self.connections.remove(&connection) else { return };
        self.queue.retain(|_, (_, over, _)| *over != connection);
        for end in [a, b] {
            self.input(&end, Input::Down { connection, why: "cut".into() });
        }
    }

    /// Something happens to a cluster.
    pub(crate) fn input(&mut self, node: &str, input: Input) {
        let now = self.now_of(node);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            let Some(n) = self.nodes.get_mut(node) else { return };
            n.engine.step(now, input, &mut out);
            let answers: Vec<Input> =
                out.into_iter().filter_map(|o| self.output(node, o)).collect();
            inputs.extend(answers.into_iter().rev());
        }
    }

    /// Does what a cluster wants done; an answer is given at once.
    fn output(&mut self, node: &str, output: Output) -> Option<Input> {
        match output {
            Output::Send { connection, frame } => {
                self.send(node, connection, frame);
                None
            }
            Output::Credit { connection, frames } => {
                let other = self.other(node, connection)?;
                self.input(&other, Input::Room { connection, frames });
                None
            }
            Output::Close { connection, .. } => {
                let other = self.other(node, connection)?;
                self.post(&other, connection, Event::Down);
                None
            }
            Output::Sign { ticket, key, bytes } => self.sign(node, ticket, key, bytes),
            Output::Verify { ticket, checks } => {
                Some(Input::Verified { ticket, good: checks.iter().map(is_good).collect() })
            }
            Output::KeepKeys => None,
            Output::Log(event) => {
                self.nodes.get_mut(node)?.log.push(event);
                None
            }
        }
    }

    fn sign(&mut self, node: &str, ticket: Ticket, id: KeyId, bytes: Vec<u8>) -> Option<Input> {
        let node = self.nodes.get_mut(node)?;
        let signature = match node.signs {
            Signs::Well => {
                let key = node.keys.iter().find(|key| public(key).id() == id);
                key.map(|key| Signature(key.sign(&bytes).to_bytes())).ok_or("no such key".into())
            }
            Signs::Fails => Err("the signer is broken".to_owned()),
            Signs::Late => {
                node.late.push((ticket, id, bytes));
                return None;
            }
        };
        Some(Input::Signed { ticket, signature })
    }

    /// What a late signer was asked is signed now.
    pub(crate) fn sign_late(&mut self, name: &str) {
        let node = self.nodes.get_mut(name).unwrap();
        node.signs = Signs::Well;
        for (ticket, id, bytes) in std::mem::take(&mut node.late) {
            let answer = self.sign(name, ticket, id, bytes).unwrap();
            self.input(name, answer);
        }
    }

    fn other(&self, node: &str, connection: ConnectionId) -> Option<String> {
        let (a, b) = self.connections.get(&connection)?;
        Some(if a == node { b.clone() } else { a.clone() })
    }

    fn send(&mut self, by: &str, connection: ConnectionId, frame: Bytes) {
        let Some(to) = self.other(by, connection) else { return };
        if let Ok(Frame::Batch(batch)) = Frame::decode(frame.clone()) {
            for bytes in &batch.messages {
                let message = Message::decode(bytes).unwrap();
                self.said.push(Said { at: self.now, by: by.into(), to: to.clone(), message });
            }
        }
        self.post(&to, connection, Event::Deliver(frame));
    }

    fn post(&mut self, to: &str, connection: ConnectionId, event: Event) {
        self.n_events += 1;
        let at = (self.now + self.delay, self.n_events);
        self.queue.insert(at, (to.into(), connection, event));
    }

    /// When something happens next by itself.
    fn next(&self) -> Option<u64> {
        let frames = self.queue.first_key_value().map(|((at, _), _)| *at);
        let ticks = self.nodes.iter().filter_map(|(name, node)| {
            node.engine.next_deadline(self.now_of(name)).map(|d| d.0.0.max(self.now))
        });
        frames.into_iter().chain(ticks).min()
    }

    /// Goes on until that time.
    pub(crate) fn run_until(&mut self, until: u64) {
        let mut n_ticks_at = (0, 0);
        while let Some(at) = self.next().filter(|at| *at <= until) {
            n_ticks_at = if n_ticks_at.0 == at { (at, n_ticks_at.1 + 1) } else { (at, 0) };
            assert!(n_ticks_at.1 < 10_000, "time stands still at {at}");
            self.now = at;
            if let Some(first) = self.queue.first_entry().filter(|e| e.key().0 <= at) {
                let (to, connection, event) = first.remove();
                if !self.connections.contains_key(&connection) {
                    continue;
                }
                let input = match event {
                    Event::Deliver(frame) => Input::Heard { connection, frame },
                    Event::Down => {
                        self.connections.remove(&connection);
                        Input::Down { connection, why: "closed".into() }
                    }
                };
                self.input(&to, input);
                continue;
            }
            let due: Vec<String> = self
                .nodes
                .iter()
                .filter(|(name, node)| {
                    let now = self.now_of(name);
                    node.engine.next_deadline(now).is_some_and(|d| d.is_due(now))
                })
                .map(|(name, _)| name.clone())
                .collect();
            for name in due {
                self.input(&name, Input::Tick);
            }
        }
        self.now = until.max(self.now);
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    /// Goes on for a second, in which all that is under way has long arrived.
    pub(crate) fn settle(&mut self) {
        self.run_for(1000);
        let last: Vec<_> = self.said.iter().rev().take(6).collect();
        assert!(self.queue.is_empty(), "something is under way for ever: {last:#?}");
    }

    /// Cluster `at` originates a destination, or does so with other attributes.
    pub(crate) fn originate<D: Kind>(&mut self, at: &str, table: &str, to: &str, tags: &[&str]) {
        let mut attributes = Attributes::via("http://127.0.0.1:80".parse().unwrap());
        tags.iter().for_each(|tag| attributes.tags.insert(tag.parse().unwrap()).unwrap());
        self.originate_with::<D>(at, table, to, attributes);
    }

    pub(crate) fn originate_with<D: Kind>(
        &mut self,
        at: &str,
        table: &str,
        to: &str,
        is: Attributes,
    ) {
        let now = self.now_of(at);
        let table = self.table_mut::<D>(at, table);
        let session = agent();
        if !table.speaks(&session.source) {
            table.source(now, &session, SourceState::Up(SourceInfo::default())).unwrap();
        }
        table.advertise(now, &session, Advertisement::new(to.parse().unwrap(), is));
        self.input(at, Input::Tick);
    }

    pub(crate) fn take_back<D: Kind>(&mut self, at: &str, table: &str, to: &str) {
        let now = self.now_of(at);
        let destination = to.parse().unwrap();
        let table = self.table_mut::<D>(at, table);
        assert!(table.withdraw(now, &agent(), &destination, &PathId::default()));
        self.input(at, Input::Tick);
    }

    fn table_mut<D: Kind>(&mut self, at: &str, table: &str) -> &mut rutter_rib::Table<D> {
        let book = &mut self.nodes.get_mut(at).unwrap().engine.book;
        book.table_mut::<D>(&table.parse().unwrap()).unwrap()
    }

    pub(crate) fn table<D: Kind>(&self, at: &str, table: &str) -> &rutter_rib::Table<D> {
        self.nodes[at].engine.book.table::<D>(&table.parse().unwrap()).unwrap()
    }

    pub(crate) fn speaker(&self, at: &str) -> &Speaker {
        &self.nodes[at].engine.speaker
    }

    /// The clusters on the best way, `at` first; empty: there is none.
    pub(crate) fn way<D: Kind>(&self, at: &str, table: &str, to: &str) -> Vec<String> {
        let table = self.table::<D>(at, table);
        let selected = table.selected(&to.parse().unwrap(), ViewId::DEFAULT);
        let Some(best) = selected.best() else { return Vec::new() };
        let through = best.attributes.path_list.iter().rev().map(|step| step.cluster.to_string());
        std::iter::once(at.to_owned()).chain(through).collect()
    }

    /// The best way to a cluster, as `a>b>c`.
    pub(crate) fn to_cluster(&self, at: &str, to: &str) -> String {
        self.way::<ClusterId>(at, "fabric", to).join(">")
    }

    /// Announcements of a destination (not batches: routes) since then, by directed link.
    pub(crate) fn announced(
        &self,
        since: u64,
        to: &AnyDestination,
    ) -> BTreeMap<(String, String), usize> {
        self.count(since, |message| match message {
            Message::Announce(a) => a.routes.iter().filter(|r| r.destination == *to).count(),
            _ => 0,
        })
    }

    /// As [`Net::announced`], withdrawals too.
    pub(crate) fn sends(
        &self,
        since: u64,
        to: &AnyDestination,
    ) -> BTreeMap<(String, String), usize> {
        self.count(since, |message| match message {
            Message::Announce(a) => a.routes.iter().filter(|r| r.destination == *to).count(),
            Message::Withdraw(w) => w.routes.iter().filter(|r| r.destination == *to).count(),
            _ => 0,
        })
    }

    pub(crate) fn count(
        &self,
        since: u64,
        of: impl Fn(&Message) -> usize,
    ) -> BTreeMap<(String, String), usize> {
        let mut links = BTreeMap::new();
        for said in self.said.iter().filter(|s| s.at >= since) {
            let n = of(&said.message);
            if n > 0 {
                *links.entry((said.by.clone(), said.to.clone())).or_default() += n;
            }
        }
        links
    }

    /// What was said over a directed link since then.
    pub(crate) fn heard(&self, since: u64, by: &str, to: &str) -> Vec<Message> {
        let on = |s: &&Said| s.at >= since && s.by == by && s.to == to;
        self.said.iter().filter(on).map(|s| s.message.clone()).collect()
    }
}

fn agent() -> Session {
    Session { source: "agent/alice".parse().unwrap(), incarnation: Incarnation(1) }
}

/// The one strict rule.
pub(crate) fn is_good(check: &Check) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&check.key.0) else { return false };
    let signature = ed25519_dalek::Signature::from_bytes(&check.signature.0);
    key.verify_strict(&check.bytes, &signature).is_ok()
}

/// All links between these.
pub(crate) fn mesh<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pairs = names.iter().enumerate();
    pairs.flat_map(|(n, a)| names[n + 1..].iter().map(move |b| (*a, *b))).collect()
}

/// A link of that latency and cost.
pub(crate) fn link(latency_us: u32, cost: u32) -> Metrics {
    Metrics { hops: 1, latency_us, cost, ..Metrics::default() }
}
