//! The store of claims.

use rutter_route::{AnyDestination, ClusterId, Deadline, Now};

use super::Claim;
use crate::wire::Scope;

/// How many claims are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimLimits {
    /// In all.
    pub total: usize,
    /// Of one originator.
    pub per_originator: usize,
    /// How far in the future a not-after may lie, with what the clocks may differ by, in ms.
    pub max_life_ms: u64,
    /// By how much two clocks may differ, in ms.
    pub skew_ms: u64,
}

/// What becomes of a claim that is heard, before its signature is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// It is the one that is held, byte for byte: nothing is to be verified.
    Same,
    /// It is newer than what is held: its signature is to be verified, then [`Claims::put`].
    Newer,
    /// It is older than the one held, which is returned.
    Stale(Box<Claim>),
    /// It has the version of the one held and says something else.
    Conflict,
    /// Its not-after has passed, or lies too far ahead.
    Expired,
    /// Its not-after lies too far ahead.
    TooFar,
    /// There is no room.
    Full,
}

/// What is held of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The claim.
    pub claim: Claim,
    /// Whether its signature was verified by a key that is known; `false`: the key isn't known yet,
    /// and routes that rest on it are `Denied`.
    pub verified: bool,
}

/// See the module's head.
#[derive(Debug)]
pub struct Claims {}

impl Claims {
    /// None yet.
    pub fn new(_limits: ClaimLimits) -> Self {
        todo!("H2")
    }

    /// What becomes of a claim.
    pub fn judge(&self, _now: Now, _scope: &Scope, _claim: &Claim) -> Judged {
        todo!("H2")
    }

    /// Keeps a claim in place of an older one.
    pub fn put(&mut self, _now: Now, _scope: &Scope, _claim: Claim, _verified: bool) {
        todo!("H2")
    }

    /// The claim held.
    pub fn get(&self, _scope: &Scope, _by: &ClusterId, _on: &AnyDestination) -> Option<&Held> {
        todo!("H2")
    }

    /// Claims signed by a key of that cluster that weren't verified: its keys have changed.
    pub fn unverified(&self, _by: &ClusterId) -> Vec<(Scope, Claim)> {
        todo!("H2")
    }

    /// Keys of that cluster ended: claims signed by others than `active` count no more and are
    /// returned.
    pub fn unvouch(
        &mut self,
        _by: &ClusterId,
        _active: &dyn Fn(&crate::keys::KeyId) -> bool,
    ) -> Vec<(Scope, Claim)> {
        todo!("H2")
    }

    /// Takes out at most `budget` claims whose not-after has passed, by the receiver's clock; those
    /// not withdrawn are returned.
    pub fn expire(&mut self, _now: Now, _budget: usize) -> Vec<(Scope, Claim)> {
        todo!("H2")
    }

    /// When `expire` is next worth calling.
    pub fn next_deadline(&self, _now: Now) -> Option<Deadline> {
        todo!("H2")
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        todo!("H2")
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
