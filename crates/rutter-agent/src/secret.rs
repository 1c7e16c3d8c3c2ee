//! Texts that must not be shown.

use std::fmt;

/// A bearer secret. `Debug` and `Display` show `[redacted]`; the text is reached only by
/// [`Secret::reveal`], so that every place that uses it can be found by that word.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and the state file.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without this secret: a server's error may repeat the path or header it was sent.
    pub(crate) fn scrub(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, REDACTED)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}
