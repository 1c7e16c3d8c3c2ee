//! Keys of clusters: which are active, until when, and how new ones come to be known.
//!
//! A cluster signs by its *primary* key and is believed by any *active* one. A rotation makes a new
//! primary and lets the old one end after an overlap. A first key comes from a provider (a file, a
//! directory, a command, a URL: `rutter-fabric`); later ones are announced in a [`KeySet`] that an
//! active key of that cluster signs, and are relayed. A key that nobody vouched for counts for
//! nothing: it fails closed.
//!
//! Bounds: [`MAX_KEYS`] keys a cluster, [`MAX_CLUSTERS`] clusters.

mod kept;
mod registry;
mod snapshot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use rutter_route::{ClusterId, ParseError, Wall};
use serde::{Deserialize, Serialize};

use crate::hex;
use crate::wire::Signature;

pub use registry::{KeyRegistry, Learned};
pub use snapshot::{ClusterKeys, KeySnapshot, SnapshotError};

/// The most keys of one cluster.
pub const MAX_KEYS: usize = 16;

/// The most clusters whose keys are known.
pub const MAX_CLUSTERS: usize = 16_384;

/// An Ed25519 public key, 32 bytes. As JSON it is hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(#[serde(with = "crate::hex")] pub [u8; 32]);

/// The first 8 bytes of SHA-256 over a public key; as text `route_key_` and 16 hex digits, as MPREG
/// has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(pub [u8; 8]);

impl PublicKey {
    /// Its id.
    pub fn id(&self) -> KeyId {
        use sha2::{Digest, Sha256};
        let digest: [u8; 32] = Sha256::digest(self.0).into();
        let mut id = [0; 8];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        KeyId(id)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let key = hex::decode_array(text).map(Self);
        key.ok_or_else(|| ParseError::new("public key", text, "32 bytes in hex"))
    }
}

impl FromStr for KeyId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let id = text.strip_prefix("route_key_").and_then(hex::decode_array).map(Self);
        id.ok_or_else(|| ParseError::new("key id", text, "`route_key_` and 16 hex digits"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("route_key_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for KeyId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// One key of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// When it came to be known, by the clock of who keeps it.
    pub added_at: Wall,
    /// From when on it counts no more; `None`: it doesn't end by itself. At that instant it is dead.
    pub expires_at: Option<Wall>,
}

/// All keys of a cluster, as it announces them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Whose.
    pub cluster: ClusterId,
    /// The cluster's boot and a number that rises with each set of it.
    pub version: (u64, u64),
    /// Which of the keys is the primary.
    pub primary: KeyId,
    /// The keys, sorted; a key that isn't among them any more is gone.
    pub keys: Vec<(PublicKey, Option<Wall>)>,
    /// By which key it is signed: one that its receiver holds as active.
    pub key: KeyId,
    /// Over [`crate::wire::sign::keys_bytes`].
    pub signature: Signature,
}

/// What the registry tells of changes, for `explain` and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// Whose keys.
    pub cluster: ClusterId,
    /// Keys that are new.
    pub n_added: usize,
    /// Keys that count no more.
    pub n_removed: usize,
    /// Keys that there was no room for.
    pub n_refused: usize,
}

impl KeyChange {
    /// Nothing has changed.
    pub fn none(cluster: &ClusterId) -> Self {
        Self { cluster: cluster.clone(), n_added: 0, n_removed: 0, n_refused: 0 }
    }

    /// Whether something has.
    pub fn is_some(&self) -> bool {
        self.n_added + self.n_removed > 0
    }
}
