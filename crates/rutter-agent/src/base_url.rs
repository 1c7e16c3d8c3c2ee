//! Where a controller or backend is asked.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// An `http` or `https` URL with a host and perhaps a base path, and nothing else: no credentials,
/// query or fragment, so that it can be shown in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Parses a URL. The error says what is wrong without repeating the text, which may hold a
    /// secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "it is not a URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the scheme is http or https");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("a host is missing");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or password in it is refused");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a query or fragment is out of place");
        }
        Ok(Self(url))
    }

    /// The URL of a path below the base; each segment is percent-encoded.
    pub(crate) fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        // An http URL always has a path, so the error is impossible; the base is then the answer.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is a loopback address or `localhost` (RFC 6761 6.3), so that what is
    /// registered there can name loopback addresses too.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}
