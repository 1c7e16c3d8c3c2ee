//! What goes wrong between the gateway and a Mesh Router backend.

/// Why a backend gave no answer, or none that can be used. What was known stays.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MeshRouterError {
    /// A URL that can't be a backend's.
    #[error(
        "`{0}`: expected `http://HOST[:PORT][/PATH]` or `https://…`, without user, query or fragment"
    )]
    Url(String),
    /// A pin that is none.
    #[error("`{0}`: expected `sha256:` and the 64 hex digits of the CA certificate's fingerprint")]
    Pin(String),
    /// No connection, a broken one, or no answer in time.
    #[error("the backend can't be reached: {0}")]
    Transport(String),
    /// An answer of another status than was to be expected.
    #[error("the backend answered {path} with status {status}")]
    Status {
        /// What was asked for.
        path: String,
        /// The status.
        status: u16,
    },
    /// An answer that isn't what the path gives.
    #[error("the backend's answer to {path}: {why}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The CA isn't the one that was pinned.
    #[error("the backend's CA has the fingerprint sha256:{0}, which isn't the pinned one")]
    NotPinned(String),
}
