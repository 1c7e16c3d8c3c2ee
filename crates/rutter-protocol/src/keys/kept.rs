//! The registry as it is kept over a restart: more than MPREG's form can say.
//!
//! Beside the keys it holds what the provider said last and the cluster's last set: without them a
//! restart would take a provider's old word for news, and undo a rotation. A field that isn't known
//! is an error: it was written by a later Rutter, and may say that a key is revoked.

use std::collections::BTreeMap;

use bytes::BytesMut;
use rutter_route::{ClusterId, Now, Wall};
use serde::{Deserialize, Serialize};

use super::registry::Keys;
use super::{KeyId, KeyRecord, KeyRegistry, KeySet, PublicKey, SnapshotError};
use crate::hex;
use crate::wire::Message;

const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    form: u32,
    clusters: BTreeMap<ClusterId, KeptKeys>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptKeys {
    primary: Option<String>,
    keys: Vec<KeptKey>,
    provided: Vec<KeptKey>,
    /// The bytes of the message that announced it, in hex.
    set: Option<String>,
    floor: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptKey {
    key: String,
    added_at: Wall,
    expires_at: Option<Wall>,
}

impl KeyRegistry {
    /// All that is to be kept, as JSON.
    pub fn to_kept(&self) -> String {
        let clusters = self.entries().map(|(id, keys)| (id.clone(), keep(keys))).collect();
        let kept = Kept { form: FORM, clusters };
        // Strings, numbers and maps with texts as keys: there is nothing that JSON can't say.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// What was kept.
    ///
    /// # Errors
    /// It was not written by [`KeyRegistry::to_kept`].
    pub fn from_kept(now: Now, json: &str) -> Result<Self, SnapshotError> {
        let kept: Kept = serde_json::from_str(json).map_err(|e| wrong("the keys", e))?;
        if kept.form != FORM {
            return Err(wrong("form", format!("{FORM}, found {}", kept.form)));
        }
        let mut registry = Self::default();
        for (cluster, keys) in kept.clusters {
            let read = read(&cluster, keys)?;
            if registry.has_room(&cluster) {
                registry.change(now, &cluster, |keys| *keys = read);
            }
        }
        Ok(registry)
    }
}

fn keep(keys: &Keys) -> KeptKeys {
    KeptKeys {
        primary: keys.primary.map(|id| id.to_string()),
        keys: keys.known.iter().map(|known| keep_key(&known.record)).collect(),
        provided: keys
            .provided
            .iter()
            .map(|(key, end)| {
                keep_key(&KeyRecord { key: *key, added_at: Wall(0), expires_at: *end })
            })
            .collect(),
        set: keys.set.clone().map(|set| {
            let mut bytes = BytesMut::new();
            Message::Keys(set).encode(&mut bytes);
            hex::encode(&bytes)
        }),
        floor: keys.floor,
    }
}

fn keep_key(record: &KeyRecord) -> KeptKey {
    let KeyRecord { key, added_at, expires_at } = record;
    KeptKey { key: key.to_string(), added_at: *added_at, expires_at: *expires_at }
}

fn read(cluster: &ClusterId, kept: KeptKeys) -> Result<Keys, SnapshotError> {
    let at = |field: &str| format!("clusters.{cluster}.{field}");
    let mut keys = Keys { floor: kept.floor, ..Keys::default() };
    for key in kept.keys {
        keys.insert(read_key(key).ok_or_else(|| wrong(&at("keys"), "32 bytes in hex"))?);
    }
    for key in kept.provided {
        let record = read_key(key).ok_or_else(|| wrong(&at("provided"), "32 bytes in hex"))?;
        keys.provided.push((record.key, record.expires_at));
    }
    keys.primary = match kept.primary.as_deref().map(str::parse::<KeyId>) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(wrong(&at("primary"), "a key's id")),
    };
    keys.set = match kept.set {
        None => None,
        Some(text) => Some(read_set(&text).ok_or_else(|| wrong(&at("set"), "a key set"))?),
    };
    keys.trim();
    Ok(keys)
}

fn read_key(kept: KeptKey) -> Option<KeyRecord> {
    let key: PublicKey = kept.key.parse().ok()?;
    Some(KeyRecord { key, added_at: kept.added_at, expires_at: kept.expires_at })
}

fn read_set(text: &str) -> Option<KeySet> {
    match Message::decode(&hex::decode(text)?) {
        Ok(Message::Keys(set)) => Some(set),
        _ => None,
    }
}

fn wrong(at: &str, expected: impl std::fmt::Display) -> SnapshotError {
    SnapshotError { at: at.to_owned(), expected: expected.to_string() }
}
