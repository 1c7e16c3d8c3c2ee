//! The registry of keys.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_route::{ClusterId, Deadline, Now};

use super::{KeyChange, KeyId, KeyRecord, KeySet, KeySnapshot, PublicKey};

/// What becomes of a key set that is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// Its signature, by this key, is to be verified, then [`KeyRegistry::apply`].
    Verify(PublicKey),
    /// It is what is known, or older.
    Known,
    /// No active key of that cluster signed it.
    NotVouched,
    /// There is no room.
    Full,
}

/// See the module's head.
#[derive(Debug, Clone, Default)]
pub struct KeyRegistry {
    _clusters: BTreeMap<ClusterId, ()>,
}

impl KeyRegistry {
    /// The active keys of a cluster, the primary first.
    pub fn active(&self, _now: Now, _of: &ClusterId) -> Vec<KeyRecord> {
        todo!("H2")
    }

    /// The active key of a cluster with that id.
    pub fn find(&self, _now: Now, _of: &ClusterId, _id: &KeyId) -> Option<PublicKey> {
        todo!("H2")
    }

    /// What a provider says of a cluster: these are its keys, the first the primary.
    pub fn provide(&mut self, _now: Now, _of: &ClusterId, _keys: Vec<KeyRecord>) -> KeyChange {
        todo!("H2")
    }

    /// A new primary; the one before ends after the overlap (60 s in the original).
    pub fn rotate(&mut self, _now: Now, _of: &ClusterId, _to: PublicKey, _overlap: Duration) {
        todo!("H2")
    }

    /// What becomes of an announced key set, before its signature is looked at.
    pub fn judge(&self, _now: Now, _set: &KeySet) -> Learned {
        todo!("H2")
    }

    /// Takes over a key set whose signature was verified.
    pub fn apply(&mut self, _now: Now, _set: &KeySet) -> KeyChange {
        todo!("H2")
    }

    /// Clusters with a key that has ended since it was last asked.
    pub fn expire(&mut self, _now: Now) -> Vec<ClusterId> {
        todo!("H2")
    }

    /// When the next key ends.
    pub fn next_deadline(&self, _now: Now) -> Option<Deadline> {
        todo!("H2")
    }

    /// All of it, to be kept over a restart.
    pub fn snapshot(&self, _now: Now) -> KeySnapshot {
        todo!("H2")
    }

    /// What was kept.
    pub fn restore(_snapshot: KeySnapshot) -> Self {
        todo!("H2")
    }
}
