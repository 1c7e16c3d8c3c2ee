//! Aliases: the names that services are asked for by.

use std::fmt;
use std::str::FromStr;

use rutter_route::{ParseError, ServiceName};

/// The name of a service: a host name or its first label, or a wildcard for one label under a
/// domain, `*.example.com`. As text it is trimmed and lowered by parsing, as GoDoxy does at its
/// validation (fields of a route, `alias`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alias {
    /// A name, such as `app` or `app.example.com`.
    Name(ServiceName),
    /// Any one label under this domain.
    Under(ServiceName),
}

impl Alias {
    /// Whether it is a full host name, with a dot in it.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Name(name) if name.as_str().contains('.'))
    }
}

impl FromStr for Alias {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let trimmed = text.trim();
        match trimmed.strip_prefix("*.") {
            Some(domain) => domain.parse().map(Self::Under),
            None => trimmed.parse().map(Self::Name),
        }
        .map_err(|_| {
            let expected = "labels of letters, digits, `-` and `_` with dots between, or `*.` and \
                            such a name";
            ParseError::new("alias", text, expected)
        })
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Under(domain) => write!(f, "*.{domain}"),
        }
    }
}
