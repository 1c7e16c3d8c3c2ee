//! TLS with clients.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use smol_str::SmolStr;

use super::certificates::{ByName, Issuers};
use crate::acme::ACME_TLS;
use crate::config::CertificateFiles;
use crate::error::GatewayError;

/// The cryptography, given to each TLS configuration by hand: a process-wide default could be
/// another one, set by whichever library came first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// How TLS is spoken at one listener: by one set of certificates, in several ways.
#[derive(Debug)]
pub(super) struct Configs {
    /// HTTP lies in it.
    pub(super) http: Arc<ServerConfig>,
    /// A stream lies in it, of whatever protocol.
    pub(super) stream: Arc<ServerConfig>,
    /// HTTP, and clients must show a certificate of a profile.
    by_profile: BTreeMap<SmolStr, Arc<ServerConfig>>,
}

impl Configs {
    /// For clients that must show a certificate of that profile; `None`: there is none such.
    pub(super) fn of_profile(&self, profile: &str) -> Option<Arc<ServerConfig>> {
        self.by_profile.get(profile).cloned()
    }
}

/// A server's configurations from its files, a first pair and more for the names in them, and what
/// others add to them.
pub(super) fn configs(
    pairs: &[CertificateFiles],
    issuers: &Issuers,
) -> Result<Arc<Configs>, GatewayError> {
    let keys = pairs.iter().map(read_pair).collect::<Result<Vec<_>, _>>()?;
    let mut keys = keys.into_iter();
    let Some(first) = keys.next() else {
        let expected = "expected at least one certificate".to_owned();
        return Err(GatewayError::Config { field: "listeners.tls", expected });
    };
    let resolver = Arc::new(ByName::new(first, keys.collect(), issuers.clone()));
    // In our order of liking; without ALPN a client gets HTTP/1.1 (RFC 9113 3.2).
    let mut http = vec![super::connection::H2.to_vec(), b"http/1.1".to_vec()];
    let of_profile = |(name, verifier): (&SmolStr, &Arc<dyn ClientCertVerifier>)| {
        let config = server_config(&resolver, Some(verifier.clone()), http.clone())?;
        Ok((name.clone(), config))
    };
    let by_profile = issuers.profiles.iter().map(of_profile).collect::<Result<_, _>>()?;
    // What a stream speaks is its service's affair, so none of its protocols is refused here.
    let stream = server_config(&resolver, None, Vec::new())?;
    if issuers.acme.by_tls() {
        http.push(ACME_TLS.to_vec());
    }
    let http = server_config(&resolver, None, http)?;
    Ok(Arc::new(Configs { http, stream, by_profile }))
}

/// Each has a ticketer of its own: a session that began without a client's certificate can't be
/// resumed where one must be shown.
fn server_config(
    resolver: &Arc<ByName>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    protocols: Vec<Vec<u8>>,
) -> Result<Arc<ServerConfig>, GatewayError> {
    // Every provider of rustls has these versions.
    let failed = |e: rustls::Error| GatewayError::Config { field: "tls", expected: e.to_string() };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(resolver.clone());
    // Resumption costs us no memory: the session lies with the client, under a key that changes
    // by itself twice a day.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(failed)?;
    config.alpn_protocols = protocols;
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
