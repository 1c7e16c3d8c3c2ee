//! Mesh Router's signature: Ed25519 over the bytes of the user id, and nothing else.
//!
//! It is a bearer token rather than a signature of a request: no time, no method, no body, so
//! whoever sees it once may use it for ever. It is kept because every agent in the field carries
//! one; Rutter's own agents get tokens that can be revoked. It is always checked strictly
//! (`verify_strict`): a non-canonical `S` and a public key of small order are refused, as
//! libsodium refuses them, so that two nodes never disagree about one signature.

use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};
use rutter_registry::PublicKey;
use rutter_route::ParseError;

use crate::base36;

/// The key that a text in multibase base36 stands for.
///
/// Any 32 bytes are taken: whether they are a point of the curve and of full order is asked when a
/// signature is checked, as the original does, so a bad key is one that nothing verifies under.
///
/// # Errors
/// A text that is not base36, or not of 32 bytes.
pub fn parse_key(text: &str) -> Result<PublicKey, ParseError> {
    let error = |why: String| ParseError::new("public key", text, why);
    let bytes = base36::decode(text, PUBLIC_KEY_LENGTH).map_err(|why| error(why.to_string()))?;
    let expected = || error("32 bytes in multibase base36".into());
    Ok(PublicKey(bytes.try_into().map_err(|_| expected())?))
}

/// The key in multibase base36.
pub fn key_text(key: &PublicKey) -> String {
    base36::encode(&key.0)
}

/// Whether `signature`, in base36, is the key's over `message`. A text that is no signature is as
/// false as a wrong one: whoever sends it learns nothing from the difference.
#[must_use]
pub fn verifies(key: &PublicKey, message: &[u8], signature: &str) -> bool {
    let Ok(bytes) = base36::decode(signature, SIGNATURE_LENGTH) else {
        return false;
    };
    let Ok(signature) = Signature::from_slice(&bytes) else {
        return false;
    };
    match VerifyingKey::from_bytes(&key.0) {
        Ok(key) => key.verify_strict(message, &signature).is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
