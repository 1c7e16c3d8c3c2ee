//! What listeners serve because of ACME: answers to open challenges, and the certificate.
//!
//! Bounded by the names of one certificate: there is one order at a time, and its challenges go
//! with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};
use http_body_util::Full;
use rustls::sign::CertifiedKey;

use super::config::AcmeChallenge;
use super::issued::Issued;
use super::schedule::Validity;
use crate::upstream::body::AnswerBody;

/// TLS-ALPN-01 in ALPN (RFC 8737 6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Where HTTP-01 is asked for (RFC 8555 8.3).
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Served {
    challenge: Option<AcmeChallenge>,
    /// Key authorizations by token.
    tokens: Mutex<HashMap<String, String>>,
    /// Certificates that prove a name, by it.
    proofs: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    certificate: ArcSwapOption<Issued>,
}

/// Challenges of one order; dropped, they are closed.
#[derive(Debug)]
pub(super) struct Open<'a>(&'a Served);

impl Served {
    pub(crate) fn new(challenge: Option<AcmeChallenge>) -> Self {
        Self { challenge, ..Self::default() }
    }

    /// Whether TLS listeners answer challenges.
    pub(crate) fn by_tls(&self) -> bool {
        self.challenge == Some(AcmeChallenge::TlsAlpn01)
    }

    /// The certificate, if it is for that name, in lower case.
    pub(crate) fn certificate_for(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let issued = self.certificate.load();
        issued.as_ref().filter(|issued| issued.names.contains(name)).map(|i| i.key.clone())
    }

    /// The proof of that name, in lower case, if its challenge is open.
    pub(crate) fn proof_of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        held(&self.proofs).get(name).cloned()
    }

    /// The answer to a plain request, if it is for a token that is open.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Response<AnswerBody>> {
        let token = path.strip_prefix(WELL_KNOWN)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let text = held(&self.tokens).get(token).cloned()?;
        let mut answer = Response::new(AnswerBody::Own(Full::new(Bytes::from(text))));
        let kind = HeaderValue::from_static("application/octet-stream");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        Some(answer)
    }

    pub(super) fn set_certificate(&self, issued: Issued) {
        self.certificate.store(Some(Arc::new(issued)));
    }

    /// When the certificate is good, if it is for all of these names.
    pub(super) fn validity_for(&self, names: &[String]) -> Option<Validity> {
        let issued = self.certificate.load();
        issued.as_ref().filter(|issued| issued.covers(names)).map(|issued| issued.validity)
    }

    pub(super) fn open(&self) -> Open<'_> {
        Open(self)
    }
}

impl Open<'_> {
    pub(super) fn token(&self, token: &str, authorization: &str) {
        held(&self.0.tokens).insert(token.to_owned(), authorization.to_owned());
    }

    pub(super) fn proof(&self, name: &str, proof: CertifiedKey) {
        held(&self.0.proofs).insert(name.to_ascii_lowercase(), Arc::new(proof));
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        held(&self.0.tokens).clear();
        held(&self.0.proofs).clear();
    }
}

fn held<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
