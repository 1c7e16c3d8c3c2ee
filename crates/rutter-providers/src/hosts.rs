//! Which service a request's host asks for.
//!
//! GoDoxy's rules (its entrypoint's matching), as one pure function over whatever holds the
//! aliases: [`find`] says which keys to look for, in order, and the first that is there wins.
//!
//! | | asked in this order |
//! | --- | --- |
//! | no `match_domains` | the host; its first label; `*.` and the rest |
//! | with them | the host without each domain that it ends in, in their order; the host; `*.` and the rest |
//!
//! Two things differ from the original: case and a dot at the end never count (RFC 4343; the
//! original lowers them for wildcards alone), and an address is only itself: the first number of
//! one is nobody's label.

mod short_link;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use rutter_route::{ParseError, ServiceName};

pub use short_link::{ShortLink, ShortLinks};

/// What is looked for among the aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKey<'h> {
    /// An alias that is a name.
    Name(&'h str),
    /// A wildcard for one label under this domain.
    Under(&'h str),
}

/// The domains under which aliases are found, in order. With none, under any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchDomains(Vec<ServiceName>);

impl MatchDomains {
    /// The domains as they are written, with or without a dot before them.
    ///
    /// # Errors
    /// One of them is not a name.
    pub fn new<'d>(domains: impl IntoIterator<Item = &'d str>) -> Result<Self, ParseError> {
        let bare = |domain: &'d str| domain.strip_prefix('.').unwrap_or(domain).parse();
        domains.into_iter().map(bare).collect::<Result<_, _>>().map(Self)
    }

    /// The first one.
    pub fn first(&self) -> Option<&ServiceName> {
        self.0.first()
    }

    /// The part of a host before each domain that it lies under.
    fn before<'h>(&self, host: &'h str) -> impl Iterator<Item = &'h str> {
        let before = |domain: &ServiceName| {
            let rest = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
            Some(rest).filter(|rest| !rest.is_empty())
        };
        self.0.iter().filter_map(before)
    }
}

/// What a request's host asks for: the first key that is there. `host` is as it came, with its
/// port.
pub fn find<R>(
    host: &str,
    domains: &MatchDomains,
    mut there_is: impl FnMut(HostKey<'_>) -> Option<R>,
) -> Option<R> {
    let host = bare(host);
    let host = host.as_ref();
    if is_address(host) {
        return there_is(HostKey::Name(host));
    }
    let (label, rest) = host.split_once('.').map_or((None, None), |(l, r)| (Some(l), Some(r)));
    let found = match domains.0.is_empty() {
        true => there_is(HostKey::Name(host))
            .or_else(|| label.and_then(|label| there_is(HostKey::Name(label)))),
        false => domains
            .before(host)
            .find_map(|name| there_is(HostKey::Name(name)))
            .or_else(|| there_is(HostKey::Name(host))),
    };
    found.or_else(|| rest.and_then(|rest| there_is(HostKey::Under(rest))))
}

/// A host without its port and the dot at its end, in lower case. An IPv6 address keeps its
/// brackets.
pub fn bare(host: &str) -> Cow<'_, str> {
    let without_port = match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        _ => host,
    };
    let bare = without_port.strip_suffix('.').unwrap_or(without_port);
    match bare.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(bare.to_ascii_lowercase()),
        false => Cow::Borrowed(bare),
    }
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}
