//! What is signed, byte by byte.
//!
//! Each thing that is signed begins with a domain of its own, so no signature is good for anything
//! else. What is said in a session names both clusters and the session, which both ends' nonces
//! make unique: it can be replayed to nobody, and to the same one never again.

use super::{Open, Scope};
use crate::claims::Claim;
use crate::keys::KeySet;

/// Names a connection between two clusters: SHA-256 over a domain and both ends' opens, the lesser
/// cluster's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 32]);

impl SessionId {
    /// The session of two opens; the same at both ends.
    pub fn of(_a: &Open, _b: &Open) -> Self {
        todo!("H1")
    }
}

/// What a batch signature is over: (domain, sender, receiver, session, stream, number, count, root).
pub fn batch_bytes(
    _from: &rutter_route::ClusterId,
    _to: &rutter_route::ClusterId,
    _session: &SessionId,
    _stream: u64,
    _number: u64,
    _count: usize,
    _root: &[u8; 32],
) -> Vec<u8> {
    todo!("H1")
}

/// What a message's own signature is over: (domain, sender, receiver, session, stream, batch number,
/// place in the batch, its bytes).
pub fn message_bytes(
    _from: &rutter_route::ClusterId,
    _to: &rutter_route::ClusterId,
    _session: &SessionId,
    _stream: u64,
    _number: u64,
    _at: usize,
    _message: &[u8],
) -> Vec<u8> {
    todo!("H1")
}

/// What a claim's signature is over: (domain, scope, originator, destination, its tags, incarnation,
/// sequence, not-after, whether it withdraws, key).
pub fn claim_bytes(_scope: &Scope, _claim: &Claim) -> Vec<u8> {
    todo!("H1")
}

/// What the signature of a key set is over.
pub fn keys_bytes(_keys: &KeySet) -> Vec<u8> {
    todo!("H1")
}
