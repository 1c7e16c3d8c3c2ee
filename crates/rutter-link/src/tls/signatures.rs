//! The checking of handshake signatures, for verifiers that decide about certificates themselves.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// That the peer holds the key of the certificate it shows, as a provider checks it. A verifier
/// of our own hands its three methods on to these.
#[derive(Debug, Clone)]
pub struct Signatures(Arc<CryptoProvider>);

impl Signatures {
    /// By a provider's algorithms.
    pub fn of(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }

    /// The provider.
    pub fn provider(&self) -> &Arc<CryptoProvider> {
        &self.0
    }

    /// A handshake of TLS 1.2.
    ///
    /// # Errors
    /// The signature isn't of the certificate's key.
    pub fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    /// A handshake of TLS 1.3.
    ///
    /// # Errors
    /// The signature isn't of the certificate's key.
    pub fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    /// What can be checked.
    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
