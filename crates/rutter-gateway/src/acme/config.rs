//! What is ordered from whom, and where it is kept.

use std::io;
use std::sync::Arc;

use crate::error::GatewayError;
use crate::upstream::Roots;

/// Let's Encrypt's directory for certificates that everybody trusts.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The most names of one certificate: Let's Encrypt's bound.
const MAX_NAMES: usize = 100;

/// A certificate by ACME.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// The URL of the CA's directory, by HTTPS.
    pub directory: String,
    /// Where the CA may write to, such as `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// The DNS names, 1 to 100 of them, without wildcards.
    pub names: Vec<String>,
    /// How they are proven.
    pub challenge: AcmeChallenge,
    /// Whom the directory's own TLS certificate must come from.
    pub roots: Roots,
    /// Where account and certificate are kept.
    pub store: Arc<dyn AcmeStore>,
}

/// How names are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AcmeChallenge {
    /// By a plain request to port 80 (RFC 8555 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// By a TLS handshake at port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// Keeps small secrets by name, each replaced whole and for nobody else to read.
pub trait AcmeStore: std::fmt::Debug + Send + Sync {
    /// What is kept by that name; `None`: nothing is.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Keeps it. After a crash there is the old one or the new one.
    ///
    /// # Errors
    /// It can't be written; what was kept still is.
    fn write(&self, name: &str, contents: &[u8]) -> io::Result<()>;
}

impl AcmeConfig {
    /// Checks names, the directory's URL, and that there is a listener to prove them on.
    pub(crate) fn check(&self, has_plain: bool, has_tls: bool) -> Result<(), GatewayError> {
        let plain = |name: &String| {
            name.contains('.')
                && !name.contains('*')
                && name.bytes().all(|b| !b.is_ascii_uppercase())
        };
        let checks = [
            (
                "acme.names",
                (1..=MAX_NAMES).contains(&self.names.len()) && self.names.iter().all(plain),
                "expected 1 to 100 names in lower case, without wildcards",
            ),
            ("acme.directory", self.directory.starts_with("https://"), "expected an https:// URL"),
            ("acme", has_tls, "expected a TLS listener, which the certificate is for"),
            (
                "acme.challenge",
                has_plain || self.challenge == AcmeChallenge::TlsAlpn01,
                "expected a plain listener for http-01",
            ),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, expected)) => {
                Err(GatewayError::Config { field, expected: expected.to_owned() })
            }
            None => Ok(()),
        }
    }
}
