//! Who the two ends are: each shows a certificate of one CA, and its common name is its name.
//!
//! TLS 1.2 and 1.3, since originals elsewhere may speak either.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{CertificateFiles, OverlayError};

/// HTTP/2, which gRPC runs on.
const ALPN: &[u8] = b"h2";

/// Takes callers with a certificate of the CA, and no others.
pub(crate) fn server_config(files: &CertificateFiles) -> Result<ServerConfig, OverlayError> {
    let tls = |error: rustls::Error| OverlayError::Tls(error.to_string());
    let roots = Arc::new(roots(&files.ca)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| OverlayError::Tls(error.to_string()))?;
    let (chain, key) = identity(files)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(tls)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Trusts the CA, and shows the certificate.
pub(crate) fn client_config(files: &CertificateFiles) -> Result<ClientConfig, OverlayError> {
    let tls = |error: rustls::Error| OverlayError::Tls(error.to_string());
    let (chain, key) = identity(files)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_root_certificates(roots(&files.ca)?)
        .with_client_auth_cert(chain, key)
        .map_err(tls)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The common name of the certificate that the other end showed, if there is one name.
pub(crate) fn common_name(chain: Option<&[CertificateDer<'_>]>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(chain?.first()?).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    // Of two, another program might take the other.
    names.next().is_none().then_some(name)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(files: &CertificateFiles) -> Result<Shown, OverlayError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| OverlayError::file(&files.key, error))?;
    Ok((chain, key))
}

fn roots(file: &Path) -> Result<RootCertStore, OverlayError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| OverlayError::file(file, error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, OverlayError> {
    let error = |error: rustls::pki_types::pem::Error| OverlayError::file(file, error);
    let certificates = CertificateDer::pem_file_iter(file).map_err(error)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(error)?;
    if certificates.is_empty() {
        return Err(OverlayError::file(file, "there is no certificate in it"));
    }
    Ok(certificates)
}
