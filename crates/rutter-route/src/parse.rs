//! The one error of parsing, and the helper that gives a parsed type its serde form.

use std::fmt;

/// A text that is not what it should be. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not a valid {what}: {expected}")]
pub struct ParseError {
    /// What was being parsed, such as `prefix`.
    pub what: &'static str,
    /// The text, cut to 80 characters.
    pub input: String,
    /// What would have been accepted, or what is wrong with it.
    pub expected: String,
}

impl ParseError {
    /// Makes an error about `input`; only its first 80 characters are kept, so that hostile input
    /// can't fill logs.
    pub fn new(what: &'static str, input: &str, expected: impl fmt::Display) -> Self {
        let input = input.chars().take(80).collect();
        Self { what, input, expected: expected.to_string() }
    }
}

/// Gives a type with `FromStr` and `Display` the serde form of a string.
macro_rules! serde_by_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string")
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$type, E> {
                        v.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use serde_by_text;

/// A newtype over a short text: ASCII letters, digits and the punctuation that `$extra` names.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(smol_str::SmolStr);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::ParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let extra = |b: u8| const { $extra.as_bytes() }.contains(&b);
                let allowed = |b: u8| b.is_ascii_alphanumeric() || extra(b);
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(crate::ParseError::new(
                        $what,
                        text,
                        concat!("1 to ", $max, " letters, digits or any of `", $extra, "`"),
                    ));
                }
                Ok(Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        crate::parse::serde_by_text!($name);
    };
}
pub(crate) use name_type;
