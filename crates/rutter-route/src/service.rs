//! Services: what people ask a gateway for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::parse::serde_by_text;
use crate::{ParseError, PathPrefix};

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

/// The address and port that a service is asked for at, as far as they are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ListenAt {
    /// The address; `None`: whatever the gateway listens at.
    pub address: Option<IpAddr>,
    /// The port; `None`: the gateway's own.
    pub port: Option<u16>,
}

/// Which part of what is asked by a name is a service's, where that is not all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope {
    /// The name is a domain, and the service is asked for by any one label under it.
    pub is_wildcard: bool,
    /// Where it is asked for.
    pub at: ListenAt,
    /// Which paths are its own; `None`: all that no other service of the name has.
    pub paths: Option<PathPrefix>,
}

/// A destination of the `services` table: a name, the kind of listener it is asked through, and
/// which part of that it is.
///
/// As text an HTTP service on the gateway's own listeners is its bare name; in full it is
/// `[tcp:|udp:][*.]NAME[@[ADDRESS][:PORT]][/PATH]`: `app/api`, `*.example.com`, `tcp:db@:5432`,
/// `app@[::1]:8443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// The host name or alias.
    pub name: ServiceName,
    /// The kind of listener.
    pub listener: Listener,
    /// What is narrower than all that is asked by the name; never one that says nothing.
    scope: Option<Arc<Scope>>,
}

impl Service {
    /// An HTTP service, on the gateway's own listeners and with all paths.
    pub fn http(name: ServiceName) -> Self {
        Self { name, listener: Listener::Http, scope: None }
    }

    /// A service of which only a part is asked by its name.
    pub fn new(name: ServiceName, listener: Listener, scope: Scope) -> Self {
        let scope = (scope != Scope::default()).then(|| Arc::new(scope));
        Self { name, listener, scope }
    }

    /// Whether it is asked for by any one label under its name.
    pub fn is_wildcard(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.is_wildcard)
    }

    /// Where it is asked for, as far as that isn't the gateway's own.
    pub fn at(&self) -> ListenAt {
        self.scope.as_ref().map(|scope| scope.at).unwrap_or_default()
    }

    /// The paths that are its own; `None`: all that no other service of the name has.
    pub fn paths(&self) -> Option<&PathPrefix> {
        self.scope.as_ref()?.paths.as_ref()
    }
}

impl FromStr for Service {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            let expected = "`[tcp:|udp:][*.]NAME[@[ADDRESS][:PORT]][/PATH]`, such as `app`, \
                            `app/api` or `tcp:db@:5432`";
            ParseError::new("service", text, expected)
        };
        let (listener, rest) = match text.split_once(':') {
            Some(("tcp", rest)) => (Listener::Tcp, rest),
            Some(("udp", rest)) => (Listener::Udp, rest),
            _ => (Listener::Http, text),
        };
        let (rest, paths) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some((_, _)) if listener != Listener::Http => return Err(error()),
            Some((rest, path)) => (rest, Some(path.parse()?)),
            None => (rest, None),
        };
        let (rest, at) = match rest.split_once('@') {
            Some((rest, at)) => (rest, at.parse().map_err(|_: ParseError| error())?),
            None => (rest, ListenAt::default()),
        };
        let (name, is_wildcard) = match rest.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (rest, false),
        };
        if name.contains(':') {
            return Err(error());
        }
        Ok(Self::new(name.parse()?, listener, Scope { is_wildcard, at, paths }))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.listener {
            Listener::Http => {}
            Listener::Tcp => f.write_str("tcp:")?,
            Listener::Udp => f.write_str("udp:")?,
        }
        let Some(scope) = &self.scope else { return self.name.fmt(f) };
        if scope.is_wildcard {
            f.write_str("*.")?;
        }
        self.name.fmt(f)?;
        if scope.at != ListenAt::default() {
            write!(f, "@{}", scope.at)?;
        }
        match &scope.paths {
            Some(paths) => paths.fmt(f),
            None => Ok(()),
        }
    }
}

serde_by_text!(Service);

impl FromStr for ListenAt {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("place to listen", text, "`[ADDRESS][:PORT]`");
        let (address, port) = match text.rsplit_once(':') {
            // What stands in brackets, or without a port, has its colons for itself.
            Some((address, port)) if !port.ends_with(']') => (address, Some(port)),
            _ => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let address = match bare {
            "" => None,
            bare => Some(bare.parse().map_err(|_| error())?),
        };
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|p| *p != 0).ok_or_else(error)?),
        };
        if address.is_none() && port.is_none() {
            return Err(error());
        }
        Ok(Self { address, port })
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(v6)) => write!(f, "[{v6}]")?,
            Some(v4) => v4.fmt(f)?,
            None => {}
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_as_text_is_read_back_as_itself() {
        let texts = [
            "app",
            "app/api",
            "*.example.com",
            "*.example.com/a/b",
            "tcp:db@:5432",
            "tcp:db@10.0.0.1:5432",
            "udp:dns@[::1]:53",
            "app@[::1]",
            "app@10.0.0.1:8443/api",
            "tcp:db",
        ];
        for text in texts {
            let service: Service = text.parse().unwrap();
            assert_eq!(service.to_string(), text);
        }
        assert_eq!("app/".parse::<Service>().unwrap().to_string(), "app/");
        assert_eq!("APP".parse::<Service>(), Ok(Service::http("app".parse().unwrap())));
    }

    #[test]
    fn what_is_no_service_is_refused() {
        let texts =
            ["", "a:b", "sctp:a", "app@", "app@:0", "app@:x", "app@1.2.3", "tcp:a/b", "a/../b"];
        for text in texts {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }
}
