//! TLS between equals: both ends show a self-signed certificate, and each takes the other by its key.
//!
//! As with a dialer of a link nothing of the certificate counts but the key, which the handshake
//! proves; here the accepting end is known the same way. Who may speak is asked of each handshake
//! anew, so a key that ends, or is rotated away, opens no session more.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
};

use super::{ALPN, Signatures, provider};
use crate::{LinkError, LinkKey, PeerKey};

/// The other end showed a key that isn't known, or isn't the one that was dialled.
#[derive(Debug, thiserror::Error)]
#[error("the key {0} isn't one that is known of it")]
pub struct UnknownKey(PeerKey);

/// Whose keys are taken.
#[derive(Clone)]
pub struct KeyVerifier {
    knows: Arc<dyn Fn(&PeerKey) -> bool + Send + Sync>,
    signatures: Signatures,
}

impl fmt::Debug for KeyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyVerifier")
    }
}

impl KeyVerifier {
    /// Takes the keys that `knows` says yes to; it is asked in each handshake, so from memory.
    pub fn new(knows: impl Fn(&PeerKey) -> bool + Send + Sync + 'static) -> Self {
        Self { knows: Arc::new(knows), signatures: Signatures::of(provider()) }
    }

    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        let Some(key) = PeerKey::of_certificate(end_entity) else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        match (self.knows)(&key) {
            true => Ok(()),
            false => {
                let why = OtherError(Arc::new(UnknownKey(key)));
                Err(Error::InvalidCertificate(CertificateError::Other(why)))
            }
        }
    }
}

/// There is no TLS 1.2 between neighbours.
fn only_tls13<T>() -> Result<T, Error> {
    Err(Error::General("neighbours speak TLS 1.3".into()))
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for KeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// What this end shows: it can be replaced while sessions go on. Clones are the same.
#[derive(Clone)]
pub struct SharedIdentity(Arc<RwLock<Arc<CertifiedKey>>>);

impl fmt::Debug for SharedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedIdentity")
    }
}

impl SharedIdentity {
    /// Shows this from now on.
    pub fn new(key: Arc<CertifiedKey>) -> Self {
        Self(Arc::new(RwLock::new(key)))
    }

    /// What is shown now.
    pub fn get(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Handshakes that begin from now on show another.
    pub fn set(&self, key: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl ResolvesServerCert for SharedIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for SharedIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl LinkKey {
    /// What shows this key in TLS: a certificate that says nothing else, and signs itself.
    ///
    /// # Errors
    /// [`LinkError::Key`], which no key that was made here gives.
    pub fn certified(&self) -> Result<CertifiedKey, LinkError> {
        let (certificate, private) = self.identity()?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private);
        let key = key.map_err(|error| LinkError::Key(error.to_string()))?;
        Ok(CertifiedKey::new(vec![certificate], key))
    }
}

/// TLS of the end that dials.
pub(crate) fn mutual_client(
    verifier: KeyVerifier,
    identity: &SharedIdentity,
) -> Result<ClientConfig, LinkError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| LinkError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Each handshake shows the keys anew, so there is nothing to resume.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// TLS of the end that is dialled.
pub(crate) fn mutual_server(
    verifier: KeyVerifier,
    identity: &SharedIdentity,
) -> Result<ServerConfig, LinkError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| LinkError::Tls(error.to_string()))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}
