//! Whom the two ends of a link trust, and how they show who they are.
//!
//! The accepter shows a certificate of the controller's own CA, which the dialer knows by its pin
//! ([`CaPin`], in the join token). The dialer shows a self-signed certificate around its Ed25519
//! key ([`crate::LinkKey`]); nothing of that certificate counts but the key, which the handshake
//! proves it holds, and who a key belongs to is the registry's word. So no certificate of a dialer
//! ever ends or must be renewed, and a key is revoked by forgetting it.
//!
//! TLS 1.3 only, since both ends are ours, and always, also on loopback: without it a key proves
//! nothing.
//!
//! Rejected: client certificates signed by the CA. They would have to be renewed before they end
//! by gateways that may be cut off for weeks, and revoking one would need a list that somebody
//! reads.

mod accepter;
mod dialer;
mod mutual;
mod pinned;
mod remote;
mod signatures;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub(crate) use accepter::{peer_key, server_config};
pub(crate) use dialer::client_config;
pub use mutual::{KeyVerifier, SharedIdentity, UnknownKey};
pub(crate) use mutual::{mutual_client, mutual_server};
pub use pinned::{CaPin, PinMismatch, PinnedCa};
pub use remote::RemoteKey;
pub use signatures::Signatures;

/// The application protocol of a link: HTTP/2, which gRPC runs on.
const ALPN: &[u8] = b"h2";

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
