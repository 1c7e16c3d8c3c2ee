//! Which certificates clients must show.
//!
//! A profile names the CAs that count. A listener may have one, and then nobody comes in without
//! such a certificate. A route may have one, and then the handshake asks for it by the name that the
//! client says (SNI), before it is known which host and path will be asked for.
//!
//! ```text
//!  SNI ─▶ routes ─▶ profile ─▶ handshake asks ─▶ shown
//!                                                  │   Host ─▶ routes ─▶ profile
//!                                                  └── the same, of the same service? ── 421 if not
//! ```
//!
//! Invariants:
//! - a request reaches a route with a profile only over a connection whose client has shown a
//!   certificate of that profile, for that service or to the whole listener;
//! - what was shown for one service says nothing about another: a request for another host over
//!   the same connection is 421 (RFC 9110 15.5.20), and the client connects anew;
//! - a route whose profile this gateway doesn't have serves nobody, since nobody can show such a
//!   certificate; and neither do routes of one service that don't agree on theirs, so no failover leads
//!   from a protected route to one that is protected otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rutter_route::{Service, ServiceName};
use smol_str::SmolStr;

use crate::error::GatewayError;
use crate::routes::Route;
use crate::server::provider;
use crate::upstream::Roots;

/// The CAs of which a client must show a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MtlsProfile {
    /// Files with their certificates, in PEM.
    pub ca_files: Vec<PathBuf>,
    /// Whether the system's roots count as well.
    pub system_roots: bool,
}

/// Who checks the certificates of each profile.
pub(crate) type Profiles = Arc<BTreeMap<SmolStr, Arc<dyn ClientCertVerifier>>>;

impl MtlsProfile {
    /// Whether there is a CA at all.
    pub(crate) fn has_roots(&self) -> bool {
        self.system_roots || !self.ca_files.is_empty()
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, GatewayError> {
        let mut roots = match self.system_roots {
            true => Roots::System.store()?,
            false => RootCertStore::empty(),
        };
        for path in &self.ca_files {
            let file = |source| GatewayError::File { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(file)?;
            let expected = || GatewayError::Pem { path: path.clone(), expected: "certificates" };
            let read: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<_, _>>()
                .map_err(|_| expected())?;
            if read.is_empty() {
                return Err(expected());
            }
            for certificate in read {
                let bad = |source| GatewayError::Certificate { path: path.clone(), source };
                roots.add(certificate).map_err(bad)?;
            }
        }
        let failed = |error: rustls::client::VerifierBuilderError| GatewayError::Config {
            field: "inbound_mtls",
            expected: error.to_string(),
        };
        let built =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        built.map(|verifier| verifier as _).map_err(failed)
    }
}

/// Reads the CAs of all profiles.
///
/// # Errors
/// A file can't be read, or holds no certificate.
pub(crate) fn read(profiles: &BTreeMap<SmolStr, MtlsProfile>) -> Result<Profiles, GatewayError> {
    let read = |(name, profile): (&SmolStr, &MtlsProfile)| Ok((name.clone(), profile.verifier()?));
    profiles.iter().map(read).collect::<Result<_, _>>().map(Arc::new)
}

/// What the routes of a service ask of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// A certificate of this profile.
    Of(SmolStr),
    /// This and that: nobody can show both.
    Several,
}

/// What these routes ask for. One that asks for nothing is no way round another that does.
pub(crate) fn asked(routes: &[Arc<Route>]) -> Asked {
    let mut profiles = routes.iter().filter_map(|r| r.delivery.inbound_mtls_profile.as_ref());
    let Some(first) = profiles.next() else { return Asked::Nothing };
    match profiles.all(|other| other == first) {
        true => Asked::Of(first.clone()),
        false => Asked::Several,
    }
}

/// A certificate that a client has shown in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) profile: SmolStr,
    pub(crate) to: ShownTo,
}

/// To whom it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShownTo {
    /// The listener, which asks everybody.
    Listener,
    /// The service of the name in the handshake.
    Service(ServiceName),
}

/// Why a request isn't passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// It came without TLS.
    Plain,
    /// It came over a connection that was made for another service.
    OfAnother,
}

/// Whether a request may be passed on by routes that ask for this, for a service, by what its client
/// has shown.
pub(crate) fn check(
    shown: Option<&Shown>,
    asked: &Asked,
    service: &Service,
    tls: bool,
) -> Result<(), Misplaced> {
    let passes = match (shown, asked) {
        (None, Asked::Nothing) => true,
        (None, _) | (_, Asked::Several) => false,
        (Some(shown), asked) => {
            let agrees = match asked {
                Asked::Of(profile) => *profile == shown.profile,
                // Who has shown more than is asked for may have it: the host's other paths ask.
                Asked::Nothing => true,
                Asked::Several => false,
            };
            let is_there = match &shown.to {
                ShownTo::Listener => true,
                ShownTo::Service(name) => *name == service.name,
            };
            agrees && is_there
        }
    };
    match passes {
        true => Ok(()),
        false if tls => Err(Misplaced::OfAnother),
        false => Err(Misplaced::Plain),
    }
}

#[cfg(test)]
mod tests;
