//! Why a cluster could not be asked.

/// A cluster could not be asked. What was known of it stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxmoxError {
    /// Its address is none. Nothing was asked.
    #[error("`{0}` is no address of a Proxmox API: expected `https://HOST:8006`")]
    Address(String),
    /// Its TLS can't be set up. Nothing was asked.
    #[error("TLS to Proxmox: {0}")]
    Tls(String),
    /// The token or ticket can't stand in a request. Nothing was asked.
    #[error("the token's id or secret has letters that no request can have")]
    Secret,
    /// No answer.
    #[error("no answer from Proxmox: {0}")]
    Connect(String),
    /// It doesn't know who asks.
    #[error("Proxmox doesn't let this token or user in ({0})")]
    NotLetIn(u16),
    /// It answered with an error.
    #[error("Proxmox answered {status} to `{path}`")]
    Status {
        /// The status.
        status: u16,
        /// What was asked.
        path: String,
    },
    /// It answered with something that isn't its API.
    #[error("Proxmox answered to `{path}` with something that isn't its API: {why}")]
    Answer {
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// It answered with more than is taken.
    #[error("Proxmox answered to `{path}` with more than {limit} bytes")]
    TooMuch {
        /// What was asked.
        path: String,
        /// How many are taken.
        limit: usize,
    },
    /// It has more guests than are taken.
    #[error("the cluster has {n} guests, and {limit} are taken: none of this inventory is")]
    TooMany {
        /// How many it has.
        n: usize,
        /// How many are taken.
        limit: usize,
    },
}
