//! Texts of keys: MPREG's snapshot, or lines.
//!
//! ```text
//! # A comment. The first key of a cluster is its primary.
//! west 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
//! west d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
//! ```
//!
//! In a directory a file speaks for the cluster that it is named after, so there a line may be the
//! key alone. A text is read as a whole or not at all: half a list would revoke the other half.

use std::collections::BTreeMap;

use rutter_protocol::keys::{KeyRecord, KeySnapshot, MAX_CLUSTERS, MAX_KEYS, PublicKey};
use rutter_route::{ClusterId, Wall};

use crate::crypto;

/// What a text says: of each cluster its keys, the primary first.
pub type Given = BTreeMap<ClusterId, Vec<KeyRecord>>;

/// Why a text isn't one of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}")]
pub struct ReadError {
    /// Where: a line, or a place in the JSON.
    pub at: String,
    /// What should have been there.
    pub expected: String,
}

/// Reads a text of keys. `of`: the only cluster that it may speak for.
///
/// # Errors
/// Anything that isn't a key of a cluster, or a key that no signature could be verified by.
pub fn read(text: &str, of: Option<&ClusterId>, wall: Wall) -> Result<Given, ReadError> {
    let given =
        if text.trim_start().starts_with('{') { snapshot(text)? } else { lines(text, of, wall)? };
    for (cluster, keys) in &given {
        if of.is_some_and(|of| of != cluster) {
            return Err(wrong(
                format!("cluster {cluster}"),
                "keys of the file's own cluster alone",
            ));
        }
        if let Some(record) = keys.iter().find(|record| !crypto::is_usable(&record.key)) {
            let at = format!("cluster {cluster}, {}", record.key.id());
            return Err(wrong(at, "an Ed25519 public key"));
        }
    }
    Ok(given)
}

fn snapshot(text: &str) -> Result<Given, ReadError> {
    let snapshot: KeySnapshot =
        text.parse().map_err(|rutter_protocol::keys::SnapshotError { at, expected }| {
            ReadError { at, expected }
        })?;
    let sorted = snapshot.clusters.into_iter().map(|(cluster, keys)| {
        let mut records = keys.keys;
        records.sort_by_key(|record| Some(record.key.id()) != keys.primary);
        (cluster, records)
    });
    Ok(sorted.collect())
}

fn lines(text: &str, of: Option<&ClusterId>, wall: Wall) -> Result<Given, ReadError> {
    let mut given = Given::new();
    for (n, line) in text.lines().enumerate() {
        let at = || format!("line {}", n + 1);
        let said = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = said.split_whitespace().collect();
        let (cluster, key) = match (words.as_slice(), of) {
            ([], _) => continue,
            ([key], Some(of)) => (of.clone(), *key),
            ([name, key], _) => match name.parse() {
                Ok(cluster) => (cluster, *key),
                Err(_) => return Err(wrong(at(), "a cluster's name, then its key")),
            },
            _ => return Err(wrong(at(), "`CLUSTER HEXKEY`")),
        };
        let key: PublicKey =
            key.parse().map_err(|_| wrong(at(), "a public key, 64 digits of hex"))?;
        let keys = given.entry(cluster).or_default();
        if keys.iter().any(|record: &KeyRecord| record.key == key) {
            return Err(wrong(at(), "each key once"));
        }
        keys.push(KeyRecord { key, added_at: wall, expires_at: None });
        if keys.len() > MAX_KEYS {
            return Err(wrong(at(), format!("at most {MAX_KEYS} keys of one cluster")));
        }
        if given.len() > MAX_CLUSTERS {
            return Err(wrong(at(), format!("at most {MAX_CLUSTERS} clusters")));
        }
    }
    Ok(given)
}

fn wrong(at: String, expected: impl Into<String>) -> ReadError {
    ReadError { at, expected: expected.into() }
}
