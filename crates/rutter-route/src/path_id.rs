//! Path ids.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::ParseError;
use crate::parse::serde_by_text;

/// Tells apart several routes of one source to one destination, as BGP's add-path does (RFC
/// 7911). It is the source's word: opaque, never derived here from the hops; it is ordered by its
/// bytes, which decides between routes that are alike in all else. At most 255 bytes without
/// control characters; empty where a source has one route to a destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathId(SmolStr);

impl PathId {
    /// The longest path id, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty id.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for PathId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > Self::MAX_LEN || text.chars().any(char::is_control) {
            return Err(ParseError::new(
                "path id",
                text,
                "at most 255 bytes without control characters",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(PathId);
