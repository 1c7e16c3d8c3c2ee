//! The parts that certificates are made of.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rutter_route::{Mono, Wall};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::{CA_LIFETIME, CLOCK_SKEW};
use crate::{Error, Result};

/// The latest time a certificate may name, 9999-12-31T23:59:59Z (RFC 5280 4.1.2.5).
const LAST_SECOND: i64 = 253_402_300_799;

/// A new CA: its certificate and its key as PEM.
pub(super) fn make(now: Wall) -> Result<String> {
    let key = KeyPair::generate().map_err(not_made)?;
    // The CAs of two controllers differ in name too: a peer that trusts both looks up by name.
    let [a, b, c, d] = random()?;
    let common_name = format!("Rutter CA {a:02x}{b:02x}{c:02x}{d:02x}");
    let mut params = params(now, later(now, CA_LIFETIME), &common_name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(not_made)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// What all our certificates have in common.
pub(super) fn params(now: Wall, until: Wall, common_name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.not_before = date(Wall(now.0.saturating_sub(millis(CLOCK_SKEW))));
    params.not_after = date(until);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let serial: [u8; 16] = random()?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// The public key of a certificate request whose signature is good.
pub(super) fn key_of_request(request_pem: &str) -> Result<SubjectPublicKeyInfo> {
    let bad = |why: String| Error::Certificate { why: format!("the request {why}") };
    let (_, der) = x509_parser::pem::parse_x509_pem(request_pem.as_bytes())
        .map_err(|e| bad(format!("isn't PEM: {e}")))?;
    let (_, request) = X509CertificationRequest::from_der(&der.contents)
        .map_err(|e| bad(format!("isn't a PKCS #10 request: {e}")))?;
    request.verify_signature().map_err(|e| bad(format!("isn't signed by its key: {e}")))?;
    SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|e| bad(format!("has a key that can't be used: {e}")))
}

pub(super) fn dns(name: &str) -> Result<SanType> {
    let name = name.try_into().map_err(not_made)?;
    Ok(SanType::DnsName(name))
}

pub(super) fn not_made(error: rcgen::Error) -> Error {
    Error::Certificate { why: error.to_string() }
}

pub(super) fn later(now: Wall, by: Duration) -> Wall {
    Wall(Mono(now.0).after(by).0)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One block of PEM (RFC 7468).
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn date(at: Wall) -> OffsetDateTime {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(LAST_SECOND).min(LAST_SECOND);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::Unavailable { why: format!("no random bytes: {e}") })?;
    Ok(bytes)
}
