//! Names of users, groups and nodes.

use std::fmt;
use std::str::FromStr;

use rutter_route::{OwnerId, ParseError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// Gives a type with `FromStr` and `Display` the serde form of a string.
macro_rules! serde_by_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A user, as policy writes it: always with an `@`. An account without one (`alice`) is written
/// with it at the end (`alice@`), an address (`ann@example.com`) as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(SmolStr);

impl UserName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 254;

    /// The name as text, with its `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The owner that a table counts the user's routes by.
    pub fn owner(&self) -> OwnerId {
        #[allow(clippy::expect_used, reason = "the constructor allows fewer characters, and less")]
        self.0.parse().expect("a user's name is an owner's")
    }
}

impl FromStr for UserName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = |why: &str| ParseError::new("user", text, why);
        let Some((name, domain)) = text.split_once('@') else {
            return Err(error("a user has an `@`: `alice@` or `ann@example.com`"));
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        let is_name = !name.is_empty() && name.chars().all(allowed) && domain.chars().all(allowed);
        if !is_name || text.len() > Self::MAX_LEN {
            return Err(error("1 to 254 letters, digits or any of `-_.+`, and one `@`"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(UserName);

/// A group of users, as policy writes it: `group:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(SmolStr);

impl FromStr for GroupName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.strip_prefix("group:").filter(|name| is_word(name)) {
            Some(_) => Ok(Self(text.into())),
            None => Err(ParseError::new("group", text, "`group:` and 1 to 63 of `a-zA-Z0-9-_.`")),
        }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a node, one of a kind: a DNS label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(SmolStr);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_label = (1..=63).contains(&text.len())
            && text.chars().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if !is_label {
            let expected = "a DNS label: 1 to 63 of `a-z0-9-`, no `-` at its ends";
            return Err(ParseError::new("node name", text, expected));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(NodeName);

/// Whether a text may stand behind `group:` or `tag:`, or name a host of the policy.
pub(crate) fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=63).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_policy_writes() {
        for good in ["alice@", "ann@example.com", "a.b+c-d_e@"] {
            assert_eq!(good.parse::<UserName>().unwrap().to_string(), good);
            assert_eq!(good.parse::<UserName>().unwrap().owner().as_str(), good);
        }
        for bad in ["alice", "@", "@x", "a@b@c", "a b@", "ä@", &format!("{}@", "a".repeat(254))] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
        for bad in ["admins", "group:", "group:a b", "tag:x", "group:group:x"] {
            assert!(bad.parse::<GroupName>().is_err(), "{bad}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        assert_eq!("router-1".parse::<NodeName>().unwrap().as_str(), "router-1");
    }
}
