//! TLS with clients.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificates::{ByName, Issuers};
use crate::acme::ACME_TLS;
use crate::config::CertificateFiles;
use crate::error::GatewayError;

/// The cryptography, given to each TLS configuration by hand: a process-wide default could be
/// another one, set by whichever library came first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A server's configuration from its files, a first pair and more for the names in them, and what
/// others add to them.
pub(super) fn server_config(
    pairs: &[CertificateFiles],
    issuers: &Issuers,
) -> Result<Arc<ServerConfig>, GatewayError> {
    let keys = pairs.iter().map(read_pair).collect::<Result<Vec<_>, _>>()?;
    let mut keys = keys.into_iter();
    let Some(first) = keys.next() else {
        let expected = "expected at least one certificate".to_owned();
        return Err(GatewayError::Config { field: "listeners.tls", expected });
    };
    let resolver = Arc::new(ByName::new(first, keys.collect(), issuers.clone()));
    // Every provider of rustls has these versions.
    let failed = |e: rustls::Error| GatewayError::Config { field: "tls", expected: e.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // Resumption costs us no memory: the session lies with the client, under a key that changes
    // by itself twice a day.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(failed)?;
    // In our order of liking; without ALPN a client gets HTTP/1.1 (RFC 9113 3.2).
    config.alpn_protocols = vec![super::connection::H2.to_vec(), b"http/1.1".to_vec()];
    if issuers.acme.by_tls() {
        config.alpn_protocols.push(ACME_TLS.to_vec());
    }
    Ok(Arc::new(config))
}

fn read_pair(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, GatewayError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(&files.chain)?)
        .collect::<Result<_, _>>()
        .map_err(|_| expected(&files.chain, "a certificate chain"))?;
    if chain.is_empty() {
        return Err(expected(&files.chain, "a certificate chain"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|e| match e {
        pem::Error::NoItemsFound => expected(&files.key, "a private key"),
        _ => expected(&files.key, "a readable private key"),
    })?;
    // This compares the two as well: a key of another certificate is refused.
    CertifiedKey::from_der(chain, key, &provider())
        .map(Arc::new)
        .map_err(|source| GatewayError::Certificate { path: files.chain.clone(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, GatewayError> {
    std::fs::read(path).map_err(|source| GatewayError::File { path: path.to_owned(), source })
}

fn expected(path: &Path, expected: &'static str) -> GatewayError {
    GatewayError::Pem { path: path.to_owned(), expected }
}
