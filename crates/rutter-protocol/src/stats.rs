//! What is counted: the seed's and the original's metrics, by their names, and every refusal by its
//! reason.

mod convergence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

pub use convergence::Convergence;
pub(crate) use convergence::Settling;

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
    /// Every reason, in order.
    pub const ALL: [Self; 22] = [
        Self::Malformed,
        Self::Replay,
        Self::Unsigned,
        Self::BadSignature,
        Self::UnknownKey,
        Self::UnknownScope,
        Self::EmptyPath,
        Self::AdvertiserMismatch,
        Self::DestinationMismatch,
        Self::Loop,
        Self::Itself,
        Self::NoClaim,
        Self::Stale,
        Self::Conflict,
        Self::Expired,
        Self::TooFar,
        Self::NotAuthorized,
        Self::Policy,
        Self::PolicyMetrics,
        Self::HoldDown,
        Self::Suppressed,
        Self::Limit,
    ];

    /// Its name in metrics, logs and answers; the original's where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Replay => "replay",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::UnknownScope => "unknown_scope",
            Self::EmptyPath => "empty_path",
            Self::AdvertiserMismatch => "advertiser_mismatch",
            Self::DestinationMismatch => "destination_mismatch",
            Self::Loop => "loop",
            Self::Itself => "self",
            Self::NoClaim => "no_claim",
            Self::Stale => "stale",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::TooFar => "too_far",
            Self::NotAuthorized => "not_authorized",
            Self::Policy => "policy",
            Self::PolicyMetrics => "policy_metrics",
            Self::HoldDown => "hold_down",
            Self::Suppressed => "suppressed",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl NeighbourStats {
    /// Counts refusals.
    pub(crate) fn refuse(&mut self, reason: Reason, n: u64) {
        if n > 0 {
            self.announcements_rejected += n;
            *self.rejection_reasons.entry(reason).or_default() += n;
        }
    }
}

/// Counters of one neighbour, since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NeighbourStats {
    /// Routes of it that were taken in (renewals and repetitions aside).
    pub announcements_accepted: u64,
    /// Routes of it that were refused, or stand barred by policy or stability.
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
    /// Batches told to it.
    pub batches_sent: u64,
    /// Batches heard.
    pub batches_received: u64,
    /// Sessions lost.
    pub losses: u64,
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
