//! A CA's look at a gateway: whether a name is proven there.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;

use crate::testing::RawClient;

/// Where every name leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gateway {
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
}

/// RFC 8555 8.3.
pub(super) async fn http(
    gateway: Gateway,
    name: &str,
    token: &str,
    authorization: &str,
) -> Result<(), String> {
    let stream = TcpStream::connect(gateway.plain).await.map_err(|e| e.to_string())?;
    let ask = format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\n\r\n");
    let answer = RawClient::new(stream).ask(&ask).await;
    match (answer.status(), answer.text()) {
        (200, text) if text == authorization => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    }
}

/// RFC 8737 3.
pub(super) async fn tls(gateway: Gateway, name: &str, authorization: &str) -> Result<(), String> {
    let mut config = rustls::ClientConfig::builder_with_provider(crate::server::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(crate::server::provider())))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(gateway.tls).await.map_err(|e| e.to_string())?;
    let server = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await;
    let stream = stream.map_err(|e| e.to_string())?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("another protocol".to_owned());
    }
    let leaf = session.peer_certificates().unwrap()[0].clone();
    let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).unwrap();
    let names = &leaf.subject_alternative_name().unwrap().unwrap().value.general_names;
    if names.as_slice() != [GeneralName::DNSName(name)] {
        return Err(format!("a certificate for {names:?}"));
    }
    let hash = digest(&SHA256, authorization.as_bytes());
    let want = [&[4, 32], hash.as_ref()].concat();
    let is_it = |e: &x509_parser::extensions::X509Extension<'_>| {
        e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31" && e.critical && e.value == want
    };
    match leaf.extensions().iter().any(is_it) {
        true => Ok(()),
        false => Err("no acmeIdentifier, or another".to_owned()),
    }
}

/// Takes any certificate, as a CA that has yet to sign one must.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.2 is not offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        // By the bare key: webpki reads no certificate whose critical extensions it doesn't know.
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).unwrap();
        let key = leaf.public_key().raw.into();
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
