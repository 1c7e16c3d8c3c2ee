//! Ports as policy writes them: read and kept, enforced by nothing here.

use std::fmt;
use std::str::FromStr;

use rutter_route::ParseError;

/// Which protocol and ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// `tcp`, `udp`, `icmp` or another that the file names; `None`: any.
    pub protocol: Option<String>,
    /// The first and the last port; `None`: all.
    pub range: Option<(u16, u16)>,
}

impl Ports {
    /// Every protocol and port.
    pub const ALL: Self = Self { protocol: None, range: None };
}

/// Protocols by their names; others are written as numbers.
const PROTOCOLS: [&str; 8] = ["tcp", "udp", "icmp", "ipv6-icmp", "sctp", "gre", "esp", "ah"];

/// As in the `ip` of a grant: `*`, `443`, `80-90`, `tcp:443`, `udp:*`, `icmp`.
impl FromStr for Ports {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new(
                "set of ports",
                text,
                "`*`, `443`, `80-90`, `tcp:443`, `udp:*` or `icmp`",
            )
        };
        let is_protocol =
            |word: &str| PROTOCOLS.contains(&word) || word.parse::<u8>().is_ok() && text != word;
        let (protocol, ports) = match text.split_once(':') {
            Some((protocol, ports)) => (Some(protocol), ports),
            None if PROTOCOLS.contains(&text) => (Some(text), "*"),
            None => (None, text),
        };
        if protocol.is_some_and(|p| !is_protocol(p)) {
            return Err(error());
        }
        let range = range(ports).ok_or_else(error)?;
        Ok(Self { protocol: protocol.map(str::to_owned), range })
    }
}

/// `None`: not a range. `Some(None)`: all ports.
fn range(text: &str) -> Option<Option<(u16, u16)>> {
    if text == "*" {
        return Some(None);
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let port = |text: &str| plain(text).then(|| text.parse::<u16>().ok()).flatten();
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (port(from)?, port(to)?);
    (from <= to).then_some(Some((from, to)))
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = &self.protocol {
            write!(f, "{protocol}:")?;
        }
        match self.range {
            None => f.write_str("*"),
            Some((from, to)) if from == to => from.fmt(f),
            Some((from, to)) => write!(f, "{from}-{to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_shown() {
        let cases = [
            ("*", "*"),
            ("443", "443"),
            ("80-90", "80-90"),
            ("80-80", "80"),
            ("tcp:443", "tcp:443"),
            ("udp:*", "udp:*"),
            ("icmp", "icmp:*"),
            ("47:*", "47:*"),
            ("tcp:0-65535", "tcp:0-65535"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), shown);
        }
        for bad in ["", "x", "65536", "90-80", "80-", "http:80", "tcp:", "tcp:x", "256:*", "+80"] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }
}
