//! Which certificates clients must show.
//!
//! A profile names the CAs that count. A listener may have one, and then nobody comes in without
//! such a certificate. A route may have one, and then the handshake asks for it by the name that the
//! client says (SNI), before it is known which host and path will be asked for.
//!
//! Invariants:
//! - a route whose profile this gateway doesn't have serves nobody: it is a hole;
//! - of the routes of one service all ask for the same, or those that ask for something else are
//!   holes: no failover leads from a protected route to another that isn't.

use std::path::PathBuf;

/// The CAs of which a client must show a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MtlsProfile {
    /// Files with their certificates, in PEM.
    pub ca_files: Vec<PathBuf>,
    /// Whether the system's roots count as well.
    pub system_roots: bool,
}

impl MtlsProfile {
    /// Whether there is a CA at all.
    pub(crate) fn has_roots(&self) -> bool {
        self.system_roots || !self.ca_files.is_empty()
    }
}
