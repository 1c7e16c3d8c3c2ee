//! Certificates for tests: a CA, and what it signs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::CertificateFiles;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    chain_pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let signed = params.self_signed(&key).unwrap();
        let (certificate, certificate_pem) = (signed.der().clone(), signed.pem());
        Self { issuer: Issuer::new(params, key), certificate, certificate_pem }
    }

    /// A certificate for these names.
    pub(crate) fn sign(&self, names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: signed.der().clone(), chain_pem: signed.pem(), key }
    }

    /// What a request asks for, good for 90 days from yesterday: the chain in PEM.
    pub(crate) fn sign_request(&self, request: &CertificateSigningRequestParams) -> String {
        let now = time::OffsetDateTime::now_utc();
        let mut params = request.params.clone();
        (params.not_before, params.not_after) =
            (now - time::Duration::days(1), now + time::Duration::days(89));
        let public_key = request.public_key.clone();
        let request = CertificateSigningRequestParams { params, public_key };
        format!("{}{}", request.signed_by(&self.issuer).unwrap().pem(), self.certificate_pem)
    }

    /// A key and its certificate in PEM, `age` seconds old and with `left` to go.
    pub(crate) fn sign_aged(&self, names: &[&str], age: i64, left: i64) -> String {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let now = time::OffsetDateTime::now_utc();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) =
            (now - time::Duration::seconds(age), now + time::Duration::seconds(left));
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", key.serialize_pem(), signed.pem())
    }

    /// A client that trusts this authority and no other.
    pub(crate) fn connector(&self) -> TlsConnector {
        self.connector_with_alpn(&[])
    }

    /// The same, offering these protocols.
    pub(crate) fn connector_with_alpn(&self, offered: &[&str]) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(crate::server::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

impl Identity {
    /// One that signed itself, and says that it is a CA, as `openssl req -x509` makes it.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let signed = params.self_signed(&key).unwrap();
        Self { certificate: signed.der().clone(), chain_pem: signed.pem(), key }
    }

    /// A TLS server with it.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(self.server(rustls::ALL_VERSIONS, None)))
    }

    /// One that offers these protocols.
    pub(crate) fn acceptor_with_alpn(&self, offered: &[&str]) -> TlsAcceptor {
        let mut config = self.server(rustls::ALL_VERSIONS, None);
        config.alpn_protocols = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// What a TLS server is made with: it speaks these versions, and asks for a certificate of that
    /// authority if there is one.
    pub(crate) fn server(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> rustls::ServerConfig {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = rustls::ServerConfig::builder_with_provider(crate::server::provider())
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.certificate.clone()).unwrap();
                let provider = crate::server::provider();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    roots.into(),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        builder.with_single_cert(vec![self.certificate.clone()], key).unwrap()
    }

    /// The chain and its key.
    pub(crate) fn into_parts(self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        (vec![self.certificate], key)
    }

    /// Writes it as the gateway reads it.
    pub(crate) fn write(&self, to: &std::path::Path) -> CertificateFiles {
        let files = CertificateFiles { chain: to.join("chain.pem"), key: to.join("key.pem") };
        std::fs::write(&files.chain, &self.chain_pem).unwrap();
        std::fs::write(&files.key, self.key.serialize_pem()).unwrap();
        files
    }
}
