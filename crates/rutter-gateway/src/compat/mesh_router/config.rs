//! What the adapter is told, also in the original gateway's environment.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rutter_route::{Endpoint, HostName, Scheme, ServiceName};
use sha2::{Digest, Sha256};

use super::error::MeshRouterError;

/// Where routes come from, and how long what came is believed.
#[derive(Debug, Clone)]
pub struct MeshRouterConfig {
    /// `BACKEND_URL`.
    pub backend: BackendUrl,
    /// `CACHE_TTL`: how long an answer is fresh.
    pub cache_ttl: Duration,
    /// How long after that it is used while the backend doesn't answer. The original's routes end
    /// with their lease of ten minutes; a gateway that is cut off gives them that once more.
    pub stale_for: Duration,
    /// How long a name that isn't known isn't asked for again.
    pub negative_ttl: Duration,
    /// How many names are remembered, known or not.
    pub max_names: usize,
    /// The fingerprint that the backend's CA must have.
    pub ca_pin: Option<CaPin>,
}

impl MeshRouterConfig {
    /// The usual numbers.
    pub fn new(backend: BackendUrl) -> Self {
        Self {
            backend,
            cache_ttl: Duration::from_secs(60),
            stale_for: Duration::from_secs(600),
            negative_ttl: Duration::from_secs(10),
            max_names: 10_000,
            ca_pin: None,
        }
    }
}

/// A backend's URL: scheme, host, port and a path that stands before all of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl {
    pub(super) endpoint: Endpoint,
    /// Its name where certificates of a CA of the gateway's own are judged; for an address, one
    /// that no certificate has.
    pub(super) name: ServiceName,
    /// Empty, or beginning with `/` and not ending with it.
    pub(super) path: String,
}

impl FromStr for BackendUrl {
    type Err = MeshRouterError;

    fn from_str(text: &str) -> Result<Self, MeshRouterError> {
        let error = || MeshRouterError::Url(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| error())?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(error()),
        };
        let authority = uri.authority().ok_or_else(error)?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(error());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host: HostName = host.parse().map_err(|_| error())?;
        let port = authority.port_u16().unwrap_or(default_port);
        let path = uri.path().trim_end_matches('/').to_owned();
        let name = match &host {
            HostName::Name(name) => name.clone(),
            HostName::Address(_) => "backend.invalid".parse().map_err(|_| error())?,
        };
        Ok(Self { endpoint: Endpoint { scheme, host, port, tls_name: None }, name, path })
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.endpoint, self.path)
    }
}

/// The SHA-256 of a CA's certificate in DER, as `openssl x509 -fingerprint -sha256` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaPin([u8; 32]);

impl CaPin {
    pub(super) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for CaPin {
    type Err = MeshRouterError;

    /// With or without `sha256:` and colons between the digits.
    fn from_str(text: &str) -> Result<Self, MeshRouterError> {
        let error = || MeshRouterError::Pin(text.to_owned());
        let digits = text.strip_prefix("sha256:").unwrap_or(text).replace(':', "");
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for CaPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
