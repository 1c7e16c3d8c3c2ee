//! Recordings: what happened to each speaker, as JSON lines, and the same played again.
//!
//! The first line says what was played (a [`Head`]); then follows each boot with all that the speaker
//! was told at its start, each input with the moment at which it came and a digest of what came out,
//! each fault for people to read along, and last the digests of all tables. So one speaker's part can
//! be played again without its network ([`replay`]), and equal inputs have to give equal bytes. A
//! recording of a real speaker has the same lines for one cluster.
//!
//! Lines go out as they come, so what is kept in memory doesn't grow.

mod tape;

use std::collections::BTreeMap;
use std::io::BufRead;

use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::KeyRegistry;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{Input, NeighbourSpec, ScopeSpec, Security};
use rutter_protocol::{Engine, Speaker, SpeakerConfig};
use rutter_route::{AnyDestination, ClusterId, Now, Tags};
use serde::{Deserialize, Serialize};

use crate::faults::Fault;
use crate::invariants::Violation;
use crate::node::{FORGET, MAX_RESTART, book, originate, tables_digest, withdraw};
use crate::scenario::{Protocol, Scenario};

pub use tape::Tape;

/// The form of the lines.
pub const FORM: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORM`].
    pub rutter_sim: u32,
    /// What was played, with every fault that was drawn.
    pub scenario: Scenario,
    /// By which protocol.
    pub protocol: Protocol,
    /// The rule that it breaks, if it does.
    pub violation: Option<Violation>,
}

/// All that a speaker is told at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Its cluster.
    pub cluster: ClusterId,
    /// When.
    pub now: Now,
    /// Its incarnation.
    pub incarnation: u64,
    /// The tables that it carries.
    pub scopes: Vec<ScopeSpec>,
    /// Its neighbours.
    pub neighbours: BTreeMap<ClusterId, NeighbourSpec>,
    /// Tags of its claim on itself.
    pub tags: Tags,
    /// Its gateway.
    pub gateway: String,
    /// What has to be signed.
    pub security: Security,
    /// Its policy.
    pub policy: FabricPolicy,
    /// How links are measured.
    pub links: LinkSettings,
    /// The longest life of a claim, and the skew, in ms.
    pub claim_life_and_skew_ms: (u64, u64),
    /// The keys that it knows, as they are kept.
    pub keys: String,
    /// What it originates.
    pub own: Vec<AnyDestination>,
    /// Of which boot those are, for the table.
    pub boot: u32,
    /// Seeds hash tables.
    pub seed: u64,
}

/// One line behind the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A speaker was started.
    Boot(Box<Boot>),
    /// A speaker ended.
    Stop {
        /// Whose.
        cluster: ClusterId,
    },
    /// Something happened to a speaker.
    Input {
        /// Whose.
        cluster: ClusterId,
        /// By its clocks.
        now: Now,
        /// What.
        input: Input,
        /// A digest of all that came out.
        out: String,
    },
    /// A cluster began or ceased to originate something.
    Own {
        /// Which.
        cluster: ClusterId,
        /// By its clocks.
        now: Now,
        /// What.
        destination: AnyDestination,
        /// It ceased to.
        withdrawn: bool,
    },
    /// A fault came; for people.
    Fault {
        /// In simulated milliseconds.
        at: u64,
        /// Which.
        fault: Fault,
    },
    /// What the tables of a cluster that is up hold at the end.
    End {
        /// Which.
        cluster: ClusterId,
        /// A digest.
        tables: String,
    },
}

/// What isn't a recording, or differs when it is played again.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It can't be read.
    #[error("recording: {0}")]
    Io(#[from] std::io::Error),
    /// A line isn't one.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Played again, something else comes out.
    #[error("line {line}: {cluster} gave {recorded}, and gives {now}")]
    Differs {
        /// Which, from 1.
        line: usize,
        /// Whose part.
        cluster: ClusterId,
        /// The digest that was recorded.
        recorded: String,
        /// The digest of what comes out now.
        now: String,
    },
}

/// What was played again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The first line.
    pub head: Head,
    /// How many speakers were started.
    pub boots: u64,
    /// How many inputs they had.
    pub inputs: u64,
    /// How many tables were compared at the end.
    pub compared: u64,
}

impl Boot {
    /// What it was made of.
    pub(crate) fn of(
        config: &SpeakerConfig,
        now: Now,
        keys: String,
        own: Vec<AnyDestination>,
        boot: u32,
    ) -> Self {
        Self {
            cluster: config.cluster.clone(),
            now,
            incarnation: config.incarnation,
            scopes: config.scopes.clone(),
            neighbours: config.neighbours.clone(),
            tags: config.tags.clone(),
            gateway: config.gateway.clone(),
            security: config.security.clone(),
            policy: config.policy.clone(),
            links: config.links.clone(),
            claim_life_and_skew_ms: (config.claims.max_life_ms, config.claims.skew_ms),
            keys,
            own,
            boot,
            seed: config.seed,
        }
    }

    /// What a speaker is started with.
    pub(crate) fn config(&self) -> SpeakerConfig {
        let (max_life_ms, skew_ms) = self.claim_life_and_skew_ms;
        SpeakerConfig {
            cluster: self.cluster.clone(),
            incarnation: self.incarnation,
            scopes: self.scopes.clone(),
            neighbours: self.neighbours.clone(),
            tags: self.tags.clone(),
            gateway: self.gateway.clone(),
            security: self.security.clone(),
            policy: self.policy.clone(),
            links: self.links.clone(),
            claims: ClaimLimits { total: 100_000, per_originator: 10_000, max_life_ms, skew_ms },
            max_restart: MAX_RESTART.duration(),
            forget: FORGET.duration(),
            log_routes: true,
            seed: self.seed,
        }
    }

    /// Starts the engine that it describes.
    pub(crate) fn start(&self) -> Result<Engine, String> {
        let registry =
            KeyRegistry::from_kept(self.now, &self.keys).map_err(|why| format!("keys: {why}"))?;
        let mut book = book(&self.cluster, self.now, self.seed)?;
        let speaker = Speaker::new(self.now, self.config(), registry, &mut book)
            .map_err(|why| why.to_string())?;
        let mut engine = Engine { book, speaker };
        for destination in &self.own {
            originate(&mut engine, self.boot, self.now, destination);
        }
        Ok(engine)
    }
}

/// Plays each speaker's part again, and compares all that comes out.
///
/// # Errors
/// What isn't a recording, and the first line whose effect is another now.
pub fn replay(lines: impl BufRead) -> Result<Replayed, RecordError> {
    let mut lines = lines.lines().enumerate();
    let wrong = |line: usize, why: String| RecordError::Line { line: line + 1, why };
    let Some((_, first)) = lines.next() else {
        return Err(wrong(0, "expected a head, found nothing".to_owned()));
    };
    let head: Head = serde_json::from_str(&first?).map_err(|why| wrong(0, why.to_string()))?;
    let mut replayed = Replayed { head, boots: 0, inputs: 0, compared: 0 };
    let mut engines: BTreeMap<ClusterId, (Engine, u32)> = BTreeMap::new();
    for (at, line) in lines {
        let line: Line = serde_json::from_str(&line?).map_err(|why| wrong(at, why.to_string()))?;
        let differs = |cluster: &ClusterId, recorded: String, now: String| {
            Err(RecordError::Differs { line: at + 1, cluster: cluster.clone(), recorded, now })
        };
        match line {
            Line::Boot(boot) => {
                let engine = boot.start().map_err(|why| wrong(at, why))?;
                engines.insert(boot.cluster.clone(), (engine, boot.boot));
                replayed.boots += 1;
            }
            Line::Stop { cluster } => {
                engines.remove(&cluster);
            }
            Line::Input { cluster, now, input, out } => {
                let Some((engine, _)) = engines.get_mut(&cluster) else {
                    return Err(wrong(at, format!("{cluster} wasn't started")));
                };
                let mut outputs = Vec::new();
                engine.step(now, input, &mut outputs);
                let digest = tape::digest(&outputs);
                if digest != out {
                    return differs(&cluster, out, digest);
                }
                replayed.inputs += 1;
            }
            Line::Own { cluster, now, destination, withdrawn } => {
                let Some((engine, boot)) = engines.get_mut(&cluster) else { continue };
                if withdrawn {
                    withdraw(engine, *boot, now, &destination);
                } else {
                    originate(engine, *boot, now, &destination);
                }
            }
            Line::Fault { .. } => {}
            Line::End { cluster, tables } => {
                let Some((engine, _)) = engines.get(&cluster) else {
                    return Err(wrong(at, format!("{cluster} isn't up")));
                };
                let digest = tables_digest(engine);
                if digest != tables {
                    return differs(&cluster, tables, digest);
                }
                replayed.compared += 1;
            }
        }
    }
    Ok(replayed)
}
