//! The accepter's side: it shows the controller's certificate, and takes any dialer that proves
//! to hold an Ed25519 key. Whose key that is, the one who asks [`peer_key`] has to know.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ResolvesServerCert;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

use super::{ALPN, Signatures, provider};
use crate::{LinkError, PeerKey};

pub(crate) fn server_config(
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, LinkError> {
    let provider = provider();
    let verifier = Arc::new(AnyEd25519 { signatures: Signatures::of(provider.clone()) });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| LinkError::Tls(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A dialer shows its key each time, so there is nothing to resume.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The key that a dialer showed.
pub(crate) fn peer_key(chain: Option<&[CertificateDer<'_>]>) -> Option<PeerKey> {
    PeerKey::of_certificate(chain?.first()?)
}

/// Takes every certificate with an Ed25519 key whose holder signs the handshake.
#[derive(Debug)]
struct AnyEd25519 {
    signatures: Signatures,
}

impl ClientCertVerifier for AnyEd25519 {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match PeerKey::of_certificate(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("a link speaks TLS 1.3".into()))
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
