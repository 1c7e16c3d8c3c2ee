//! The end that is measured: a speaker with a book, driven as its owner drives it.
//!
//! Frames are handed in in turns of as many as a connection may have under way; signatures are
//! verified on the same thread, so that all it takes is in the figure; after each turn the book
//! advances in slices until nothing is left, and its changes go to the outlets.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rutter_fabric::crypto::{SigningKey, Verify};
use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::{KeyRecord, KeyRegistry};
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::{FabricPolicy, RoutePolicy, ScopePolicy};
use rutter_protocol::speaker::{
    ConnectionId, Engine, FABRIC, Input, NeighbourSpec, Output, ScopeSpec, Security,
};
use rutter_protocol::wire::Scope;
use rutter_protocol::{Speaker, SpeakerConfig};
use rutter_rib::{Book, BookChanges, Policy, Progress, SLICE, TableSpec};
use rutter_route::{ClusterId, DestinationKind, Now, Tags, Wall};

use super::voice::{self, CLAIM_LIFE, Voice};

/// Frames of one turn: as many as may be under way.
const TURN: usize = 32;

const CONNECTION: ConnectionId = ConnectionId(1);

/// The number of this end's own key.
const OWN_KEY: u64 = u64::MAX;

/// The moment at which all of it happens.
pub(super) const NOW: (u64, u64) = (1_000_000, 1_700_000_000_000);

/// See the module's head.
pub(super) struct Receiver {
    engine: Engine,
    now: Now,
    changes: BookChanges,
    out: Vec<Output>,
    neighbour: ClusterId,
    /// Whether signatures are looked at, or taken for good.
    pub(super) verifies: bool,
    pub(super) n_verified: usize,
}

impl Receiver {
    /// A speaker that knows these keys, with a table for the scope beside the fabric's.
    pub(super) fn new(
        scope: (&Scope, DestinationKind),
        security: Security,
        neighbour: &ClusterId,
        keys: &[(ClusterId, SigningKey)],
    ) -> Result<Self> {
        let now = Now::new(NOW.0, NOW.1);
        let own: ClusterId = "own".parse()?;
        let fabric: Scope = FABRIC.parse()?;
        let mut scopes = BTreeMap::from([(fabric, DestinationKind::Cluster)]);
        scopes.insert(scope.0.clone(), scope.1);
        let table = |(name, kind): (&Scope, &DestinationKind)| TableSpec {
            name: name.clone(),
            kind: *kind,
            policy: Policy::default(),
        };
        let tables = scopes.iter().map(table).collect();
        let mut book = Book::new(own.clone(), tables, Vec::new(), Vec::new(), now, 1)?;
        let mut registry = KeyRegistry::default();
        let own_key = [(own.clone(), voice::key(OWN_KEY))];
        for (cluster, key) in keys.iter().chain(&own_key) {
            let record = KeyRecord { key: key.public(), added_at: Wall(0), expires_at: None };
            registry.provide(now, cluster, vec![record]);
        }
        let carried = ScopePolicy {
            import: Some(RoutePolicy::default()),
            export: Some(RoutePolicy::default()),
            ..ScopePolicy::default()
        };
        let mut policy = FabricPolicy::default();
        if scope.0.as_str() != FABRIC {
            policy.carry.insert(scope.0.clone(), carried);
        }
        let spec = |(scope, kind): (Scope, DestinationKind)| ScopeSpec {
            table: scope.clone(),
            scope,
            kind,
        };
        let neighbour_spec = NeighbourSpec { max_routes: 2_000_000, ..NeighbourSpec::default() };
        let config = SpeakerConfig {
            cluster: own,
            incarnation: 1,
            scopes: scopes.into_iter().map(spec).collect(),
            neighbours: BTreeMap::from([(neighbour.clone(), neighbour_spec)]),
            tags: Tags::default(),
            gateway: String::new(),
            security,
            policy,
            links: LinkSettings::default(),
            claims: ClaimLimits {
                total: 2_000_000,
                per_originator: 2_000_000,
                max_life_ms: CLAIM_LIFE.as_millis() as u64,
                skew_ms: 300_000,
            },
            max_restart: Duration::from_secs(120),
            forget: Duration::from_secs(3600),
            log_routes: false,
            seed: 1,
        };
        let speaker = Speaker::new(now, config, registry, &mut book)?;
        Ok(Self {
            engine: Engine { book, speaker },
            now,
            changes: BookChanges::default(),
            out: Vec::new(),
            neighbour: neighbour.clone(),
            verifies: true,
            n_verified: 0,
        })
    }

    /// Opens a session with a voice.
    pub(super) fn open(&mut self, voice: &mut Voice) -> Result<()> {
        let up =
            Input::Up { neighbour: self.neighbour.clone(), connection: CONNECTION, nonce: [3; 16] };
        self.engine.speaker.handle(self.now, &mut self.engine.book, up, &mut self.out);
        let open = self.out.drain(..).find_map(|output| match output {
            Output::Send { frame, .. } => Some(frame),
            _ => None,
        });
        voice.opened(open.context("the speaker sent no open")?)?;
        self.hear(&[voice.open()])?;
        // The neighbour is told what is its own to hear: of its own routes that is nothing, but its
        // outlet looks at each.
        self.handle(Input::Room { connection: CONNECTION, frames: 1024 })?;
        self.settle()
    }

    /// Takes frames in until nothing is left to do.
    pub(super) fn hear(&mut self, frames: &[Bytes]) -> Result<()> {
        for turn in frames.chunks(TURN) {
            for frame in turn {
                let heard = Input::Heard { connection: CONNECTION, frame: frame.clone() };
                self.handle(heard)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// The neighbour is lost.
    pub(super) fn lose(&mut self) -> Result<()> {
        self.handle(Input::Down { connection: CONNECTION, why: "lost".into() })?;
        self.settle()
    }

    fn handle(&mut self, input: Input) -> Result<()> {
        self.engine.speaker.handle(self.now, &mut self.engine.book, input, &mut self.out);
        self.answer()
    }

    /// Signs and verifies, on this thread.
    fn answer(&mut self) -> Result<()> {
        while let Some(output) = self.out.pop() {
            match output {
                Output::Verify { ticket, checks } => {
                    self.n_verified += checks.len();
                    let good = match self.verifies {
                        true => {
                            let mut verify = Verify::default();
                            checks.iter().map(|check| verify.is_good(check)).collect()
                        }
                        false => vec![true; checks.len()],
                    };
                    let verified = Input::Verified { ticket, good };
                    let Engine { book, speaker } = &mut self.engine;
                    speaker.handle(self.now, book, verified, &mut self.out);
                }
                Output::Sign { ticket, bytes, .. } => {
                    let signature = Ok(voice::key(OWN_KEY).sign(&bytes));
                    let signed = Input::Signed { ticket, signature };
                    let Engine { book, speaker } = &mut self.engine;
                    speaker.handle(self.now, book, signed, &mut self.out);
                }
                Output::Close { why, .. } => bail!("the speaker ended the session: {why}"),
                _ => {}
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        loop {
            self.changes.clear();
            let Engine { book, speaker } = &mut self.engine;
            let advanced = book.advance(self.now, SLICE, &mut self.changes);
            speaker.note(self.now, book, &self.changes, &mut self.out);
            let pumped = speaker.pump(self.now, book, &mut self.out);
            let signs = !self.out.is_empty();
            self.answer()?;
            if advanced.and(pumped) == Progress::Done && !signs {
                return Ok(());
            }
        }
    }

    /// That so many were taken in, and that the table holds so many: a figure for work that wasn't
    /// done would be the best of all.
    pub(super) fn expect(&mut self, scope: &str, n_accepted: usize, n_held: usize) -> Result<()> {
        let stats = &self.engine.speaker.stats().neighbours;
        let stats = stats.get(&self.neighbour).context("nothing was counted")?;
        let accepted = stats.announcements_accepted;
        ensure!(
            accepted == n_accepted as u64,
            "{accepted} routes were taken in, expected {n_accepted}; {:?}",
            stats.rejection_reasons
        );
        let held = match scope {
            FABRIC => self.engine.book.clusters(FABRIC).map(|table| table.counts().routes - 1),
            scope => self.engine.book.prefixes(scope).map(|table| table.counts().routes),
        };
        ensure!(held == Some(n_held), "the table holds {held:?} routes, expected {n_held}");
        Ok(())
    }
}
