//! Which certificate of an upstream is good.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rutter_link::Signatures;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whom to believe.
#[derive(Debug)]
pub(super) enum Trust {
    /// Public roots for the name that was asked for, or the controller's CA for the service's own.
    Roots {
        public: Option<Arc<WebPkiServerVerifier>>,
        controller: Option<(Arc<WebPkiServerVerifier>, ServerName<'static>)>,
    },
    /// Those in a file and nobody else.
    Only { roots: Arc<WebPkiServerVerifier>, certificates: Vec<CertificateDer<'static>> },
    /// Whoever answers: the route says so.
    Anybody,
}

impl Trust {
    /// These certificates and nobody else.
    ///
    /// # Errors
    /// One of them is none, or can't be a root.
    pub(super) fn only(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone())?;
        }
        let built = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone());
        let roots = built.build().map_err(|e| Error::General(e.to_string()))?;
        Ok(Self::Only { roots, certificates })
    }
}

/// Verifies an upstream's certificate; signatures are always checked.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) signatures: Signatures,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check = |by: &WebPkiServerVerifier, name: &ServerName<'_>| {
            by.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        let (public, controller) = match &self.trust {
            Trust::Anybody => return Ok(ServerCertVerified::assertion()),
            Trust::Only { certificates, .. } if certificates.iter().any(|c| c == end_entity) => {
                return is_itself_trusted(end_entity, server_name, now);
            }
            Trust::Only { roots, .. } => return check(roots, server_name),
            Trust::Roots { public, controller } => (public, controller),
        };
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let public = match public {
            Some(public) => check(public, server_name),
            None => Err(unknown.clone()),
        };
        match (public, controller) {
            (Err(public), Some((controller, own_name))) => {
                // Of two errors the one that isn't "unknown issuer" says more.
                check(controller, own_name).map_err(|e| if e == unknown { public } else { e })
            }
            (public, _) => public,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12(message, certificate, signature)
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
        self.signatures.schemes()
    }
}

/// A server's own certificate that is in the file of those to trust: the usual case of one that
/// signed itself, which webpki takes for no server's since it says that it is a CA's. Its name and
/// its time must still be right.
fn is_itself_trusted(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| bad())?;
    let now = i64::try_from(now.as_secs()).map_err(|_| bad())?;
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(ServerCertVerified::assertion())
}
