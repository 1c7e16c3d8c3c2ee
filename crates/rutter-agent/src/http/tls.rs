//! Whom to trust: the system's roots, or the one CA that a join token pins.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rutter_link::PinnedCa;

use crate::{AgentError, CaPin};

/// The TLS side of a client. Without `https` the system's roots are not read.
pub(super) fn client_config(https: bool, pin: Option<CaPin>) -> Result<ClientConfig, AgentError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| AgentError::Tls(error.to_string()))?;
    let Some(pin) = pin else {
        let roots = if https { system_roots()? } else { RootCertStore::empty() };
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    };
    let verifier = Arc::new(PinnedCa::new(pin, provider));
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, AgentError> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a part of the system's CA certificates can't be read");
    }
    let mut roots = RootCertStore::empty();
    let (n_added, n_ignored) = roots.add_parsable_certificates(loaded.certs);
    tracing::debug!(n_added, n_ignored, "system CA certificates");
    if roots.is_empty() {
        return Err(AgentError::Tls(
            "this system has no CA certificates (Debian: package ca-certificates)".into(),
        ));
    }
    Ok(roots)
}
