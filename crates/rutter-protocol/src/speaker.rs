//! One cluster's voice in the fabric.
//!
//! ```text
//!             ┌─────────────── Speaker ───────────────────────────────┐
//!  frames ──▶ │ session ─▶ verify ─▶ inbound ─▶ tables                │
//!             │                                    │ commit           │
//!             │                                    ▼ note             │
//!  frames ◀── │ session ◀── sign ◀── outbound ◀── outlets, own claims │
//!             └───────────────────────────────────────────────────────┘
//! ```
//!
//! Whoever owns the book drives it: [`Speaker::handle`] with each input, then the book's `advance`,
//! then [`Speaker::note`] with what changed, then [`Speaker::pump`]. [`Engine`] does just that for
//! one who has nothing else in the book.
//!
//! # Sessions
//!
//! A neighbour is one source of the book's tables, `neighbour/NAME`. Its session begins when the
//! first connection has opened and ends when the last is gone; what the neighbour tells moves to
//! another connection as a new *stream*, whose refresh says everything again, so that nothing acts
//! on the loss of one of several. A restart that was announced keeps its routes as stale for as long
//! as it named, within a bound; any other loss is `Offline` at once.
//!
//! # Order
//!
//! What a connection delivers is processed in its order: a batch that waits for its signatures
//! keeps those behind it waiting, within [`MAX_WAITING`] batches, over which no more is read.

mod bars;
mod config;
mod deferral;
mod engine;
mod inbound;
mod input;
mod neighbour;
mod outbound;
mod output;
mod own;
mod refuse;
mod rules;
mod session;
mod tables;
#[cfg(test)]
mod tests;
mod timers;
mod told;
mod trace;
mod waiting;
mod wall;
mod weakness;

use std::collections::{BTreeMap, BTreeSet};

use rutter_rib::{Book, BookChanges, Kind, Progress, ViewId};
use rutter_route::{
    Advertisement, Attributes, ClusterId, Deadline, DestinationKind, Incarnation, Mono, NextHop,
    Now, Prefix, Service, Session, SourceId, SourceInfo, SourceKind, SourceState, TableName,
    Verdict,
};

use crate::claims::Claims;
use crate::keys::KeyRegistry;
use crate::policy::Compiled;
use crate::stats::{Settling, Stats};
use crate::wire::{Claim, Scope};

pub use config::{NeighbourSpec, ScopeSpec, Security, Signing, SpeakerConfig};
pub use deferral::DEFERRAL;
pub use engine::Engine;
pub use input::{ConnectionId, Input, Parting, Ticket};
pub use neighbour::NeighbourStatus;
pub use output::{Check, Level, LogEvent, Output, What};
pub use told::Reach;
pub use trace::Refusal;
pub use weakness::Weakness;

/// Batches of one neighbour that wait for their signatures.
pub const MAX_WAITING: usize = 64;

/// The scope of the clusters themselves.
pub const FABRIC: &str = "fabric";

/// See the module's head.
#[derive(Debug)]
pub struct Speaker {
    pub(crate) config: SpeakerConfig,
    pub(crate) compiled: Compiled,
    pub(crate) neighbours: BTreeMap<ClusterId, neighbour::Neighbour>,
    pub(crate) connections: BTreeMap<ConnectionId, session::Connection>,
    pub(crate) claims: Claims,
    pub(crate) keys: KeyRegistry,
    pub(crate) own: own::Own,
    pub(crate) bars: bars::Bars,
    /// Claims that are verified beside batches, by whose answer it is.
    pub(crate) checking: BTreeMap<Ticket, Vec<(Scope, Claim)>>,
    pub(crate) stats: Stats,
    pub(crate) settling: Settling,
    pub(crate) refusals: trace::Refusals,
    pub(crate) logged: refuse::Logged,
    pub(crate) last_ticket: u64,
    pub(crate) last_session: u64,
    pub(crate) parting: Option<Parting>,
    /// Ends of refreshes wait for those of others until then; `None`: no longer.
    pub(crate) defers_until: Option<Mono>,
    /// By how much the wall's clock is ahead of the one that never jumps, in ms, since its last jump.
    pub(crate) wall_ahead: Option<i128>,
    #[cfg(any(test, feature = "weaken"))]
    pub(crate) weak: std::collections::BTreeSet<Weakness>,
}

impl Speaker {
    /// A speaker; the tables that it carries are in `book`, and take its policy. This cluster stands
    /// in the fabric's own table from now on, by the source `controller/OWN`.
    ///
    /// # Errors
    /// A policy that contradicts itself, a scope without its table.
    pub fn new(
        now: Now,
        config: SpeakerConfig,
        keys: KeyRegistry,
        book: &mut Book,
    ) -> Result<Self, SpeakerError> {
        check_scopes(&config, book)?;
        let specs = config.neighbours.iter();
        let neighbours = specs.filter_map(|(id, spec)| {
            Some((id.clone(), neighbour::Neighbour::new(id, spec.clone(), &config.links)?))
        });
        let mut speaker = Self {
            neighbours: neighbours.collect(),
            claims: Claims::new(config.claims, config.seed),
            compiled: Compiled::default(),
            connections: BTreeMap::new(),
            keys,
            own: own::Own::default(),
            bars: bars::Bars::default(),
            checking: BTreeMap::new(),
            stats: Stats::default(),
            settling: Settling::new(config.seed),
            refusals: trace::Refusals::default(),
            logged: refuse::Logged::default(),
            last_ticket: 0,
            last_session: 0,
            parting: None,
            defers_until: Some(deferral::until(now, &config)),
            wall_ahead: None,
            #[cfg(any(test, feature = "weaken"))]
            weak: std::collections::BTreeSet::new(),
            config,
        };
        speaker.install_policy(now, book)?;
        speaker.announce_itself(now, book);
        Ok(speaker)
    }

    /// This cluster is a destination of its own fabric.
    fn announce_itself(&self, now: Now, book: &mut Book) {
        let own = self.config.cluster.clone();
        let fabric = self.config.scopes.iter().find(|s| s.kind == DestinationKind::Cluster);
        let table = fabric.and_then(|spec| book.table_mut::<ClusterId>(&spec.table));
        // A cluster's name is short and made of what a source's may hold.
        let source = SourceId::new(SourceKind::Controller, own.as_str());
        let (Some(table), Ok(source)) = (table, source) else { return };
        let session = Session { source, incarnation: Incarnation(self.config.incarnation) };
        // The first source of its table, below every bound.
        let _ = table.source(now, &session, SourceState::Up(SourceInfo::default()));
        let attributes = Attributes {
            tags: self.config.tags.clone(),
            ..Attributes::via(NextHop::Cluster(own.clone()))
        };
        let verdict = table.advertise(now, &session, Advertisement::new(own, attributes));
        debug_assert!(matches!(verdict, Verdict::Stands(_)), "{verdict:?}");
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Now, book: &mut Book, input: Input, out: &mut Vec<Output>) {
        self.watch_wall(now);
        match input {
            Input::Up { neighbour, connection, nonce } => {
                self.up(neighbour, connection, nonce, out);
            }
            Input::Heard { connection, frame } => self.heard(now, book, connection, frame, out),
            Input::Room { connection, frames } => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.room = connection.room.saturating_add(frames);
                }
            }
            Input::Down { connection, why } => self.down(now, book, connection, &why, out),
            Input::Signed { ticket, signature } => {
                // An answer to a question of a connection that is gone is nobody's.
                self.signed(now, ticket, &signature, out);
            }
            Input::Verified { ticket, good } => self.verified(now, book, ticket, &good, out),
            Input::Keys { cluster, keys } => {
                if self.keys.provide(now, &cluster, keys).is_some() {
                    self.keys_changed(now, book, &cluster, out);
                    if cluster == self.config.cluster {
                        self.own_keys_changed(now);
                    }
                }
            }
            Input::Rotate { to, overlap } => self.rotate(now, to, overlap, out),
            Input::Measured { neighbour, sample } => {
                self.measured(now, book, &neighbour, sample, out);
            }
            Input::Policy(policy) => self.new_policy(now, book, *policy, out),
            Input::Neighbours(specs) => self.new_neighbours(now, book, specs, out),
            Input::Security(security) => {
                self.config.security = *security;
                self.security_changed(now, book, out);
                self.miss_all();
            }
            Input::Leave(parting) => self.leave(parting, out),
            Input::Tick => {}
        }
        self.tick(now, book, out);
    }

    /// The verifier's answer.
    fn verified(
        &mut self,
        now: Now,
        book: &mut Book,
        ticket: Ticket,
        good: &[bool],
        out: &mut Vec<Output>,
    ) {
        match self.checking.remove(&ticket) {
            Some(claims) => self.rechecked(now, book, claims, good),
            None => self.verified_batch(now, book, ticket, good, out),
        }
    }

    /// Other neighbours, or the same with other settings.
    fn new_neighbours(
        &mut self,
        now: Now,
        book: &mut Book,
        specs: BTreeMap<ClusterId, NeighbourSpec>,
        out: &mut Vec<Output>,
    ) {
        let gone: Vec<_> =
            self.neighbours.keys().filter(|id| !specs.contains_key(*id)).cloned().collect();
        for id in gone {
            self.dismiss(now, book, &id, out);
        }
        for (id, spec) in &specs {
            match self.neighbours.get_mut(id) {
                Some(neighbour) if neighbour.spec != *spec => self.respecify(now, book, id, spec),
                Some(_) => {}
                None => {
                    let new = neighbour::Neighbour::new(id, spec.clone(), &self.config.links);
                    self.neighbours.extend(new.map(|new| (id.clone(), new)));
                }
            }
        }
        self.config.neighbours = specs;
        self.recompile(now, book, out);
    }

    /// Everything has to be heard again, since what may be taken is other than before.
    fn miss_all(&mut self) {
        for neighbour in self.neighbours.values_mut() {
            neighbour.missed.extend(neighbour.scopes.iter().cloned());
        }
    }

    /// A commit of the book: what it changed may have to be told.
    pub fn note(&mut self, now: Now, book: &Book, changes: &BookChanges, out: &mut Vec<Output>) {
        for spec in &self.config.scopes {
            match spec.kind {
                DestinationKind::Cluster => {
                    settle::<ClusterId>(&mut self.settling, now, &spec.table, changes);
                }
                DestinationKind::Service => {
                    settle::<Service>(&mut self.settling, now, &spec.table, changes);
                }
                DestinationKind::Prefix => {
                    settle::<Prefix>(&mut self.settling, now, &spec.table, changes);
                }
            }
        }
        self.note_outlets(book, changes);
        self.note_own(now, book, changes, out);
    }

    /// Sends what there is to say, as far as connections have room. Says whether there is more to
    /// be had at once.
    pub fn pump(&mut self, now: Now, book: &Book, out: &mut Vec<Output>) -> Progress {
        self.pump_outlets(now, book, out)
    }

    /// When [`Input::Tick`] is due although nothing has happened.
    pub fn next_deadline(&self, now: Now) -> Option<Deadline> {
        let all = [self.timers_deadline(now), self.own_deadline(now), self.outlets_deadline()];
        all.into_iter().flatten().min()
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The keys that are known.
    pub fn keys(&self) -> &KeyRegistry {
        &self.keys
    }

    /// The claims that are held.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What it was told at the start, with what was told since.
    pub fn config(&self) -> &SpeakerConfig {
        &self.config
    }

    /// A ticket that was never given.
    pub(crate) fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// The table that a scope is.
    pub(crate) fn scope_spec(&self, scope: &Scope) -> Option<ScopeSpec> {
        self.config.scopes.iter().find(|s| s.scope == *scope).cloned()
    }
}

/// Notes what a commit changed, for how long it takes to come to rest.
fn settle<D: Kind>(settling: &mut Settling, now: Now, table: &TableName, changes: &BookChanges) {
    let Some(changes) = changes.of::<D>(table) else { return };
    let changed = changes.changes.iter().filter(|c| c.view == ViewId::DEFAULT);
    settling.changed(now, table, changed.map(|change| change.destination.to_any()));
}

/// Each scope has a table of its kind, and no two are of one name.
fn check_scopes(config: &SpeakerConfig, book: &Book) -> Result<(), SpeakerError> {
    let mut seen = BTreeSet::new();
    for spec in &config.scopes {
        let there = book.tables().contains(&(spec.kind, spec.table.clone()));
        if !there || !seen.insert(&spec.scope) {
            let (scope, table) = (spec.scope.clone(), spec.table.clone());
            return Err(SpeakerError::NoTable { scope, table });
        }
    }
    Ok(())
}

/// What keeps a speaker from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpeakerError {
    /// The policy.
    #[error("fabric policy: {0}")]
    Policy(#[from] crate::policy::FabricPolicyError),
    /// A scope whose table isn't there, or of another kind.
    #[error("scope `{scope}`: expected a table `{table}` of its kind")]
    NoTable {
        /// Which scope.
        scope: Scope,
        /// Which table.
        table: TableName,
    },
}
