//! Certificates of a CA of our own, signed when people ask for a name.
//!
//! A controller's CA signs one certificate for its listeners, with the domain in it. The services'
//! names lie below that (`alice.DOMAIN`, `web.alice.DOMAIN`), where no one certificate covers them:
//! a wildcard is good for one label. So the gateway that stands beside the CA has one signed for a
//! name when it is first asked for by SNI.
//!
//! **For which names.** Those under a domain of the gateway that lead to a service in the host
//! index now, and no others: whoever connects chooses the name, and a certificate of this CA says
//! that the name is ours. A service's own name and the labels directly below it share one
//! certificate (`alice.DOMAIN`, `*.alice.DOMAIN`), so it isn't strangers who choose how many there
//! are. Other names that lead to it (`web-alice.DOMAIN`, `a.b.alice.DOMAIN`) get one each.
//!
//! **Where.** In the handshake, on its thread. Measured in a release build: 70 µs, of which the key
//! is 30, signing 20 and reading it back 20; the handshake's own signature is 17.
//! (`a_signature_is_cheap` prints the first for the build at hand.) Rejected: a thread for it, which
//! the handshake would wait for all the same.
//!
//! **Bounds.** [`CAPACITY`] certificates of about 3 KiB each are kept; of more the one that was
//! longest not asked for goes, and is signed again when it is. A name is signed by one handshake
//! at a time; others that want it wait for that one, and those for other names don't.
//!
//! **Renewal.** One that is due is signed anew by the next handshake that asks for it. If that
//! fails the old one stays until its end; without any, the listener's certificate is shown, as for
//! every name that isn't known.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rutter_route::{ServiceName, Wall};

use crate::index::HostIndex;

/// How many certificates are kept.
const CAPACITY: usize = 1024;

/// A CA, wherever its key lies.
pub trait SignsNames: fmt::Debug + Send + Sync {
    /// A certificate for these names, each perhaps beginning with `*.`, with a new key.
    ///
    /// # Errors
    /// The CA can't or won't.
    fn sign(&self, now: Wall, names: &[&str]) -> Result<SignedNames, SigningError>;
}

/// Why a certificate wasn't signed.
pub type SigningError = Box<dyn std::error::Error + Send + Sync>;

/// A certificate and its key.
#[derive(Debug)]
pub struct SignedNames {
    /// The chain, the names' own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
    /// From when on another should be signed.
    pub renew_at: Wall,
    /// When it ends.
    pub not_after: Wall,
}

/// The CA's certificates by name; see the module's head.
#[derive(Debug)]
pub(crate) struct OwnCa {
    signer: Arc<dyn SignsNames>,
    index: Arc<HostIndex>,
    /// The domains, each with its leading dot.
    suffixes: Vec<String>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the last name of each, which no two share.
    by_name: HashMap<String, Place, RandomState>,
    /// How often any was asked for.
    n_asked: u64,
}

/// A certificate's place, which is there before it is signed.
#[derive(Debug)]
struct Place {
    /// `n_asked` when it was last asked for.
    last_asked: u64,
    signed: Arc<Mutex<Option<Signed>>>,
}

#[derive(Debug)]
struct Signed {
    key: Arc<CertifiedKey>,
    renew_at: Wall,
    not_after: Wall,
}

impl OwnCa {
    pub(crate) fn new(
        signer: Arc<dyn SignsNames>,
        index: Arc<HostIndex>,
        domains: &[ServiceName],
    ) -> Self {
        let suffixes = domains.iter().map(|domain| format!(".{domain}")).collect();
        Self { signer, index, suffixes, kept: Mutex::default() }
    }

    /// The certificate for a name, in lower case, if it is one that is signed for.
    pub(crate) fn certificate_for(&self, name: &str, now: Wall) -> Option<Arc<CertifiedKey>> {
        let is_under = |suffix: &String| name.len() > suffix.len() && name.ends_with(suffix);
        if !self.suffixes.iter().any(is_under) {
            return None;
        }
        let found = self.index.find(name)?;
        let service = found.service.name.as_str();
        let below = name.split_once('.').is_some_and(|(_, parent)| parent == service);
        let first = if below { service } else { name };
        let wildcard = (first == service).then(|| format!("*.{service}"));
        let place = self.place(wildcard.as_deref().unwrap_or(first));
        let mut signed = held(&place);
        if signed.as_ref().is_none_or(|signed| now >= signed.renew_at) {
            let names: Vec<&str> = std::iter::once(first).chain(wildcard.as_deref()).collect();
            match self.sign(now, &names) {
                Ok(fresh) => *signed = Some(fresh),
                // At no higher level: whoever connects could fill the log. A CA that has ended is
                // told where the listeners' certificate is renewed.
                Err(error) => tracing::debug!(name, %error, "no certificate is signed for a name"),
            }
        }
        signed.as_ref().filter(|signed| now < signed.not_after).map(|signed| signed.key.clone())
    }

    fn sign(&self, now: Wall, names: &[&str]) -> Result<Signed, SigningError> {
        let SignedNames { chain, key, renew_at, not_after } = self.signer.sign(now, names)?;
        let key = CertifiedKey::from_der(chain, key, &crate::server::provider())?;
        Ok(Signed { key: Arc::new(key), renew_at, not_after })
    }

    /// The place of the certificate whose last name that is. Who has it keeps it, also when it
    /// has to make room.
    fn place(&self, last: &str) -> Arc<Mutex<Option<Signed>>> {
        let mut kept = held(&self.kept);
        kept.n_asked += 1;
        let last_asked = kept.n_asked;
        if let Some(place) = kept.by_name.get_mut(last) {
            place.last_asked = last_asked;
            return place.signed.clone();
        }
        if kept.by_name.len() >= CAPACITY {
            // Looked for only when one is signed, which takes longer than this.
            let oldest = kept.by_name.iter().min_by_key(|(_, place)| place.last_asked);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                kept.by_name.remove(&oldest);
            }
        }
        let signed = Arc::default();
        let place = Place { last_asked, signed: Arc::clone(&signed) };
        kept.by_name.insert(last.to_owned(), place);
        signed
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
