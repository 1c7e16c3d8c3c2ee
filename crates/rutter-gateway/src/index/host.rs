//! From what stands in `Host` to the name that the index knows.

use std::borrow::Cow;

/// The longest host, in bytes (RFC 1035 2.3.4).
pub(super) const MAX_LEN: usize = 253;

/// A `Host` that is not a host. The request gets 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Host header is not a host name or address, with or without a port")]
pub(crate) struct BadHost;

/// The host of an authority as the index compares it: lower case, without port, brackets and the
/// dot that ends a fully qualified name. Borrows where nothing is to change, which is the common
/// case.
///
/// # Errors
/// User information, an empty or over-long host or an empty label in it, a port that is none, or a
/// byte that can't stand in a host name.
pub(crate) fn normalise(authority: &str) -> Result<Cow<'_, str>, BadHost> {
    let host = without_port(authority)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > MAX_LEN {
        return Err(BadHost);
    }
    let (mut upper, mut before) = (false, b'.');
    for byte in host.bytes() {
        match byte {
            b'.' if before == b'.' => return Err(BadHost),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' => {}
            b'A'..=b'Z' => upper = true,
            _ => return Err(BadHost),
        }
        before = byte;
    }
    Ok(if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

fn without_port(authority: &str) -> Result<&str, BadHost> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(BadHost)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| BadHost)?;
        return match port.strip_prefix(':') {
            Some(port) if is_port(port) => Ok(address),
            None if port.is_empty() => Ok(address),
            _ => Err(BadHost),
        };
    }
    match authority.split_once(':') {
        None => Ok(authority),
        Some((host, port)) if is_port(port) => Ok(host),
        Some(_) => Err(BadHost),
    }
}

/// A port may be empty (RFC 3986 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}
