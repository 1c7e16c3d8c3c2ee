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

mod engine;
mod inbound;
mod input;
mod neighbour;
mod outbound;
mod output;
mod own;
mod rules;
mod session;
#[cfg(test)]
mod tests;
mod timers;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_rib::{Book, BookChanges, Progress};
use rutter_route::{ClusterId, Deadline, DestinationKind, Now, TableName, Tags};
use serde::{Deserialize, Serialize};

use crate::claims::{ClaimLimits, Claims};
use crate::keys::KeyRegistry;
use crate::link::LinkSettings;
use crate::policy::{Compiled, FabricPolicy};
use crate::stats::Stats;
use crate::wire::{Metrics, Scope};

pub use engine::Engine;
pub use input::{ConnectionId, Input, Parting, Ticket};
pub use neighbour::NeighbourStatus;
pub use output::{Check, Level, LogEvent, Output, What};
pub use trace::Refusal;

/// Batches of one neighbour that wait for their signatures.
pub const MAX_WAITING: usize = 64;

/// The scope of the clusters themselves.
pub const FABRIC: &str = "fabric";

/// A table that is carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeSpec {
    /// Under which name neighbours know it.
    pub scope: Scope,
    /// Which table it is here.
    pub table: TableName,
    /// What kind of destinations it has.
    pub kind: DestinationKind,
}

/// A neighbour, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NeighbourSpec {
    /// What is known of the link beforehand.
    pub link: Metrics,
    /// Where its gateway or host is reached in the data plane, as a next hop; `None`: by name,
    /// `cluster:NAME`.
    pub next_hop: Option<rutter_route::NextHop>,
    /// Tags by which policy knows it.
    pub tags: Tags,
    /// The most routes that are taken of it, a scope.
    pub max_routes: usize,
    /// At which share of that a warning is given, in percent.
    pub warn_percent: u8,
    /// The least time between two advertisements of one destination to it.
    pub pacing: Duration,
    /// How many paths of a destination it is told, if it wants as many.
    pub paths: u8,
}

impl Default for NeighbourSpec {
    fn default() -> Self {
        Self {
            link: Metrics { hops: 1, ..Metrics::default() },
            next_hop: None,
            tags: Tags::default(),
            max_routes: 1_000_000,
            warn_percent: 80,
            pacing: Duration::ZERO,
            paths: 1,
        }
    }
}

/// How what this cluster says is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// Not at all.
    Off,
    /// Each message.
    Each,
    /// One signature a batch.
    #[default]
    Batch,
}

/// What has to be signed, and what is refused. Each has its own switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// What neighbours say has to be signed.
    pub require_signatures: bool,
    /// What originators claim has to be signed by them.
    pub require_claims: bool,
    /// How this cluster signs.
    pub signing: Signing,
    /// By how much two clocks may differ.
    pub skew: Duration,
    /// How long a claim of this cluster counts; it is signed again at a third.
    pub claim_life: Duration,
    /// How long after a cluster's rotation its old key counts.
    pub key_overlap: Duration,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            require_signatures: true,
            require_claims: true,
            signing: Signing::Batch,
            skew: Duration::from_secs(300),
            claim_life: Duration::from_secs(24 * 3600),
            key_overlap: Duration::from_secs(60),
        }
    }
}

impl Security {
    /// The seed's defaults, `profile: open`: nothing is signed and nothing has to be.
    pub fn open() -> Self {
        Self {
            require_signatures: false,
            require_claims: false,
            signing: Signing::Off,
            ..Self::default()
        }
    }
}

/// What a speaker is told at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerConfig {
    /// This cluster.
    pub cluster: ClusterId,
    /// This boot: greater than in any life before.
    pub incarnation: u64,
    /// The tables that are carried; the fabric's own among them.
    pub scopes: Vec<ScopeSpec>,
    /// Whom it may speak with.
    pub neighbours: BTreeMap<ClusterId, NeighbourSpec>,
    /// Tags of this cluster's own claim on itself.
    pub tags: Tags,
    /// Where this cluster's gateway takes what is forwarded to it; empty: it has none.
    pub gateway: String,
    /// What has to be signed.
    pub security: Security,
    /// The policy.
    pub policy: FabricPolicy,
    /// How measurements of links count.
    pub links: LinkSettings,
    /// Bounds of claims.
    pub claims: ClaimLimits,
    /// The longest that a neighbour's announced restart is waited for.
    pub max_restart: Duration,
    /// How long routes of a lost neighbour are kept as offline before they are forgotten.
    pub forget: Duration,
    /// Seeds the hash tables.
    pub seed: u64,
}

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
    pub(crate) stats: Stats,
    pub(crate) refusals: trace::Refusals,
    pub(crate) last_ticket: u64,
    pub(crate) last_session: u64,
    pub(crate) parting: Option<Parting>,
}

impl Speaker {
    /// A speaker; the tables that it carries are in `book`, and take its policy.
    ///
    /// # Errors
    /// A policy that contradicts itself, a scope without its table.
    pub fn new(
        _now: Now,
        _config: SpeakerConfig,
        _keys: KeyRegistry,
        _book: &mut Book,
    ) -> Result<Self, SpeakerError> {
        todo!("H3")
    }

    /// Something has happened.
    pub fn handle(&mut self, _now: Now, _book: &mut Book, _input: Input, _out: &mut Vec<Output>) {
        todo!("H3: dispatch to session, inbound, outbound, own, timers")
    }

    /// A commit of the book: what it changed may have to be told.
    pub fn note(&mut self, now: Now, book: &Book, changes: &BookChanges, out: &mut Vec<Output>) {
        self.note_outlets(changes);
        self.note_own(now, book, changes, out);
    }

    /// Sends what there is to say, as far as connections have room. Says whether there is more to
    /// be had at once.
    pub fn pump(&mut self, now: Now, book: &Book, out: &mut Vec<Output>) -> Progress {
        self.pump_outlets(now, book, out)
    }

    /// When [`Input::Tick`] is due although nothing has happened.
    pub fn next_deadline(&self, _now: Now) -> Option<Deadline> {
        todo!("H3: the least of claims', keys', own renewals', restarts' and outlets'")
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
