//! Certificates by ACME.

use rutter_gateway::{AcmeChallenge, LETS_ENCRYPT};

use super::Problems;
use crate::config::raw;
use crate::config::resolved::{Acme, GatewayListeners};

/// `None`: nothing is ordered.
pub(super) fn resolve(raw: &raw::Acme, to: &mut Problems) -> Option<Acme> {
    let agrees = raw.agree_to_terms == Some(true);
    if !orders(raw) && !agrees {
        return None;
    }
    let acme = Acme {
        directory: raw.directory.clone().unwrap_or_else(|| LETS_ENCRYPT.to_owned()),
        contact: raw.contact.clone().unwrap_or_default(),
        names: raw.names.clone().unwrap_or_default(),
        challenge: raw.challenge.unwrap_or(AcmeChallenge::Http01),
        roots: raw.roots.clone(),
    };
    let host = |name: &String| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        name.contains('.') && name.len() <= 253 && name.bytes().all(plain)
    };
    to.unless(
        (1..=100).contains(&acme.names.len()) && acme.names.iter().all(host),
        "gateway.acme.names",
        "expected 1 to 100 host names in lower case, without wildcards",
    );
    to.unless(
        acme.directory.starts_with("https://"),
        "gateway.acme.directory",
        "expected a URL that begins with https://",
    );
    to.unless(
        acme.contact.iter().all(|contact| contact.starts_with("mailto:")),
        "gateway.acme.contact",
        "expected addresses such as mailto:ops@example.com",
    );
    to.unless(
        agrees,
        "gateway.acme.agree_to_terms",
        "expected `true`: read the CA's terms of service, to which its directory points",
    );
    Some(acme)
}

fn orders(raw: &raw::Acme) -> bool {
    raw.names.as_ref().is_some_and(|names| !names.is_empty())
}

/// Whether there are listeners to prove names on, and to show the certificate.
pub(super) fn check_listeners(raw: &raw::Acme, listeners: &GatewayListeners, to: &mut Problems) {
    if !orders(raw) {
        return;
    }
    to.unless(
        listeners.https.is_some(),
        "gateway.acme",
        "the certificate is for `listeners.gateway.https`, which is off",
    );
    let by_http = raw.challenge.unwrap_or(AcmeChallenge::Http01) == AcmeChallenge::Http01;
    to.unless(
        !by_http || listeners.http.is_some(),
        "gateway.acme.challenge",
        "`http-01` is answered by `listeners.gateway.http`, which is off",
    );
}
