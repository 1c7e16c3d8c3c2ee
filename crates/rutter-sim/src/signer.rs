//! Keys and signatures of a simulated network: fast, and as hard to forge as real ones for everybody
//! who is simulated.
//!
//! A signature is a hash over a secret and the bytes, and whoever verifies knows all secrets. What
//! the protocol sees of it is what it sees of Ed25519: 32 bytes of key, 64 of signature, and a
//! verdict. Liars have keys of their own and no way to another's secret. Real Ed25519 costs a hundred
//! times as much and would only test its own library.

use std::collections::BTreeMap;

use rutter_protocol::keys::{KeyId, PublicKey};
use rutter_protocol::wire::Signature;
use sha2::{Digest, Sha256};

/// One key of a simulated cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    secret: [u8; 32],
    /// The public half.
    pub public: PublicKey,
    /// Its id, as real keys have theirs.
    pub id: KeyId,
}

impl KeyPair {
    /// The `n`th key of an owner under a seed.
    pub fn derive(seed: u64, owner: &str, n: u32) -> Self {
        let secret = hash(&[b"secret", &seed.to_be_bytes(), &n.to_be_bytes(), owner.as_bytes()]);
        let public = hash(&[b"public", &secret]);
        let digest = hash(&[&public]);
        let id = digest.first_chunk().copied().unwrap_or_default();
        Self { secret, public: PublicKey(public), id: KeyId(id) }
    }

    /// A signature over bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        sign(&self.secret, bytes)
    }
}

/// All keys there are: what verifies.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    secrets: BTreeMap<PublicKey, [u8; 32]>,
}

impl Keyring {
    /// Takes a key in.
    pub fn add(&mut self, key: &KeyPair) {
        self.secrets.insert(key.public, key.secret);
    }

    /// Whether the signature over the bytes is by that key.
    pub fn verify(&self, key: &PublicKey, bytes: &[u8], signature: &Signature) -> bool {
        self.secrets.get(key).is_some_and(|secret| sign(secret, bytes) == *signature)
    }
}

fn sign(secret: &[u8; 32], bytes: &[u8]) -> Signature {
    let low = hash(&[b"sign", secret, bytes]);
    let mut both = [0; 64];
    for (at, byte) in both.iter_mut().enumerate() {
        // 32 bytes of a hash, told twice, the second time turned: each half is checked.
        let of = low.get(at % 32).copied().unwrap_or_default();
        *byte = if at < 32 { of } else { !of };
    }
    Signature(both)
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{KeyPair, Keyring};

    #[test]
    fn a_signature_is_good_for_its_bytes_and_its_key_alone() {
        let (a, b) = (KeyPair::derive(1, "a", 0), KeyPair::derive(1, "b", 0));
        let mut ring = Keyring::default();
        ring.add(&a);
        ring.add(&b);
        let mut signature = a.sign(b"hello");
        assert!(ring.verify(&a.public, b"hello", &signature));
        assert!(!ring.verify(&a.public, b"hellO", &signature));
        assert!(!ring.verify(&b.public, b"hello", &signature));
        for at in 0..64 {
            signature.0[at] ^= 1;
            assert!(!ring.verify(&a.public, b"hello", &signature), "byte {at}");
            signature.0[at] ^= 1;
        }
    }
}
