//! Whole speakers, joined by links that keep order and take time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use rutter_protocol::speaker::{
    ConnectionId, Engine, Input, LogEvent, Output, Speaker, SpeakerConfig,
};
use rutter_protocol::stats::NeighbourStats;
use rutter_protocol::wire::{Frame, Message};
use rutter_rib::ViewId;
use rutter_route::{ClusterId, Now};

use super::say::*;

/// One cluster.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) key: SigningKey,
    pub(crate) log: Vec<LogEvent>,
}

/// One connection, by both ends' names for it.
#[derive(Debug, Clone)]
struct Wire {
    ends: [(String, ConnectionId); 2],
    delay_ms: u64,
    up: bool,
}

/// See the module's head.
pub(crate) struct Net {
    pub(crate) now: Now,
    pub(crate) nodes: BTreeMap<String, Node>,
    wires: Vec<Wire>,
    /// What is under way, by when it arrives and in which order it was sent.
    agenda: BTreeMap<(u64, u64), (String, Input)>,
    /// Messages that went over each directed link.
    pub(crate) sent: BTreeMap<(String, String), Vec<Message>>,
    order: u64,
    last: u64,
}

/// Clusters with these links, all with everything required, up and at rest.
pub(crate) fn net(links: &[(&str, &str)]) -> Net {
    Net::with(links, config)
}

/// A full mesh of the first so many letters.
pub(crate) fn mesh(n: usize) -> Net {
    let names = ["a", "b", "c", "d", "e", "f"];
    let pairs = |at: usize| names[at + 1..n].iter().map(move |to| (names[at], *to));
    net(&(0..n).flat_map(pairs).collect::<Vec<_>>())
}

impl Net {
    pub(crate) fn with(
        links: &[(&str, &str)],
        configure: impl Fn(&str, &[&str]) -> SpeakerConfig,
    ) -> Self {
        let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (one, other) in links {
            neighbours.entry(one).or_default().push(other);
            neighbours.entry(other).or_default().push(one);
        }
        let names: Vec<&str> = neighbours.keys().copied().collect();
        let now = at(0);
        let node = |name: &str, of: &[&str]| {
            let config = configure(name, of);
            let mut book = book(&config, now);
            let speaker = Speaker::new(now, config, registry(&names), &mut book).unwrap();
            let engine = Engine { book, speaker };
            (name.to_owned(), Node { engine, key: key(name, 0), log: Vec::new() })
        };
        let nodes = neighbours.iter().map(|(name, of)| node(name, of)).collect();
        let mut net = Self {
            now,
            nodes,
            wires: Vec::new(),
            agenda: BTreeMap::new(),
            sent: BTreeMap::new(),
            order: 0,
            last: 0,
        };
        for name in &names {
            net.input(name, Input::Tick);
        }
        for (one, other) in links {
            net.connect(one, other);
        }
        net.run(3_000);
        net
    }

    /// A connection more between two; it takes 5 ms each way.
    pub(crate) fn connect(&mut self, one: &str, other: &str) {
        let ends = [one, other].map(|name| {
            self.last += 1;
            (name.to_owned(), ConnectionId(self.last))
        });
        self.wires.push(Wire { ends: ends.clone(), delay_ms: 5, up: true });
        for (at, (name, id)) in ends.iter().enumerate() {
            let neighbour = cluster(&ends[1 - at].0);
            let nonce = [id.0 as u8; 16];
            self.input(name, Input::Up { neighbour, connection: *id, nonce });
            self.input(name, Input::Room { connection: *id, frames: 1_000_000 });
        }
    }

    /// A cluster begins anew, without anything of its life before; its connections are cut already.
    pub(crate) fn restart(&mut self, name: &str, boot: u64) {
        let names: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
        let keys = registry(&names);
        let node = self.nodes.get_mut(name).unwrap();
        let mut config = node.engine.speaker.config().clone();
        config.incarnation = boot;
        let mut book = book(&config, self.now);
        let speaker = Speaker::new(self.now, config, keys, &mut book).unwrap();
        node.engine = Engine { book, speaker };
        self.input(name, Input::Tick);
    }

    /// Cuts all connections between two; both ends see it after `ms`.
    pub(crate) fn cut(&mut self, one: &str, other: &str, ms: u64) {
        let mut lost = Vec::new();
        for wire in self.wires.iter_mut().filter(|w| w.up) {
            let [(a, _), (b, _)] = &wire.ends;
            if (a.as_str(), b.as_str()) == (one, other) || (b.as_str(), a.as_str()) == (one, other)
            {
                wire.up = false;
                lost.extend(wire.ends.clone());
            }
        }
        for (name, connection) in lost {
            self.schedule(ms, &name, Input::Down { connection, why: "cut".into() });
        }
    }

    fn schedule(&mut self, in_ms: u64, name: &str, input: Input) {
        self.order += 1;
        self.agenda.insert((self.now.mono.0 + in_ms, self.order), (name.to_owned(), input));
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.now.mono.0 + ms;
        loop {
            let deadlines = self.nodes.iter().filter_map(|(name, node)| {
                let at = node.engine.next_deadline(self.now)?.0.0.max(self.now.mono.0 + 1);
                Some((at, name.clone()))
            });
            let deadline = deadlines.min();
            let arrival = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let next = deadline.as_ref().map(|(at, _)| *at).into_iter().chain(arrival).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.plus(Duration::from_millis(next.saturating_sub(self.now.mono.0)));
            if arrival == Some(next) {
                let (_, (name, input)) = self.agenda.pop_first().unwrap();
                self.input(&name, input);
            } else if let Some((_, name)) = deadline {
                self.input(&name, Input::Tick);
            }
        }
        self.now = self.now.plus(Duration::from_millis(until - self.now.mono.0));
    }

    /// Gives a speaker an input, and answers what it asks for.
    pub(crate) fn input(&mut self, name: &str, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            let node = self.nodes.get_mut(name).unwrap();
            node.engine.step(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Send { connection, frame } => self.send(name, connection, frame),
                    Output::Close { connection, .. } => self.closed(name, connection),
                    Output::Sign { ticket, bytes, .. } => {
                        let signature = Ok(signature(&self.nodes[name].key, &bytes));
                        inputs.push_back(Input::Signed { ticket, signature });
                    }
                    Output::Verify { ticket, checks } => {
                        let good = checks.iter().map(is_good).collect();
                        inputs.push_back(Input::Verified { ticket, good });
                    }
                    Output::Log(event) => self.nodes.get_mut(name).unwrap().log.push(event),
                    Output::Credit { .. } | Output::KeepKeys => {}
                }
            }
        }
    }

    fn wire_of(&mut self, name: &str, id: ConnectionId) -> Option<(&mut Wire, usize)> {
        self.wires.iter_mut().find_map(|wire| {
            let at = wire.ends.iter().position(|(n, i)| n == name && *i == id)?;
            Some((wire, at))
        })
    }

    fn send(&mut self, name: &str, id: ConnectionId, frame: Bytes) {
        let Some((wire, at)) = self.wire_of(name, id) else { return };
        if !wire.up {
            return;
        }
        let (peer, connection) = wire.ends[1 - at].clone();
        let delay = wire.delay_ms;
        if let Ok(Frame::Batch(batch)) = Frame::decode(frame.clone()) {
            let messages = batch.messages.iter().map(|m| Message::decode(m).unwrap());
            self.sent.entry((name.into(), peer.clone())).or_default().extend(messages);
        }
        self.schedule(delay, &peer, Input::Heard { connection, frame });
    }

    fn closed(&mut self, name: &str, id: ConnectionId) {
        let Some((wire, at)) = self.wire_of(name, id) else { return };
        if !std::mem::replace(&mut wire.up, false) {
            return;
        }
        let (peer, connection) = wire.ends[1 - at].clone();
        let delay = wire.delay_ms;
        self.schedule(delay, &peer, Input::Down { connection, why: "closed".into() });
    }

    /// The path by which a cluster reaches another: the clusters behind it, in order.
    pub(crate) fn path(&self, from: &str, destination: &str) -> Option<String> {
        let table = self.nodes[from].engine.book.table::<ClusterId>(&scope("fabric")).unwrap();
        let selected = table.selected(&cluster(destination), ViewId::DEFAULT);
        let best = selected.best()?;
        let steps = best.attributes.path_list.iter().rev().map(|s| s.cluster.as_str());
        Some(steps.collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn stats(&self, at: &str, of: &str) -> NeighbourStats {
        let stats = self.nodes[at].engine.speaker.stats();
        stats.neighbours.get(&cluster(of)).cloned().unwrap_or_default()
    }

    /// Announcements of a destination that went over a directed link, by their paths.
    pub(crate) fn announced(&self, from: &str, over: &str, destination: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for message in self.sent.get(&(from.into(), over.into())).into_iter().flatten() {
            if let Message::Announce(said) = message
                && said.routes.iter().any(|r| r.destination == to(destination))
            {
                let path: Vec<_> = said.path.iter().map(ClusterId::as_str).collect();
                paths.push(path.join(" "));
            }
        }
        paths
    }

    /// Withdrawals of a destination that went over a directed link, and how many had its claim.
    pub(crate) fn withdrawn(&self, from: &str, over: &str, destination: &str) -> (usize, usize) {
        let mut n = (0, 0);
        for message in self.sent.get(&(from.into(), over.into())).into_iter().flatten() {
            let Message::Withdraw(said) = message else { continue };
            for route in said.routes.iter().filter(|r| r.destination == to(destination)) {
                n.0 += 1;
                n.1 += usize::from(route.claim.is_some());
            }
        }
        n
    }
}
