//! What isn't MPREG's.

use rutter_protocol::keys::SnapshotError;

/// A field that isn't as the original writes it. Nothing was taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}")]
pub struct ImportError {
    /// Which field.
    pub at: String,
    /// What should have been there.
    pub expected: String,
}

impl ImportError {
    pub(super) fn new(at: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at: at.into(), expected: expected.into() }
    }
}

impl From<SnapshotError> for ImportError {
    fn from(error: SnapshotError) -> Self {
        Self { at: error.at, expected: error.expected }
    }
}
