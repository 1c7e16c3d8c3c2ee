//! A certificate with its key, as it is kept: one PEM file, the key first.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::OrderError;
use super::schedule::Validity;

/// A certificate that can be served.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: HashSet<String>,
    pub(super) validity: Validity,
}

impl Issued {
    /// Reads one. A key of another certificate is refused.
    pub(super) fn read(pem: &[u8]) -> Result<Self, OrderError> {
        let none = |_| OrderError::NotAsOrdered("it is not in PEM form");
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(none)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(none)?;
        let key = CertifiedKey::from_der(chain, key, &crate::server::provider())?;
        let leaf = key.cert.first().ok_or(OrderError::NotAsOrdered("it is empty"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| OrderError::NotAsOrdered("it is not X.509"))?;
        let seconds = |t: x509_parser::time::ASN1Time| u64::try_from(t.timestamp()).unwrap_or(0);
        let validity = Validity {
            not_before: seconds(parsed.validity().not_before),
            not_after: seconds(parsed.validity().not_after),
        };
        let names = crate::server::names(&key).into_iter().collect();
        Ok(Self { key: Arc::new(key), names, validity })
    }

    /// Whether it is for all of these.
    pub(super) fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }
}
