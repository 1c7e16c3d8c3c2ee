//! What originators claim, and the newest claim of each that is held.
//!
//! A claim is signed by its originator once and relayed unchanged: it says that a destination is the
//! originator's to announce, with which tags, until when. Of two claims of one (originator, scope,
//! destination) the greater (incarnation, sequence) counts; an older one is *stale*, and who says it
//! is told the newer one, so that an originator that lost its state jumps past what it said before.
//! A withdrawal is a claim too, and is remembered until its not-after.
//!
//! Claims are kept here, one an (originator, scope, destination), never in interned attributes.
//!
//! Bounds: [`ClaimLimits`] claims in all and an originator; over them a new one is refused, and the
//! withdrawn ones that end first give way before that.

mod aside;
mod store;
#[cfg(test)]
mod tests;

use rutter_route::{AnyDestination, ClusterId, Tags, Wall};

use crate::keys::KeyId;
use crate::wire::Signature;

pub use store::{ClaimLimits, Claims, Held, Judged};

/// A claim of an originator. The scope that it counts in stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub originator: ClusterId,
    /// On what.
    pub destination: AnyDestination,
    /// The originator's own tags.
    pub tags: Tags,
    /// The originator's boot at which it was made.
    pub incarnation: u64,
    /// Rises with each claim that the originator makes in one incarnation.
    pub sequence: u64,
    /// Until when it counts: the one instant that travels.
    pub not_after: Wall,
    /// It takes back what was claimed.
    pub withdrawn: bool,
    /// By which of the originator's keys it is signed.
    pub key: KeyId,
    /// Over [`crate::wire::sign::claim_bytes`].
    pub signature: Signature,
}

impl Claim {
    /// What orders the claims of one (originator, scope, destination).
    pub fn version(&self) -> (u64, u64) {
        (self.incarnation, self.sequence)
    }
}
