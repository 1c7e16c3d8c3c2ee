//! Services: what people ask a gateway for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ParseError;
use crate::parse::serde_by_text;

/// A host name or an alias, lower case: `web.alice.localhost`, `app`. Labels of letters, digits,
/// `-` and `_`, up to 63 bytes each, 253 in all (RFC 1035 2.3.4). An upper-case letter is lowered
/// by parsing, since host names compare without case (RFC 4343).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(SmolStr);

impl ServiceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is `suffix` or ends in a dot and `suffix`.
    pub fn is_under(&self, suffix: &str) -> bool {
        match self.0.strip_suffix(suffix) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl FromStr for ServiceName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(ParseError::new(
                "service name",
                text,
                "dot-separated labels of letters, digits, `-` and `_`, 63 bytes each, 253 in all",
            ));
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_by_text!(ServiceName);

/// What kind of listener a service is reached through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// HTTP, with or without TLS.
    #[default]
    Http,
    /// A TCP stream.
    Tcp,
    /// UDP datagrams.
    Udp,
}

/// A destination of the `services` table: a name and the kind of listener it is asked through.
/// As text an HTTP service is its bare name, others are `tcp:NAME` and `udp:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// The host name or alias.
    pub name: ServiceName,
    /// The kind of listener.
    pub listener: Listener,
}

impl Service {
    /// An HTTP service.
    pub fn http(name: ServiceName) -> Self {
        Self { name, listener: Listener::Http }
    }
}

impl FromStr for Service {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (listener, name) = match text.split_once(':') {
            Some(("tcp", name)) => (Listener::Tcp, name),
            Some(("udp", name)) => (Listener::Udp, name),
            Some(_) => {
                return Err(ParseError::new("service", text, "a name, `tcp:NAME` or `udp:NAME`"));
            }
            None => (Listener::Http, text),
        };
        Ok(Self { name: name.parse()?, listener })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.listener {
            Listener::Http => self.name.fmt(f),
            Listener::Tcp => write!(f, "tcp:{}", self.name),
            Listener::Udp => write!(f, "udp:{}", self.name),
        }
    }
}

serde_by_text!(Service);
