//! The registry as it is kept: MPREG's JSON, `{generated_at, clusters: {ID: {primary_key_id, keys}}}`.

use std::str::FromStr;

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
pub struct KeySnapshot {}

impl FromStr for KeySnapshot {
    type Err = SnapshotError;

    fn from_str(_json: &str) -> Result<Self, SnapshotError> {
        todo!("H2")
    }
}
