//! What is counted: the seed's and the original's metrics, by their names, and every refusal by its
//! reason.

use std::collections::BTreeMap;
use std::fmt;

use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

/// Why something that a neighbour said was refused, or stands barred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its bytes can't be read.
    Malformed,
    /// It came twice, too late, or with a gap before it.
    Replay,
    /// It isn't signed, and has to be.
    Unsigned,
    /// Its signature is wrong.
    BadSignature,
    /// Nobody knows the key by which it is signed.
    UnknownKey,
    /// It is of a scope that isn't carried.
    UnknownScope,
    /// Its path is empty.
    EmptyPath,
    /// Its path doesn't begin with who says it.
    AdvertiserMismatch,
    /// Its path doesn't end with its originator.
    DestinationMismatch,
    /// This cluster stands in its path, or another stands there twice.
    Loop,
    /// It says that it comes from this cluster.
    #[serde(rename = "self")]
    Itself,
    /// The originator's claim is missing.
    NoClaim,
    /// The claim is older than the one held.
    Stale,
    /// Another claim has the same version.
    Conflict,
    /// The claim's not-after has passed.
    Expired,
    /// The claim's not-after lies too far ahead.
    TooFar,
    /// The originator may not originate that.
    NotAuthorized,
    /// Policy: advertiser, destination or tags.
    Policy,
    /// Policy: the path is too long.
    PolicyMetrics,
    /// Hold-down.
    HoldDown,
    /// Damping.
    Suppressed,
    /// A bound.
    Limit,
}

impl Reason {
    /// Its name in metrics, logs and answers.
    pub fn as_str(self) -> &'static str {
        todo!("H3")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counters of one neighbour, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NeighbourStats {
    /// Routes of it that were taken in (renewals and repetitions aside).
    pub announcements_accepted: u64,
    /// Routes of it that were refused.
    pub announcements_rejected: u64,
    /// ... by reason.
    pub rejection_reasons: BTreeMap<Reason, u64>,
    /// Withdrawals heard.
    pub withdrawals_received: u64,
    /// Withdrawals of something that stood.
    pub withdrawals_applied: u64,
    /// Routes told to it.
    pub announcements_sent: u64,
    /// Withdrawals told to it.
    pub withdrawals_sent: u64,
    /// Claims renewed to it.
    pub renewals_sent: u64,
    /// Batches told to it, and heard from it.
    pub batches_sent: u64,
    /// Batches heard.
    pub batches_received: u64,
    /// Sessions lost.
    pub losses: u64,
}

/// How long it took from what set something off until nothing changed any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Convergence {
    /// How many times it was measured.
    pub n: u64,
    /// The sum, in milliseconds.
    pub sum_ms: u64,
    /// The longest, in milliseconds.
    pub max_ms: u64,
    /// How many took at most each of [`Convergence::BOUNDS_MS`].
    pub buckets: Vec<u64>,
}

impl Convergence {
    /// Upper bounds of the buckets, in milliseconds.
    pub const BOUNDS_MS: [u64; 10] = [5, 10, 50, 100, 500, 1000, 5000, 10_000, 60_000, 600_000];
}

/// All counters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// By neighbour.
    pub neighbours: BTreeMap<ClusterId, NeighbourStats>,
    /// Routes that were sent away by hold-down.
    pub hold_down_rejects: u64,
    /// Routes that were sent away by damping.
    pub suppression_rejects: u64,
    /// Routes that ended by time: a claim's end, a stale path's.
    pub routes_purged: u64,
    /// From a change to the last that followed of it, a destination; a pure renewal is no change.
    pub convergence: Convergence,
}
