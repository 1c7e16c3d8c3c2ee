//! The certificates of one TLS listener: chosen by the name that a client asks for, and read again
//! when their files change.
//!
//! **Which one.** By the server name of the handshake (RFC 6066 3): ACME's if it names it, else a
//! certificate of files that does, else one whose wildcard covers it (one label, RFC 6125 6.4.3), else
//! one that our own CA signs for it ([`crate::own_ca`]), else the first. Names are those in the
//! certificates themselves, so they can't differ from what is configured.
//!
//! **Changes.** Every [`LOOK`] the files are looked at: time, size and inode, so that renaming a new
//! pair into place is seen as well as writing over. All are read and checked before one is taken. A
//! pair that doesn't belong together (its key may simply not be written yet) or can't be read leaves
//! what was there, is told once, and is tried again when the files have changed again. Rejected:
//! inotify, which sees nothing on network file systems and needs one watch a directory; a file is
//! looked at in microseconds.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rutter_book::{Clock, SystemClock};

use super::tls::{self, Configs};
use crate::acme::{ACME_TLS, Served};
use crate::config::CertificateFiles;
use crate::error::GatewayError;
use crate::mtls::Profiles;
use crate::own_ca::OwnCa;

/// How often files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// Where a listener's certificates come from beside its files.
#[derive(Debug, Clone)]
pub(super) struct Issuers {
    pub(super) acme: Arc<Served>,
    /// `None`: none are signed for this listener.
    pub(super) own_ca: Option<Arc<OwnCa>>,
    /// Whose certificates clients may have to show.
    pub(super) profiles: Profiles,
}

/// Certificates by their names.
#[derive(Debug)]
pub(super) struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
    issuers: Issuers,
}

impl ByName {
    pub(super) fn new(
        first: Arc<CertifiedKey>,
        more: Vec<Arc<CertifiedKey>>,
        issuers: Issuers,
    ) -> Self {
        let (exact, wildcard) = (HashMap::new(), HashMap::new());
        let mut by_name = Self { exact, wildcard, first, issuers };
        for key in std::iter::once(by_name.first.clone()).chain(more) {
            for name in names(&key) {
                // Of two certificates for one name the earlier counts.
                match name.strip_prefix("*.") {
                    Some(parent) => {
                        by_name.wildcard.entry(parent.to_owned()).or_insert_with(|| key.clone())
                    }
                    None => by_name.exact.entry(name).or_insert_with(|| key.clone()),
                };
            }
        }
        by_name
    }

    fn find(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return self.first.clone() };
        if let Some(key) = self.issuers.acme.certificate_for(&name) {
            return key;
        }
        let exact = self.exact.get(&name);
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        if let Some(key) = exact.or_else(parent) {
            return key.clone();
        }
        let own_ca = self.issuers.own_ca.as_ref();
        let signed = own_ca.and_then(|ca| ca.certificate_for(&name, SystemClock.now().wall));
        signed.unwrap_or_else(|| self.first.clone())
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A CA that validates offers this and nothing else (RFC 8737 3); nobody else gets a proof.
        let mut offered = hello.alpn().into_iter().flatten();
        if offered.next() == Some(ACME_TLS) && offered.next().is_none() {
            return self.issuers.acme.proof_of(&hello.server_name()?.to_ascii_lowercase());
        }
        Some(self.find(hello.server_name()))
    }
}

/// The DNS names that a certificate is for, in lower case.
pub(crate) fn names(key: &CertifiedKey) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Some(leaf) = key.cert.first() else { return Vec::new() };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else { return Vec::new() };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return Vec::new() };
    let all = alternatives.value.general_names.iter();
    let dns = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}

/// What tells one state of a file from the next; `None`: it can't be looked at.
type Stamp = Option<(i64, i64, u64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let of = |m: Metadata| (m.mtime(), m.mtime_nsec(), m.size(), m.ino());
    // Why it can't be looked at is told when it is read.
    std::fs::metadata(path).ok().map(of)
}

/// A listener's TLS, and the files that it comes from.
#[derive(Debug)]
pub(crate) struct Certificates {
    configs: ArcSwap<Configs>,
    /// With the files that it was made from.
    from: Mutex<(Files, Issuers)>,
}

#[derive(Debug)]
struct Files {
    pairs: Vec<CertificateFiles>,
    stamps: Vec<Stamp>,
}

impl Files {
    fn new(pairs: Vec<CertificateFiles>) -> Self {
        let mut files = Self { pairs, stamps: Vec::new() };
        files.stamps = files.look();
        files
    }

    fn look(&self) -> Vec<Stamp> {
        self.pairs.iter().flat_map(|pair| [stamp(&pair.chain), stamp(&pair.key)]).collect()
    }
}

/// Certificates that were read and not taken yet.
#[derive(Debug)]
pub(super) struct Fresh {
    configs: Arc<Configs>,
    from: (Files, Issuers),
}

/// Reads pairs of files, the first of which is for everybody whom none of them names.
pub(super) fn read(pairs: &[CertificateFiles], issuers: Issuers) -> Result<Fresh, GatewayError> {
    // Looked at first: what changes while it is read is read again.
    let files = Files::new(pairs.to_vec());
    Ok(Fresh { configs: tls::configs(pairs, &issuers)?, from: (files, issuers) })
}

impl Certificates {
    pub(super) fn new(fresh: Fresh) -> Self {
        Self { configs: ArcSwap::new(fresh.configs), from: Mutex::new(fresh.from) }
    }

    /// What the next handshake is made with.
    pub(super) fn configs(&self) -> Arc<Configs> {
        self.configs.load_full()
    }

    pub(super) fn take(&self, fresh: Fresh) {
        self.configs.store(fresh.configs);
        *self.from() = fresh.from;
    }

    fn from(&self) -> MutexGuard<'_, (Files, Issuers)> {
        self.from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files again if one of them has changed.
    fn look(&self) {
        let mut from = self.from();
        let (files, issuers) = &mut *from;
        let now = files.look();
        if now == files.stamps {
            return;
        }
        files.stamps = now;
        match tls::configs(&files.pairs, issuers) {
            Ok(configs) => {
                self.configs.store(configs);
                tracing::info!("a listener's certificates were read again, since they changed");
            }
            Err(error) => {
                tracing::error!(%error, "changed certificates are not taken; the old ones stay");
            }
        }
    }
}

/// Looks at the files of all listeners for ever.
pub(super) async fn watch(all: Vec<Arc<Certificates>>) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let all = all.clone();
        // A file system may take its time.
        let looked = tokio::task::spawn_blocking(move || all.iter().for_each(|one| one.look()));
        if let Err(error) = looked.await {
            tracing::error!(%error, "looking at certificates");
        }
    }
}
