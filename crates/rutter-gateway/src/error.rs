//! The crate's error: why a gateway can't start or take a new configuration.
//!
//! What goes wrong with one request is an answer ([`crate::proxy`]'s pages) and a counter, not an
//! error of this type.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a gateway can't start, or a new configuration isn't taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An address can't be listened on.
    #[error("the gateway can't listen on {address}: {source}{}", hint(source, *address))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key file can't be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate or key where one is expected.
    #[error("{}: expected {expected} in PEM form", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// A certificate and its key don't make a TLS server.
    #[error("the certificate {}: {source}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// What TLS said.
        source: rustls::Error,
    },
    /// A certificate given as a root is none.
    #[error("a root certificate for upstreams: {0}")]
    BadRoot(rustls::Error),
    /// The roots can't be used.
    #[error("the root certificates for upstreams: {0}")]
    Roots(String),
    /// A number is out of its bounds.
    #[error("{field}: {expected}")]
    Config {
        /// Which field.
        field: &'static str,
        /// What was expected.
        expected: String,
    },
    /// The access log can't be opened.
    #[error("the access log {}: {source}", path.display())]
    AccessLog {
        /// Its file; `-` for standard output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// TLS with neighbours can't be set up.
    #[error("TLS with neighbours: {0}")]
    Clusters(rustls::Error),
    /// A worker thread can't be made.
    #[error("a worker thread of the gateway: {0}")]
    Worker(io::Error),
    /// The table can't be read.
    #[error("the gateway's table: {0}")]
    Table(String),
}

/// What a newcomer does about it.
fn hint(error: &io::Error, address: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "; another program listens on port {} there: stop it or name another port",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "; ports below 1024 need root or CAP_NET_BIND_SERVICE: use one above, such as 8080"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address".to_owned(),
        _ => String::new(),
    }
}
