//! Whom to trust behind `https`.
//!
//! A certificate is good if
//! - it chains to a public root and is valid for the name that was asked for, or
//! - it chains to the controller's CA and is valid for **the service's own name**. That CA signs
//!   for every owner, so a certificate of it proves nothing but "some user"; bound to the service
//!   the route belongs to, which only its owner may announce, it proves the owner. A route's own
//!   words (its TLS name) are not listened to here.
//!
//! There is no way to switch verification off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rutter_link::Signatures;
use rutter_route::ServiceName;

use crate::error::GatewayError;

/// How many services' TLS configurations are kept; at more, all are made again.
const MAX_CONFIGS: usize = 4096;

/// The roots against which upstream certificates are verified.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The system's.
    System,
    /// These and no others.
    Only(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// As rustls wants them.
    pub(crate) fn store(&self) -> Result<RootCertStore, GatewayError> {
        let mut store = RootCertStore::empty();
        match self {
            Self::Only(certificates) => add(&mut store, certificates)?,
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "a system root certificate can't be read");
                }
                store.add_parsable_certificates(found.certs);
            }
        }
        Ok(store)
    }
}

/// Makes the TLS configuration for a service's upstreams.
#[derive(Debug)]
pub(super) struct TlsClients {
    provider: Arc<CryptoProvider>,
    public: Option<Arc<WebPkiServerVerifier>>,
    controller: ArcSwapOption<WebPkiServerVerifier>,
    by_service: Mutex<HashMap<ServiceName, Arc<ClientConfig>>>,
}

impl TlsClients {
    pub(super) fn new(
        roots: &Roots,
        controller_ca: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, GatewayError> {
        let clients = Self {
            public: verifier(roots.store()?, &provider)?,
            controller: ArcSwapOption::empty(),
            provider,
            by_service: Mutex::new(HashMap::new()),
        };
        clients.set_controller_ca(controller_ca)?;
        Ok(clients)
    }

    /// Trusts these as the controller's from now on; connections that are open stay.
    pub(super) fn set_controller_ca(
        &self,
        controller_ca: &[CertificateDer<'static>],
    ) -> Result<(), GatewayError> {
        let mut controller = RootCertStore::empty();
        add(&mut controller, controller_ca)?;
        let verifier = verifier(controller, &self.provider)?;
        let mut known = self.by_service.lock().unwrap_or_else(PoisonError::into_inner);
        self.controller.store(verifier);
        known.clear();
        Ok(())
    }

    /// The configuration for upstreams of that service.
    pub(super) fn for_service(
        &self,
        service: &ServiceName,
    ) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut known = self.by_service.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(service) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(service)?);
        if known.len() >= MAX_CONFIGS {
            known.clear();
        }
        known.insert(service.clone(), config.clone());
        Ok(config)
    }

    fn make(&self, service: &ServiceName) -> Result<ClientConfig, rustls::Error> {
        let own_name = ServerName::try_from(service.as_str().to_owned())
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        let verifier = Verifier {
            public: self.public.clone(),
            controller: self.controller.load_full().map(|c| (c, own_name)),
            signatures: Signatures::of(self.provider.clone()),
        };
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            // "Dangerous" since a verifier of one's own may verify nothing; ours asks webpki.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn add(
    store: &mut RootCertStore,
    certificates: &[CertificateDer<'static>],
) -> Result<(), GatewayError> {
    for certificate in certificates {
        store.add(certificate.clone()).map_err(GatewayError::BadRoot)?;
    }
    Ok(())
}

fn verifier(
    store: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, GatewayError> {
    if store.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
    built.build().map(Some).map_err(|e| GatewayError::Roots(e.to_string()))
}

#[derive(Debug)]
struct Verifier {
    public: Option<Arc<WebPkiServerVerifier>>,
    controller: Option<(Arc<WebPkiServerVerifier>, ServerName<'static>)>,
    signatures: Signatures,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let check = |by: &WebPkiServerVerifier, name: &ServerName<'_>| {
            by.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let public = match &self.public {
            Some(public) => check(public, server_name),
            None => Err(unknown.clone()),
        };
        match (public, &self.controller) {
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
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
