//! Names of groups.

use std::fmt;
use std::str::FromStr;

use rutter_route::ParseError;
use smol_str::SmolStr;

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

/// Whether a text may stand behind `group:` or `tag:`, or name a host of the policy.
pub(crate) fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=63).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_what_policy_writes() {
        assert_eq!("group:admins".parse::<GroupName>().unwrap().to_string(), "group:admins");
        for bad in ["admins", "group:", "group:a b", "tag:x", "group:group:x"] {
            assert!(bad.parse::<GroupName>().is_err(), "{bad}");
        }
    }
}
