//! TLS between gateways of neighbours: both ends show a certificate around a key of their cluster.
//!
//! Nothing of such a certificate counts but its key, which the handshake proves, and whose key it is
//! the fabric says at that moment: so a key is revoked by forgetting it, and a rotation needs no
//! certificate of anybody else. TLS 1.3 only, and nothing is resumed, since a ticket would outlive
//! its key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error, ServerConfig, SignatureScheme};
use rutter_link::{KeyVerifier, PeerKey};
use rutter_route::ClusterId;

use super::Clusters;
use crate::server::provider;

/// The name in the handshake: there is none to be looked up, and SNI is off.
const NAME: &str = "neighbour.invalid";

/// How many neighbours' configurations are kept; at more, all are made again.
const MAX_CONFIGS: usize = 1024;

/// What the listener of neighbours speaks.
///
/// # Errors
/// The provider has no TLS 1.3, which it has.
pub(crate) fn server_config(clusters: &Arc<dyn Clusters>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(takes(clusters, None))
        .with_cert_resolver(Arc::new(Shows(clusters.clone())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The key that a client showed.
pub(crate) fn shown(chain: Option<&[CertificateDer<'_>]>) -> Option<PeerKey> {
    PeerKey::of_certificate(chain?.first()?)
}

/// What connections to neighbours are made with.
#[derive(Debug)]
pub(crate) struct Dialling {
    clusters: Arc<dyn Clusters>,
    known: Mutex<Known>,
}

/// By neighbour, and whether HTTP/1.1 alone is offered; of one epoch.
#[derive(Debug, Default)]
struct Known {
    epoch: u64,
    configs: HashMap<(ClusterId, bool), Arc<ClientConfig>>,
}

impl Dialling {
    pub(crate) fn new(clusters: Arc<dyn Clusters>) -> Self {
        Self { clusters, known: Mutex::default() }
    }

    /// The configuration for a neighbour. It is the same for as long as no key changes.
    ///
    /// # Errors
    /// The provider has no TLS 1.3, which it has.
    pub(crate) fn config(
        &self,
        neighbour: &ClusterId,
        http1_only: bool,
    ) -> Result<Arc<ClientConfig>, Error> {
        let epoch = self.clusters.epoch();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.epoch != epoch || known.configs.len() >= MAX_CONFIGS {
            *known = Known { epoch, configs: HashMap::new() };
        }
        let key = (neighbour.clone(), http1_only);
        if let Some(config) = known.configs.get(&key) {
            return Ok(config.clone());
        }
        let config = Arc::new(client_config(&self.clusters, neighbour, http1_only)?);
        known.configs.insert(key, config.clone());
        Ok(config)
    }

    /// The name that a handshake is begun with.
    pub(crate) fn name() -> Option<ServerName<'static>> {
        ServerName::try_from(NAME).ok()
    }
}

fn client_config(
    clusters: &Arc<dyn Clusters>,
    neighbour: &ClusterId,
    http1_only: bool,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        // "Dangerous" since a verifier of one's own may verify nothing; ours asks for the key.
        .dangerous()
        .with_custom_certificate_verifier(takes(clusters, Some(neighbour.clone())))
        .with_client_cert_resolver(Arc::new(Shows(clusters.clone())));
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match http1_only {
        true => vec![b"http/1.1".to_vec()],
        false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(config)
}

/// Takes a neighbour's key: of the one that is wanted, or of any.
fn takes(clusters: &Arc<dyn Clusters>, wanted: Option<ClusterId>) -> Arc<KeyVerifier> {
    let clusters = clusters.clone();
    Arc::new(KeyVerifier::new(move |key| match (clusters.neighbour_of(key), &wanted) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(is), Some(wanted)) => is == *wanted,
    }))
}

/// Shows this cluster's key, as it is at each handshake.
#[derive(Debug)]
struct Shows(Arc<dyn Clusters>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.identity()
    }
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.identity()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
