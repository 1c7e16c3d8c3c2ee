//! The network: clusters, links, connections, and one clock for all of it.
//!
//! ```text
//!   agenda ─▶ event ─▶ engine.step(input) ─▶ outputs ─▶ pipes, signer, agenda
//!                 └──▶ fault ─▶ links, clocks, engines
//! ```
//!
//! Everything that is to happen stands in the agenda. An event becomes inputs of at most a few
//! engines, whose outputs put events into the agenda again; nothing else moves, so there is no order
//! but the agenda's and a seed gives one run. Chance is drawn per cluster and per link, so that taking
//! a fault out of a list leaves most of a run as it was, which shrinking lives on.
//!
//! Rejected: a thread or a task a cluster (a scheduler's order is no seed's); one tick for all in
//! small steps (a minute of silence would cost as much as a minute of storm).

mod carry;
mod dial;
mod drive;
mod suffer;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rutter_protocol::Output;
use rutter_protocol::keys::KeyRecord;
use rutter_protocol::speaker::{ConnectionId, Input, Ticket};
use rutter_protocol::wire::Signature;
use rutter_route::{AnyDestination, ClusterId, Wall};

use crate::agenda::Agenda;
use crate::clock::WALL_AT_START;
use crate::faults::{Fault, Meddling};
use crate::invariants::Violation;
use crate::node::{Neighbourhood, Node, tables_digest};
use crate::pipe::{Connection, Side};
use crate::record::Tape;
use crate::scenario::{LinkSpec, Scenario};
use crate::signer::Keyring;

pub(crate) use view::{Ask, Hold, Seen};
pub use view::{Told, Totals};

/// An end doesn't hear the other: so long at least until it takes the connection for dead, in ms.
pub const PATIENCE: u64 = 750;

/// ... and so much more at most.
pub const PATIENCE_MORE: u64 = 250;

/// How long until a broken connection is dialled again at least.
const BACKOFF: u64 = 100;

/// How often a provider gives keys again, in ms.
const KEYS_EVERY: u64 = 300_000;

/// What an engine is prepared with at each boot: for the mutation check.
pub type Prepare = fn(&mut rutter_protocol::Engine);

/// See the module's head.
#[derive(Debug)]
pub struct Network {
    pub(crate) scenario: Scenario,
    pub(crate) at: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) places: BTreeMap<ClusterId, usize>,
    pub(crate) links: Vec<Link>,
    pub(crate) link_places: BTreeMap<(usize, usize), usize>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    agenda: Agenda<Event>,
    pub(crate) ring: Keyring,
    /// Rules broken by what an engine did, not by what it holds.
    pub(crate) broken: Vec<Violation>,
    /// What must never be usable where.
    pub(crate) never: BTreeMap<usize, Vec<AnyDestination>>,
    /// All that anybody has originated.
    pub(crate) ever: BTreeSet<AnyDestination>,
    /// Destinations that forgers make up: usable nowhere.
    pub(crate) ghosts: BTreeSet<AnyDestination>,
    pub(crate) totals: Totals,
    pub(crate) tape: Option<Tape>,
    prepare: Option<Prepare>,
    out: Vec<Output>,
}

/// A link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [usize; 2],
    pub(crate) spec: LinkSpec,
    /// Nothing gets over it until then.
    pub(crate) cut_until: u64,
    /// Another delay until then.
    pub(crate) slow: Option<(u64, u64)>,
    /// A share of lost packets, in percent, until then.
    pub(crate) lossy: Option<(u8, u64)>,
    /// Who meddles with its frames until then.
    pub(crate) meddler: Option<(Meddling, u64)>,
    /// Frames that a meddler has heard, with their connection and who sent them.
    pub(crate) heard: Vec<(u64, Side, Bytes)>,
    /// Connections that are being made.
    pub(crate) dialling: u8,
    pub(crate) rng: ChaCha8Rng,
}

/// What is to happen.
#[derive(Debug)]
pub(crate) enum Event {
    Wake { node: usize, boot: u32 },
    Arrive { connection: u64, from: Side },
    Read { connection: u64, from: Side },
    Told { connection: u64, from: Side },
    Signed { node: usize, boot: u32, ticket: Ticket, signature: Result<Signature, String> },
    Verified { node: usize, boot: u32, ticket: Ticket, good: Vec<bool> },
    Dial { link: usize },
    Connected { link: usize },
    UpAt { connection: u64, side: Side, nonce: [u8; 16] },
    Lost { connection: u64, side: Side, why: &'static str },
    Boot { node: usize },
    Suffer(Box<Fault>),
    SetWall { node: usize, ahead: i64 },
    Measure { link: usize, left: u8 },
    EndMeddling { link: usize },
    Provide,
}

impl Network {
    /// A network at its first moment, with all clusters booted.
    ///
    /// # Errors
    /// A scenario that contradicts itself, such as by a policy that does.
    pub fn new(
        scenario: &Scenario,
        prepare: Option<Prepare>,
        tape: Option<Tape>,
    ) -> Result<Self, String> {
        scenario.check().map_err(|why| why.to_string())?;
        let (names, pairs) = scenario.topology.build(scenario.seed);
        let mut ring = Keyring::default();
        let nodes: Vec<Node> = names
            .iter()
            .enumerate()
            .map(|(place, name)| Node::new(scenario, name, place, &mut ring))
            .collect();
        let links: Vec<Link> = pairs
            .iter()
            .enumerate()
            .filter_map(|(at, (a, b))| {
                let spec = scenario.link_of(names.get(*a)?, names.get(*b)?).clone();
                Some(Link::new([*a, *b], spec, scenario.seed ^ (at as u64 + 1).rotate_left(32)))
            })
            .collect();
        let mut network = Self {
            scenario: scenario.clone(),
            at: 0,
            places: names.iter().cloned().enumerate().map(|(at, name)| (name, at)).collect(),
            nodes,
            link_places: pairs.iter().enumerate().map(|(at, pair)| (*pair, at)).collect(),
            links,
            connections: BTreeMap::new(),
            last_connection: 0,
            agenda: Agenda::new(),
            ring,
            broken: Vec::new(),
            never: BTreeMap::new(),
            ever: BTreeSet::new(),
            ghosts: BTreeSet::new(),
            totals: Totals::default(),
            tape,
            prepare,
            out: Vec::new(),
        };
        network.begin()?;
        Ok(network)
    }

    fn begin(&mut self) -> Result<(), String> {
        for planned in self.scenario.faults.clone() {
            self.agenda.put(planned.at.0, Event::Suffer(Box::new(planned.fault)));
        }
        self.ever = self.nodes.iter().flat_map(Node::originates).collect();
        for node in 0..self.nodes.len() {
            self.boot(node)?;
        }
        self.agenda.put(KEYS_EVERY, Event::Provide);
        Ok(())
    }

    /// Adds a fault that comes at a simulated millisecond.
    pub fn plan(&mut self, at: u64, fault: Fault) {
        self.agenda.put(at.max(self.at), Event::Suffer(Box::new(fault)));
    }

    /// What time it is, in milliseconds since the start.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Lets everything happen until that time, or until a rule is broken.
    pub fn run_until(&mut self, until: u64) {
        while self.agenda.next_at().is_some_and(|at| at <= until) && self.broken.is_empty() {
            let Some((at, event)) = self.agenda.pop() else { break };
            self.at = at.max(self.at);
            self.totals.events += 1;
            self.happen(event);
        }
        if self.broken.is_empty() {
            self.at = self.at.max(until);
        }
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.agenda.next_at()
    }

    /// How many events wait.
    pub fn n_waiting(&self) -> usize {
        self.agenda.len()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { node, boot } => self.wake(node, boot),
            Event::Arrive { connection, from } => self.arrive(connection, from),
            Event::Read { connection, from } => self.read(connection, from),
            Event::Told { connection, from } => self.tell_room(connection, from),
            Event::Signed { node, boot, ticket, signature } => {
                self.answer(node, boot, Input::Signed { ticket, signature });
            }
            Event::Verified { node, boot, ticket, good } => {
                self.answer(node, boot, Input::Verified { ticket, good });
            }
            Event::Dial { link } => self.dial(link),
            Event::Connected { link } => self.connected(link),
            Event::UpAt { connection, side, nonce } => self.up(connection, side, nonce),
            Event::Lost { connection, side, why } => self.lose(connection, side, why),
            Event::Boot { node } => {
                if let Err(why) = self.boot(node) {
                    self.break_rule(Some(node), "boots", why);
                }
            }
            Event::Suffer(fault) => self.suffer(&fault),
            Event::SetWall { node, ahead } => self.set_wall(node, ahead),
            Event::Measure { link, left } => self.measure(link, left),
            Event::EndMeddling { link } => {
                if self
                    .links
                    .get(link)
                    .is_some_and(|one| one.meddler.is_some_and(|(_, until)| until <= self.at))
                {
                    self.end_meddling(link);
                }
            }
            Event::Provide => {
                self.provide_all();
                // `mend` puts one of its own: only the regular one goes on.
                if self.at.is_multiple_of(KEYS_EVERY) {
                    self.agenda.put(self.at + KEYS_EVERY, Event::Provide);
                }
            }
        }
    }

    /// Ends the recording with what the tables hold.
    pub(crate) fn end_tape(&mut self) -> Result<(), std::io::Error> {
        let Some(mut tape) = self.tape.take() else { return Ok(()) };
        for node in &self.nodes {
            if let Some(engine) = &node.engine {
                tape.end(&node.name, tables_digest(engine));
            }
        }
        tape.finish()
    }

    /// What every cluster's provider gives: the keys that are good now.
    pub(crate) fn provided(&self) -> BTreeMap<ClusterId, Vec<KeyRecord>> {
        let record = |node: &Node| {
            let pair = node.primary()?;
            let added_at = Wall(WALL_AT_START);
            Some(vec![KeyRecord { key: pair.public, added_at, expires_at: None }])
        };
        self.nodes.iter().filter_map(|node| Some((node.name.clone(), record(node)?))).collect()
    }

    pub(crate) fn neighbourhood(&self, of: usize) -> Neighbourhood {
        let mine = self.links.iter().filter_map(|link| {
            let peer = link.peer(of)?;
            Some((self.nodes.get(peer)?.name.clone(), link.spec.clone()))
        });
        mine.collect()
    }

    /// A rule was broken by what a cluster did.
    pub(crate) fn break_rule(&mut self, node: Option<usize>, rule: &'static str, what: String) {
        let cluster = node.and_then(|node| Some(self.nodes.get(node)?.name.clone()));
        self.broken.push(Violation { at: self.at, rule: rule.into(), cluster, what });
    }
}

impl Link {
    fn new(ends: [usize; 2], spec: LinkSpec, seed: u64) -> Self {
        Self {
            ends,
            spec,
            cut_until: 0,
            slow: None,
            lossy: None,
            meddler: None,
            heard: Vec::new(),
            dialling: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The other end than this.
    pub(crate) fn peer(&self, of: usize) -> Option<usize> {
        match self.ends {
            [a, b] if a == of => Some(b),
            [a, b] if b == of => Some(a),
            _ => None,
        }
    }

    /// How long a frame takes now.
    pub(crate) fn delay(&self, at: u64) -> u64 {
        let slow = self.slow.filter(|(_, until)| at < *until);
        slow.map_or(self.spec.delay.0, |(delay, _)| delay)
    }

    pub(crate) fn is_cut(&self, at: u64) -> bool {
        at < self.cut_until
    }
}

/// The id by which both ends know a connection.
pub(crate) fn id(connection: u64) -> ConnectionId {
    ConnectionId(connection)
}
