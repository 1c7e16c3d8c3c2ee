//! A few clusters in one process: real speakers on real books with real Ed25519 keys, joined by
//! links that deliver in order after a delay, under a clock that the test moves.
//!
//! Links take room only as it is given. A signature is answered at once, by a key of the cluster's; a
//! signer can be made to fail, and to stay silent. All messages are kept by who said them to whom, for
//! what a test asks of them (`ask`).

mod ask;
mod own;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rutter_protocol::keys::KeyId;
use rutter_protocol::speaker::{ConnectionId, LogEvent, Ticket};
use rutter_protocol::wire::Message;
use rutter_protocol::{Engine, Input, Speaker, SpeakerConfig};

use super::*;

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

/// One cluster.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) signs: Signs,
    pub(crate) log: Vec<LogEvent>,
    late: Vec<(Ticket, KeyId, Vec<u8>)>,
}

enum Event {
    Deliver(Bytes),
    Down,
}

/// See the module's head.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) said: Vec<Said>,
    /// Milliseconds since the test began.
    pub(crate) now: u64,
    /// Frames under way: when, in which order, to whom, over which connection.
    queue: BTreeMap<(u64, u64), (String, ConnectionId, Event)>,
    connections: BTreeMap<ConnectionId, (String, String)>,
    n_events: u64,
    last_connection: u64,
}

/// All links between these.
pub(crate) fn mesh<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pairs = names.iter().enumerate();
    pairs.flat_map(|(n, a)| names[n + 1..].iter().map(move |b| (*a, *b))).collect()
}

impl Net {
    /// Clusters joined by these links, up and at rest; each knows everybody's first key.
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
        let mut net = Self::default();
        let names: Vec<&str> = around.keys().copied().collect();
        for (name, neighbours) in &around {
            let neighbours: Vec<&str> = neighbours.iter().copied().collect();
            let mut config = config(name, &neighbours);
            tweak(&mut config);
            net.add(config, &names);
        }
        net
    }

    /// Adds a cluster, or one that was there begins anew without any state, with the first keys of
    /// those that it `knows`.
    pub(crate) fn add(&mut self, config: SpeakerConfig, knows: &[&str]) {
        let (name, now) = (config.cluster.to_string(), at(self.now));
        let mut book = book(&config, now);
        let speaker = Speaker::new(now, config, registry(knows), &mut book).unwrap();
        let node = Node {
            engine: Engine { book, speaker },
            keys: vec![key(&name, 0)],
            signs: Signs::Well,
            log: Vec::new(),
            late: Vec::new(),
        };
        self.nodes.insert(name.clone(), node);
        self.input(&name, Input::Tick);
    }

    /// A cluster begins anew, set up as before; its connections are cut already.
    pub(crate) fn restart(&mut self, name: &str, boot: u64) {
        let config = self.speaker(name).config().clone();
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let knows: Vec<&str> = names.iter().map(String::as_str).collect();
        self.add(SpeakerConfig { incarnation: boot, ..config }, &knows);
    }

    /// Opens a connection.
    pub(crate) fn join(&mut self, a: &str, b: &str) {
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
    }

    /// Cuts all connections between two; both ends hear of it at once.
    pub(crate) fn cut(&mut self, a: &str, b: &str) {
        let is_between = |(x, y): &(String, String)| (x == a && y == b) || (x == b && y == a);
        let all = self.connections.iter();
        let cut: Vec<_> = all.filter(|(_, ends)| is_between(ends)).map(|(c, _)| *c).collect();
        for connection in cut {
            self.connections.remove(&connection);
            self.queue.retain(|_, (_, over, _)| *over != connection);
            for end in [a, b] {
                self.input(end, Input::Down { connection, why: "cut".into() });
            }
        }
    }
}
