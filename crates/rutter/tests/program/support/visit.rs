//! Somebody with a browser.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A client that believes one CA, and reaches every name at one address.
pub(crate) fn visitor(ca: Option<&str>) -> reqwest::Client {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default().as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a CA");
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

/// Asks until the gateway has heard of the name: what is registered is on its way to the gateway
/// when the agent is told so.
pub(crate) async fn served(gateway: SocketAddr, host: &str) -> (u16, String) {
    let until = Instant::now() + super::PATIENCE;
    loop {
        let answer = get(gateway, host).await;
        if answer.0 != 404 || Instant::now() > until {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Asks until the gateway has forgotten the name.
pub(crate) async fn unserved(gateway: SocketAddr, host: &str) {
    let until = Instant::now() + super::PATIENCE;
    while get(gateway, host).await.0 != 404 {
        assert!(Instant::now() < until, "{host} is still served");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One request for a host at a gateway: status and body.
pub(crate) async fn get(gateway: SocketAddr, host: &str) -> (u16, String) {
    let request = visitor(None).get(format!("http://{gateway}/")).header("host", host);
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}
