//! TLS of probes: our certificate is shown, theirs is not judged.
//!
//! A probe carries nothing that anybody may not see, and the original takes a bad certificate for
//! well; so nothing is verified here, and only here. Requests go another way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, SupportedProtocolVersion};
use rutter_route::{TlsServerName, TlsVersion, UpstreamOptions};
use smol_str::SmolStr;

use crate::tls::Anybody;

/// How many configurations are kept; at more, all are made again.
const MAX_CONFIGS: usize = 1024;

/// The largest file of a certificate or key that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Configurations by what differs between them.
#[derive(Debug, Default)]
pub(super) struct TlsConfigs {
    known: Mutex<HashMap<Key, Arc<ClientConfig>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    asks_for_name: bool,
    versions: Option<(TlsVersion, TlsVersion)>,
    client: Option<[File; 2]>,
}

/// A file as it was: one that changed is read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct File {
    path: SmolStr,
    length: u64,
    modified: Option<SystemTime>,
}

impl TlsConfigs {
    /// The configuration for these options; files are looked at on a thread for that.
    ///
    /// # Errors
    /// Why there can be none: a file can't be read, the key isn't the certificate's, or no version
    /// of TLS is left.
    pub(super) async fn get(
        self: &Arc<Self>,
        options: &UpstreamOptions,
    ) -> Result<Arc<ClientConfig>, String> {
        if options.client_certificate.is_none() {
            return self.of(options);
        }
        let (configs, options) = (self.clone(), options.clone());
        let made = tokio::task::spawn_blocking(move || configs.of(&options)).await;
        made.map_err(|error| error.to_string())?
    }

    fn of(&self, options: &UpstreamOptions) -> Result<Arc<ClientConfig>, String> {
        let key = Key::of(options)?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(config) = known {
            return Ok(config);
        }
        let config = Arc::new(make(&key)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_CONFIGS {
            known.clear();
        }
        known.insert(key, config.clone());
        Ok(config)
    }
}

impl Key {
    fn of(options: &UpstreamOptions) -> Result<Self, String> {
        let client = match &options.client_certificate {
            Some((chain, key)) => Some([File::of(chain)?, File::of(key)?]),
            None => None,
        };
        let asks_for_name = options.server_name != TlsServerName::Off;
        Ok(Self { asks_for_name, versions: options.tls_versions, client })
    }
}

impl File {
    fn of(path: &SmolStr) -> Result<Self, String> {
        let is = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
        if !is.is_file() || is.len() > MAX_FILE {
            return Err(format!("{path}: expected a file of at most {MAX_FILE} bytes"));
        }
        Ok(Self { path: path.clone(), length: is.len(), modified: is.modified().ok() })
    }
}

fn make(key: &Key) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(key.versions)?)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let mut config = match &key.client {
        None => config.with_no_client_auth(),
        Some([chain, key]) => {
            let (certificates, key) = (read_chain(&chain.path)?, read_key(&key.path)?);
            let config = config.with_client_auth_cert(certificates, key);
            config.map_err(|error| format!("{}: {error}", chain.path))?
        }
    };
    config.enable_sni = key.asks_for_name;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Those of the versions that there are here.
fn versions(
    written: Option<(TlsVersion, TlsVersion)>,
) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let (lowest, highest) = written.unwrap_or((TlsVersion::V1_2, TlsVersion::V1_3));
    let all =
        [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)];
    let fits = |version: &TlsVersion| (lowest..=highest).contains(version);
    let versions: Vec<_> = all.into_iter().filter(|(v, _)| fits(v)).map(|(_, v)| v).collect();
    match versions.is_empty() {
        true => Err("TLS before 1.2 isn't spoken".to_owned()),
        false => Ok(versions),
    }
}

fn read_chain(path: &SmolStr) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(Path::new(path.as_str())).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|error| format!("{path}: {error}"))?;
    match chain.is_empty() {
        true => Err(format!("{path}: there is no certificate in it")),
        false => Ok(chain),
    }
}

fn read_key(path: &SmolStr) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(Path::new(path.as_str())).map_err(|e| format!("{path}: {e}"))
}
