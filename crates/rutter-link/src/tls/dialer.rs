//! The dialer's side: it trusts one pinned CA and shows its key.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{ALPN, CaPin, PinnedCa, provider};
use crate::{LinkError, LinkKey};

pub(crate) fn client_config(pin: CaPin, key: &LinkKey) -> Result<ClientConfig, LinkError> {
    let provider = provider();
    let verifier = Arc::new(PinnedCa::new(pin, provider.clone()));
    let (certificate, private) = key.identity()?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| LinkError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![certificate], private)
        .map_err(|error| LinkError::Tls(error.to_string()))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
