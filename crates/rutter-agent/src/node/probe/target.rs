//! Who is asked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use reqwest::Url;
use rutter_route::ParseError;

/// Who is asked, and how: `icmp://10.1.0.1`, `tcp://10.1.0.1:22`, `http://10.1.0.1/health`. Hosts are
/// addresses: a name might lead elsewhere, and would be a second thing that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTarget {
    /// An echo request.
    Icmp(IpAddr),
    /// A connection.
    Tcp(SocketAddr),
    /// A request by HTTP, to be answered with 200 to 399.
    Http(Url),
}

impl FromStr for ProbeTarget {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "`icmp://ADDRESS`, `tcp://ADDRESS:PORT` or `http://ADDRESS[:PORT]/path`";
        let error = || ParseError::new("probe target", text, expected);
        let (scheme, rest) = text.split_once("://").ok_or_else(error)?;
        match scheme {
            "icmp" => {
                let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                bare.unwrap_or(rest).parse().map(Self::Icmp).map_err(|_| error())
            }
            "tcp" => rest.parse().map(Self::Tcp).map_err(|_| error()),
            "http" => {
                let url: Url = text.parse().map_err(|_| error())?;
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                let is_plain = host.parse::<IpAddr>().is_ok() && url.username().is_empty();
                is_plain.then_some(Self::Http(url)).ok_or_else(error)
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp(IpAddr::V4(v4)) => write!(f, "icmp://{v4}"),
            Self::Icmp(IpAddr::V6(v6)) => write!(f, "icmp://[{v6}]"),
            Self::Tcp(at) => write!(f, "tcp://{at}"),
            Self::Http(url) => url.fmt(f),
        }
    }
}
