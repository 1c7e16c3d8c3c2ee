//! What is signed, byte by byte.
//!
//! Each thing that is signed begins with a domain of its own, so no signature is good for anything
//! else. What is said in a session names both clusters and the session, which both ends' nonces
//! make unique: it can be replayed to nobody, and to the same one never again. A revision that
//! changes any of this changes the domain's number.
//!
//! ```text
//!   session   SHA-256 of: "rutter-fabric session v1\0", bytes(open), bytes(open);
//!             the lesser cluster's open first, as encode.rs writes them, without the frame's kind
//!   batch     "rutter-fabric batch v1\0", text(sender), text(receiver), session (32),
//!             u64(stream), u64(number), u64(count), root (32)
//!   message   "rutter-fabric message v1\0", text(sender), text(receiver), session (32),
//!             u64(stream), u64(number), u64(place in the batch, from 0), bytes(message)
//!   claim     "rutter-fabric claim v1\0", text(scope), text(originator), bytes(destination as
//!             record.rs writes it: kind, body), u64(count), text(tag) each, u64(incarnation),
//!             u64(sequence), u64(not-after in ms since 1970), 0 or 1 (withdrawn), key (8)
//!   keys      "rutter-fabric keys v1\0", text(cluster), u64(version), u64(version), primary (8),
//!             u64(count), each key (32) and 0, or 1 and u64(end in ms since 1970), key (8)
//!
//!   text, bytes   u64(length), then as they are
//!   u64           eight bytes, the most significant first
//! ```
//!
//! Integers are fixed in width here, so that what is signed doesn't hang on how the wire packs them.

use rutter_route::ClusterId;
use sha2::{Digest, Sha256};

use super::encode::put_open;
use super::record::put_destination;
use super::{Open, Scope};
use crate::claims::Claim;
use crate::keys::KeySet;

/// Names a connection between two clusters: SHA-256 over a domain and both ends' opens, the lesser
/// cluster's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 32]);

impl SessionId {
    /// The session of two opens; the same at both ends.
    pub fn of(a: &Open, b: &Open) -> Self {
        let open_bytes = |open| {
            let mut bytes = Vec::new();
            put_open(&mut bytes, open);
            bytes
        };
        let (a, b) = ((&a.cluster, open_bytes(a)), (&b.cluster, open_bytes(b)));
        let (first, second) = if a <= b { (a.1, b.1) } else { (b.1, a.1) };
        let mut signed = Signed::new("rutter-fabric session v1\0", first.len() + second.len());
        signed.bytes(&first);
        signed.bytes(&second);
        Self(Sha256::digest(signed.0).into())
    }
}

/// What a batch signature is over: (domain, sender, receiver, session, stream, number, count, root).
pub fn batch_bytes(
    from: &ClusterId,
    to: &ClusterId,
    session: &SessionId,
    stream: u64,
    number: u64,
    count: usize,
    root: &[u8; 32],
) -> Vec<u8> {
    let mut signed = Signed::new("rutter-fabric batch v1\0", 64);
    signed.said(from, to, session, stream, number);
    signed.number(count as u64);
    signed.raw(root);
    signed.0
}

/// What a message's own signature is over: (domain, sender, receiver, session, stream, batch number,
/// place in the batch, its bytes).
pub fn message_bytes(
    from: &ClusterId,
    to: &ClusterId,
    session: &SessionId,
    stream: u64,
    number: u64,
    at: usize,
    message: &[u8],
) -> Vec<u8> {
    let mut signed = Signed::new("rutter-fabric message v1\0", message.len());
    signed.said(from, to, session, stream, number);
    signed.number(at as u64);
    signed.bytes(message);
    signed.0
}

/// What a claim's signature is over: (domain, scope, originator, destination, its tags, incarnation,
/// sequence, not-after, whether it withdraws, key).
pub fn claim_bytes(scope: &Scope, claim: &Claim) -> Vec<u8> {
    let mut destination = Vec::with_capacity(64);
    put_destination(&mut destination, &claim.destination);
    let mut signed = Signed::new("rutter-fabric claim v1\0", 0);
    signed.bytes(scope.as_str().as_bytes());
    signed.bytes(claim.originator.as_str().as_bytes());
    signed.bytes(&destination);
    signed.number(claim.tags.iter().count() as u64);
    claim.tags.iter().for_each(|tag| signed.bytes(tag.as_str().as_bytes()));
    signed.number(claim.incarnation);
    signed.number(claim.sequence);
    signed.number(claim.not_after.0);
    signed.raw(&[u8::from(claim.withdrawn)]);
    signed.raw(&claim.key.0);
    signed.0
}

/// What the signature of a key set is over.
pub fn keys_bytes(keys: &KeySet) -> Vec<u8> {
    let mut signed = Signed::new("rutter-fabric keys v1\0", keys.keys.len() * 41);
    signed.bytes(keys.cluster.as_str().as_bytes());
    signed.number(keys.version.0);
    signed.number(keys.version.1);
    signed.raw(&keys.primary.0);
    signed.number(keys.keys.len() as u64);
    for (key, ends) in &keys.keys {
        signed.raw(&key.0);
        signed.raw(&[u8::from(ends.is_some())]);
        ends.iter().for_each(|at| signed.number(at.0));
    }
    signed.raw(&keys.key.0);
    signed.0
}

/// Bytes to be signed.
struct Signed(Vec<u8>);

impl Signed {
    /// Begins with a domain; `more`: about how many bytes come of what varies most.
    fn new(domain: &str, more: usize) -> Self {
        let mut signed = Self(Vec::with_capacity(more + 256));
        signed.raw(domain.as_bytes());
        signed
    }

    /// Who says it to whom, and where in their session.
    fn said(&mut self, by: &ClusterId, to: &ClusterId, session: &SessionId, stream: u64, n: u64) {
        self.bytes(by.as_str().as_bytes());
        self.bytes(to.as_str().as_bytes());
        self.raw(&session.0);
        self.number(stream);
        self.number(n);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u64) {
        self.raw(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }
}
