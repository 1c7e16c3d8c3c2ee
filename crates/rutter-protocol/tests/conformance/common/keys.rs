//! Keys of clusters, what is signed by them, and whose are known.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rutter_protocol::keys::{KeyId, KeyRecord, KeyRegistry, KeySet, PublicKey};
use rutter_protocol::speaker::Check;
use rutter_protocol::wire::{Signature, sign};
use rutter_route::Wall;

use super::config::*;

/// A cluster's key: of its name, and a number that rises with rotations.
pub(crate) fn key(name: &str, number: u8) -> SigningKey {
    let mut seed = [number; 32];
    name.bytes().zip(&mut seed).for_each(|(byte, place)| *place = byte);
    SigningKey::from_bytes(&seed)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn key_id(key: &SigningKey) -> KeyId {
    public(key).id()
}

pub(crate) fn signature(key: &SigningKey, bytes: &[u8]) -> Signature {
    Signature(key.sign(bytes).to_bytes())
}

/// The one rule of verification.
pub(crate) fn is_good(check: &Check) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&check.key.0) else { return false };
    key.verify_strict(&check.bytes, &ed25519_dalek::Signature::from_bytes(&check.signature.0))
        .is_ok()
}

pub(crate) fn record(key: &SigningKey) -> KeyRecord {
    KeyRecord { key: public(key), added_at: Wall(START), expires_at: None }
}

/// A registry that knows the first key of each.
pub(crate) fn registry(names: &[&str]) -> KeyRegistry {
    let mut keys = KeyRegistry::default();
    for name in names {
        keys.provide(at(0), &cluster(name), vec![record(&key(name, 0))]);
    }
    keys
}

/// A cluster's keys, the first of them its primary; the set names one key and is signed by another,
/// which for an honest cluster are the same.
pub(crate) fn key_set(
    of: &str,
    version: u64,
    keys: &[(&SigningKey, Option<Wall>)],
    named: &SigningKey,
    by: &SigningKey,
) -> KeySet {
    let mut set = KeySet {
        cluster: cluster(of),
        version: (BOOT, version),
        primary: key_id(keys[0].0),
        keys: keys.iter().map(|(key, until)| (public(key), *until)).collect(),
        key: key_id(named),
        signature: Signature([0; 64]),
    };
    set.keys.sort();
    set.signature = signature(by, &sign::keys_bytes(&set));
    set
}
