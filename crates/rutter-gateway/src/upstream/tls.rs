//! Whom to trust behind `https`.
//!
//! A certificate is good if
//! - it chains to a public root and is valid for the name that was asked for, or
//! - it chains to the controller's CA and is valid for **the service's own name**. That CA signs
//!   for every owner, so a certificate of it proves nothing but "some user"; bound to the service
//!   the route belongs to, which only its owner may announce, it proves the owner. A route's own
//!   words (its TLS name) are not listened to here.
//!
//! A route may name other roots (its own file, *instead of* these), a certificate to show, versions
//! of TLS, or say `no_tls_verify`: then, and only then, any certificate is taken. What a file says
//! is [`super::credentials`]'. Configurations are kept by service and by what the route says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rutter_link::Signatures;
use rutter_route::{ServiceName, TlsVersion, UpstreamOptions};
use tokio::time::Instant;

use super::credentials::{BadFile, Files, RECHECK};
use super::target::{Profile, TlsName};
use super::verify::{Trust, Verifier};
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

/// Why TLS can't even be begun.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TlsSetUpError {
    /// A file that the route names.
    #[error(transparent)]
    File(#[from] BadFile),
    /// The route wants only versions that nobody should speak any more.
    #[error("TLS 1.0 and 1.1 are not spoken: tls_versions leaves none")]
    Versions,
    /// TLS can't be configured so.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Makes the TLS configurations for services' upstreams.
#[derive(Debug)]
pub(super) struct TlsClients {
    provider: Arc<CryptoProvider>,
    public: Option<Arc<WebPkiServerVerifier>>,
    controller: ArcSwapOption<WebPkiServerVerifier>,
    known: Mutex<HashMap<Key, Made>>,
    /// What couldn't be made, and when that was found.
    bad: Mutex<HashMap<Key, (Instant, TlsSetUpError)>>,
}

/// What a configuration depends on: the service, what the route says, and whether HTTP/2 is offered.
type Key = (ServiceName, Option<Profile>, bool);

/// A configuration, and what it was made from.
#[derive(Debug, Clone)]
struct Made {
    config: Arc<ClientConfig>,
    files: Arc<Files>,
    /// When the files were last looked at.
    looked: Instant,
}

impl Made {
    fn new(config: ClientConfig, files: Files) -> Self {
        Self { config: config.into(), files: files.into(), looked: Instant::now() }
    }
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
            known: Mutex::default(),
            bad: Mutex::default(),
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
        let mut known = self.known();
        self.controller.store(verifier);
        known.clear();
        Ok(())
    }

    /// The configuration for connections under that name, by the files as they are now.
    ///
    /// # Errors
    /// Files that were never good, or options that can't be met.
    pub(super) async fn config(&self, tls: &TlsName) -> Result<Arc<ClientConfig>, TlsSetUpError> {
        let key = (tls.service.clone(), tls.profile.clone(), tls.http1_only);
        let files = match tls.profile.as_ref().filter(|p| p.has_files()) {
            None => Ok(Files::default()),
            Some(profile) => match self.lately(&key) {
                Some(said) => return said,
                None => read(profile).await,
            },
        };
        // Under the lock to the end: what is made of a controller's CA is never put in after
        // another has taken its place.
        let mut known = self.known();
        let made = known.get(&key);
        let new = match (files, made) {
            (Ok(files), Some(made)) if *made.files == files => Ok(made.clone()),
            (Ok(files), _) => self.make(tls, &files).map(|config| Made::new(config, files)),
            (Err(error), _) => Err(error.into()),
        };
        let new = match (new, made) {
            (Ok(new), _) => new,
            (Err(error), Some(made)) => {
                tracing::warn!(service = %key.0, %error, "what was read before goes on for an upstream");
                made.clone()
            }
            (Err(error), None) => {
                self.note_bad(key, &error);
                return Err(error);
            }
        };
        if known.len() >= MAX_CONFIGS && !known.contains_key(&key) {
            known.clear();
        }
        let config = new.config.clone();
        known.insert(key, Made { looked: Instant::now(), ..new });
        Ok(config)
    }

    /// What was found when the files were looked at a moment ago.
    fn lately(&self, key: &Key) -> Option<Result<Arc<ClientConfig>, TlsSetUpError>> {
        if let Some(made) = self.known().get(key) {
            return (made.looked.elapsed() < RECHECK).then(|| Ok(made.config.clone()));
        }
        let bad = self.bad();
        let (at, error) = bad.get(key)?;
        (at.elapsed() < RECHECK).then(|| Err(error.clone()))
    }

    /// Tells the operator, once, and who asks in the next moment.
    fn note_bad(&self, key: Key, error: &TlsSetUpError) {
        let mut bad = self.bad();
        let text = error.to_string();
        if bad.get(&key).is_none_or(|(_, before)| before.to_string() != text) {
            tracing::warn!(service = %key.0, %error, "no TLS with an upstream");
        }
        if bad.len() >= MAX_CONFIGS {
            bad.clear();
        }
        bad.insert(key, (Instant::now(), error.clone()));
    }

    fn bad(&self) -> MutexGuard<'_, HashMap<Key, (Instant, TlsSetUpError)>> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Made>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, tls: &TlsName, files: &Files) -> Result<ClientConfig, TlsSetUpError> {
        let profile = tls.profile.as_ref();
        let options = profile.map(Profile::options);
        let verifier = Verifier {
            trust: self.trust(&tls.service, options, files)?,
            signatures: Signatures::of(self.provider.clone()),
        };
        let versions = versions(options)?;
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&versions)?
            // "Dangerous" since a verifier of one's own may verify nothing; what ours does the
            // route says, and the default asks webpki.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match files.client()? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| BadFile::new(&files.client_path(), e))?,
        };
        config.enable_sni = profile.is_none_or(Profile::asks_for_name);
        config.alpn_protocols = match tls.http1_only {
            true => vec![b"http/1.1".to_vec()],
            false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(config)
    }

    fn trust(
        &self,
        service: &ServiceName,
        options: Option<&UpstreamOptions>,
        files: &Files,
    ) -> Result<Trust, TlsSetUpError> {
        if options.is_some_and(|options| options.no_tls_verify) {
            return Ok(Trust::Anybody);
        }
        if let Some(certificates) = files.trusted()? {
            let only = Trust::only(certificates, &self.provider);
            let path = options.and_then(|o| o.trusted_certificate.clone()).unwrap_or_default();
            return Ok(only.map_err(|e| BadFile::new(&path, e))?);
        }
        let own_name = ServerName::try_from(service.as_str().to_owned())
            .map_err(|e| rustls::Error::General(e.to_string()))?;
        Ok(Trust::Roots {
            public: self.public.clone(),
            controller: self.controller.load_full().map(|c| (c, own_name)),
        })
    }
}

async fn read(profile: &Profile) -> Result<Files, BadFile> {
    let options = profile.options().clone();
    match tokio::task::spawn_blocking(move || Files::read(&options)).await {
        Ok(files) => files,
        Err(error) => Err(BadFile::new(&Default::default(), error)),
    }
}

/// The versions between those that the route names, of those that are spoken.
fn versions(
    options: Option<&UpstreamOptions>,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsSetUpError> {
    let range = options.and_then(|o| o.tls_versions);
    let (low, high) = range.unwrap_or((TlsVersion::V1_0, TlsVersion::V1_3));
    let spoken =
        [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)];
    let within = spoken.into_iter().filter(|(version, _)| (low..=high).contains(version));
    let versions: Vec<_> = within.map(|(_, version)| version).collect();
    if versions.is_empty() { Err(TlsSetUpError::Versions) } else { Ok(versions) }
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
