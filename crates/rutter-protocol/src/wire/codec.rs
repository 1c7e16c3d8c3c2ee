//! Reading and writing the primitives: varints in shortest form, texts, bounds.

/// What can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: expected {expected}")]
pub struct Malformed {
    /// At which byte.
    pub at: usize,
    /// What should have been there.
    pub expected: &'static str,
}
