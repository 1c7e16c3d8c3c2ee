//! The one rule by which signatures are verified, and who signs.
//!
//! `verify_strict` and nothing else, anywhere: batch and strict verification may disagree on crafted
//! signatures, and then two clusters would disagree on a route. A public key of small order, an `R`
//! of small order and an `S` that isn't reduced are refused by it, so a signature can't be changed
//! into another good one.

mod cache;
mod pool;
#[cfg(test)]
mod tests;

use std::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, VerifyingKey};
use rutter_protocol::keys::{KeyId, PublicKey};
use rutter_protocol::speaker::Check;
use rutter_protocol::wire::Signature;

use crate::FabricError;

pub use pool::{Verdict, Verifier};

/// Whether a signature is good.
pub fn verify(check: &Check) -> bool {
    Verify::default().is_good(check)
}

/// Verifies one signature after another, each by the one rule. The point of a public key is worked
/// out once for those that follow each other by the same key, as the messages of a batch do.
#[derive(Debug, Default)]
pub struct Verify {
    /// The last key, and its point; `None`: it is none.
    last: Option<(PublicKey, Option<VerifyingKey>)>,
}

impl Verify {
    /// Whether a signature is good.
    pub fn is_good(&mut self, check: &Check) -> bool {
        let last = self.last.take().filter(|(key, _)| *key == check.key);
        let point = || (check.key, VerifyingKey::from_bytes(&check.key.0).ok());
        let (_, key) = self.last.insert(last.unwrap_or_else(point));
        let signature = ed25519_dalek::Signature::from_bytes(&check.signature.0);
        key.as_ref().is_some_and(|key| key.verify_strict(&check.bytes, &signature).is_ok())
    }
}

/// Whether a public key is one that any signature could be verified by: a point of the curve, and
/// not of small order.
pub fn is_usable(key: &PublicKey) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| !key.is_weak())
}

/// A key pair in memory. It is wiped when it goes.
#[derive(Clone)]
pub struct SigningKey {
    inner: ed25519_dalek::SigningKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl SigningKey {
    /// A new one, by the system's random source.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, FabricError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| FabricError::Key {
            what: "a new key".into(),
            why: format!("no random bytes: {error}"),
        })?;
        Ok(Self::from_seed(seed))
    }

    /// The one of a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { inner: ed25519_dalek::SigningKey::from_bytes(&seed) }
    }

    /// From PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// It is something else; `what` names it in the error, nothing of it is repeated.
    pub fn from_pem(what: &str, pem: &str) -> Result<Self, FabricError> {
        match ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            Ok(inner) => Ok(Self { inner }),
            Err(_) => Err(FabricError::Key {
                what: what.into(),
                why: "expected an Ed25519 key, PKCS#8 in PEM \
                      (`openssl genpkey -algorithm ed25519`)"
                    .into(),
            }),
        }
    }

    /// As PKCS#8 in PEM.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn to_pem(&self) -> Result<String, FabricError> {
        let pem = self.seed_alone().to_pkcs8_pem(LineEnding::LF);
        pem.map(|pem| pem.to_string()).map_err(|error| FabricError::Key {
            what: "the key".into(),
            why: format!("can't be written as PEM: {error}"),
        })
    }

    /// As PKCS#8 in DER, which TLS wants.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn to_der(&self) -> Result<Vec<u8>, FabricError> {
        let der = self.seed_alone().to_pkcs8_der();
        der.map(|der| der.as_bytes().to_vec()).map_err(|error| FabricError::Key {
            what: "the key".into(),
            why: format!("can't be written as DER: {error}"),
        })
    }

    /// Version 1 of PKCS#8, without the public key: OpenSSL 3.0 doesn't read the other.
    fn seed_alone(&self) -> KeypairBytes {
        KeypairBytes { secret_key: self.inner.to_bytes(), public_key: None }
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.inner.verifying_key().to_bytes())
    }

    /// The id of that.
    pub fn id(&self) -> KeyId {
        self.public().id()
    }

    /// Signs.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.inner.sign(bytes).to_bytes())
    }
}
