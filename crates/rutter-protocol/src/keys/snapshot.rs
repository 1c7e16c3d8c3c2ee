//! The registry in MPREG's form: `{generated_at, clusters: {ID: {primary_key_id, keys}}}`.
//!
//! It is written as the original writes it: times are seconds as floats, keys hex, a key without an
//! end has `null`. It is read strictly where the original fills in defaults: a malformed key is an
//! error that names its place, never a key that is left out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rutter_route::{ClusterId, Wall};
use serde_json::{Map, Value, json};

use super::{KeyId, KeyRecord, MAX_CLUSTERS, MAX_KEYS, PublicKey};

/// What isn't a key snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}")]
pub struct SnapshotError {
    /// Where, such as `clusters.west.keys[0].public_key`.
    pub at: String,
    /// What should have been there.
    pub expected: String,
}

/// All keys of all clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySnapshot {
    /// When it was made, by the clock of who made it.
    pub generated_at: Wall,
    /// By cluster.
    pub clusters: BTreeMap<ClusterId, ClusterKeys>,
}

/// The keys of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterKeys {
    /// By which it signs; `None`: it isn't said.
    pub primary: Option<KeyId>,
    /// The keys, in the order of the snapshot.
    pub keys: Vec<KeyRecord>,
}

impl fmt::Display for KeySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clusters: Map<String, Value> =
            self.clusters.iter().map(|(id, keys)| (id.to_string(), keys.to_json())).collect();
        let all = json!({ "generated_at": seconds(self.generated_at), "clusters": clusters });
        fmt::Display::fmt(&all, f)
    }
}

impl ClusterKeys {
    fn to_json(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(record_to_json).collect();
        json!({ "primary_key_id": self.primary.map(|id| id.to_string()), "keys": keys })
    }
}

fn record_to_json(record: &KeyRecord) -> Value {
    json!({
        "key_id": record.key.id().to_string(),
        "public_key": record.key.to_string(),
        "added_at": seconds(record.added_at),
        "expires_at": record.expires_at.map(seconds),
    })
}

impl FromStr for KeySnapshot {
    type Err = SnapshotError;

    /// Reads a snapshot of [`MAX_CLUSTERS`] clusters at most.
    ///
    /// # Errors
    /// Whatever isn't as the original writes it; the place is named.
    fn from_str(json: &str) -> Result<Self, SnapshotError> {
        let all: Value = serde_json::from_str(json)
            .map_err(|e| expected("the snapshot", format!("JSON ({e})")))?;
        let all = all.as_object().ok_or_else(|| expected("the snapshot", "an object"))?;
        let generated_at = match all.get("generated_at") {
            Some(value) => wall(value, "generated_at")?,
            None => return Err(expected("generated_at", "seconds since 1970")),
        };
        let clusters = all.get("clusters").and_then(Value::as_object);
        let clusters = clusters.ok_or_else(|| expected("clusters", "an object, a cluster each"))?;
        if clusters.len() > MAX_CLUSTERS {
            return Err(expected("clusters", format!("at most {MAX_CLUSTERS}")));
        }
        let mut read = BTreeMap::new();
        for (name, value) in clusters {
            let at = format!("clusters.{name}");
            let cluster: ClusterId = name.parse().map_err(|_| expected(&at, "a cluster's name"))?;
            read.insert(cluster, cluster_keys(value, &at)?);
        }
        Ok(Self { generated_at, clusters: read })
    }
}

fn cluster_keys(value: &Value, at: &str) -> Result<ClusterKeys, SnapshotError> {
    let list = value.get("keys").and_then(Value::as_array);
    let list = list.ok_or_else(|| expected(&format!("{at}.keys"), "a list of keys"))?;
    if list.len() > MAX_KEYS {
        return Err(expected(&format!("{at}.keys"), format!("at most {MAX_KEYS}")));
    }
    let mut keys = Vec::with_capacity(list.len());
    // The original lets a key have an id that isn't derived from it; only the primary's matters.
    let mut ids = BTreeMap::new();
    for (n, value) in list.iter().enumerate() {
        let at = format!("{at}.keys[{n}]");
        let record = key_record(value, &at)?;
        let id = value.get("key_id").and_then(Value::as_str).unwrap_or_default();
        ids.insert(id.to_owned(), record.key.id());
        keys.push(record);
    }
    let primary = match value.get("primary_key_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => match ids.get(id) {
            Some(id) => Some(*id),
            None => {
                return Err(expected(&format!("{at}.primary_key_id"), "the id of one of `keys`"));
            }
        },
        Some(_) => return Err(expected(&format!("{at}.primary_key_id"), "a key's id or null")),
    };
    Ok(ClusterKeys { primary, keys })
}

fn key_record(value: &Value, at: &str) -> Result<KeyRecord, SnapshotError> {
    let key = value.get("public_key").and_then(Value::as_str).unwrap_or_default();
    let key: PublicKey =
        key.parse().map_err(|_| expected(&format!("{at}.public_key"), "32 bytes in hex"))?;
    let added_at = match value.get("added_at") {
        Some(value) => wall(value, &format!("{at}.added_at"))?,
        None => return Err(expected(&format!("{at}.added_at"), "seconds since 1970")),
    };
    let expires_at = match value.get("expires_at") {
        None | Some(Value::Null) => None,
        Some(value) => Some(wall(value, &format!("{at}.expires_at"))?),
    };
    Ok(KeyRecord { key, added_at, expires_at })
}

fn wall(value: &Value, at: &str) -> Result<Wall, SnapshotError> {
    let seconds = value.as_f64().filter(|s| s.is_finite() && (0.0..9.0e15).contains(s));
    let seconds = seconds.ok_or_else(|| expected(at, "seconds since 1970"))?;
    // The bound above keeps it within 64 bits.
    Ok(Wall((seconds * 1000.0).round() as u64))
}

/// As the original has it: a float, whole seconds with `.0`.
fn seconds(at: Wall) -> f64 {
    at.0 as f64 / 1000.0
}

fn expected(at: &str, expected: impl Into<String>) -> SnapshotError {
    SnapshotError { at: at.to_owned(), expected: expected.into() }
}
