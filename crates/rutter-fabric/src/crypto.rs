//! The one rule by which signatures are verified, and who signs.
//!
//! `verify_strict` and nothing else, anywhere: batch and strict verification may disagree on crafted
//! signatures, and then two clusters would disagree on a route.

use rutter_protocol::keys::PublicKey;
use rutter_protocol::speaker::Check;
use rutter_protocol::wire::Signature;

/// Whether a signature is good.
pub fn verify(_check: &Check) -> bool {
    todo!("H2")
}

/// A key pair in memory.
pub struct SigningKey {
    _inner: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// Its public half.
    pub fn public(&self) -> PublicKey {
        todo!("H2")
    }

    /// Signs.
    pub fn sign(&self, _bytes: &[u8]) -> Signature {
        todo!("H2")
    }
}
