//! Why an order came to nothing. The certificate from before is untouched by any of them.

use std::io;

/// Why an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The CA refused, or couldn't be asked.
    #[error(transparent)]
    Acme(#[from] instant_acme::Error),
    /// The CA didn't find the proof of a name.
    #[error("{name} could not be proven: {why}")]
    Unproven {
        /// Which.
        name: String,
        /// What the CA says.
        why: String,
    },
    /// The CA doesn't prove names in the way that is configured.
    #[error("the CA offers no such challenge for {0}")]
    NoSuchChallenge(String),
    /// The CA's order isn't one that can go on.
    #[error("the order is {0:?}")]
    Order(instant_acme::OrderStatus),
    /// A request or a challenge's certificate can't be made.
    #[error("a certificate request can't be made: {0}")]
    Request(#[from] rcgen::Error),
    /// What the CA gave is no certificate for the key and the names.
    #[error("the certificate is not what was ordered: {0}")]
    NotAsOrdered(&'static str),
    /// Something can't be read or kept.
    #[error("can't read or keep it: {0}")]
    Store(#[from] io::Error),
    /// The kept account can't be understood.
    #[error("the kept account can't be read: {0}")]
    Account(#[from] serde_json::Error),
    /// TLS refuses what was made.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The roots can't be used.
    #[error(transparent)]
    Roots(#[from] crate::error::GatewayError),
    /// It didn't end.
    #[error("it took too long")]
    Late,
}
