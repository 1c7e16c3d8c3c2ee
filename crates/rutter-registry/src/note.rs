//! Free text for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of free text that somebody is meant to read: a reason, a detail, the name of a token.
///
/// It is cut to [`Note::MAX_BYTES`], and control characters become spaces, so that nobody's words
/// can fill the disk or forge lines of a log. Cutting is chosen over refusing, since an audit
/// event with a shortened detail is worth more than none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Note(String);

impl Note {
    /// The longest note, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Note {
    fn from(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let kept = text.get(..end).unwrap_or_default();
        Self(kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Note> for String {
    fn from(note: Note) -> Self {
        note.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
