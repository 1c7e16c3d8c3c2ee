//! Mesh Router's signature: Ed25519 over the bytes of the user id, and nothing else.
//!
//! It is a bearer token rather than a signature of a request: no time, no method, no body, so
//! whoever sees it once may use it for ever. It is kept because every agent in the field carries
//! one; Rutter's own agents get tokens that can be revoked. It is always checked strictly
//! (`verify_strict`): a non-canonical `S` and a public key of small order are refused, as
//! libsodium refuses them, so that two nodes never disagree about one signature.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};
use rutter_route::ParseError;

use crate::base36;

/// A user's Ed25519 public key, in Mesh Router's text form: multibase base36.
///
/// Any 32 bytes make one: whether they are a point of the curve and of full order is asked when a
/// signature is checked, as the original does, so a bad key is one that nothing verifies under.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_LENGTH]);

impl PublicKey {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; PUBLIC_KEY_LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn to_bytes(self) -> [u8; PUBLIC_KEY_LENGTH] {
        self.0
    }

    /// Whether `signature`, in base36, is this key's over `message`. A text that is no signature
    /// is as false as a wrong one: whoever sends it learns nothing from the difference.
    #[must_use]
    pub fn verifies(self, message: &[u8], signature: &str) -> bool {
        let Ok(bytes) = base36::decode(signature, SIGNATURE_LENGTH) else {
            return false;
        };
        let Ok(signature) = Signature::from_slice(&bytes) else {
            return false;
        };
        match VerifyingKey::from_bytes(&self.0) {
            Ok(key) => key.verify_strict(message, &signature).is_ok(),
            Err(_) => false,
        }
    }
}

impl FromStr for PublicKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why: &dyn fmt::Display| ParseError::new("public key", text, why);
        let bytes = base36::decode(text, PUBLIC_KEY_LENGTH).map_err(|why| error(&why))?;
        let bytes = bytes.try_into().map_err(|_| error(&"32 bytes in multibase base36"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base36::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
