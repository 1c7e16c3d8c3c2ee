//! Why a request got no answer, from an error's chain of causes.

use std::error::Error;
use std::io;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{CertificateError, Error as TlsError};

use crate::Unreachable;
use rutter_link::PinMismatch;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Looks names up by the system, and marks its failures with a type of our own, so that they are
/// told apart by type and not by another crate's wording.
pub(super) struct Lookup;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct LookupFailed(String);

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|error| LookupFailed(error.to_string()))?;
            let found: Vec<_> = found.take(MAX_ADDRESSES).collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The cause of a failed request. The texts come from below the client, so they hold no URL.
pub(super) fn classify(error: &reqwest::Error) -> Unreachable {
    let mut deepest: &(dyn Error + 'static) = error;
    let mut next = error.source();
    while let Some(cause) = next {
        deepest = cause;
        if let Some(LookupFailed(why)) = cause.downcast_ref() {
            return Unreachable::Lookup(why.clone());
        }
        if let Some(known) = cause.downcast_ref::<io::Error>().and_then(of_io) {
            return known;
        }
        if let Some(tls) = cause.downcast_ref::<TlsError>() {
            return of_tls(tls);
        }
        next = cause.source();
    }
    if error.is_timeout() {
        return Unreachable::Timeout;
    }
    if std::ptr::addr_eq(deepest, error) {
        // The client's own text names the URL, and a URL of Mesh Router holds the signature.
        return Unreachable::Other("the exchange failed".into());
    }
    Unreachable::Other(deepest.to_string())
}

fn of_io(error: &io::Error) -> Option<Unreachable> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => return Some(Unreachable::Refused),
        io::ErrorKind::TimedOut => return Some(Unreachable::Timeout),
        _ => {}
    }
    // An io::Error is its own kind of wrapper: `source` skips what `get_ref` holds.
    let inner = error.get_ref()?;
    if let Some(tls) = inner.downcast_ref::<TlsError>() {
        return Some(of_tls(tls));
    }
    inner.downcast_ref::<io::Error>().and_then(of_io)
}

fn of_tls(error: &TlsError) -> Unreachable {
    if let TlsError::InvalidCertificate(CertificateError::Other(other)) = error
        && other.0.is::<PinMismatch>()
    {
        return Unreachable::WrongCa;
    }
    Unreachable::Tls(error.to_string())
}
