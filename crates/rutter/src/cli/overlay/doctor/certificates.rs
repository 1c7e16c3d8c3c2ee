//! Whether certificates are good, and for what.

use std::path::Path;

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rutter_overlay::{CertificateFiles, Identity, OverlayConfig};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Check;

/// So long before its end a certificate is worth a word.
const SOON_DAYS: i64 = 30;

const OF: &str = "certificates";

pub(super) fn check(host: &OverlayConfig, to: &mut Vec<Check>) {
    match &host.exchange.identity {
        Identity::Insecure => to.push(
            Check::warning(OF, "whoever calls is believed to be whom he says")
                .help("make some with `rutter overlay cert`, and leave `rutter.insecure` out"),
        ),
        Identity::Unproven => to.push(
            Check::failed(OF, "there are none, so no peer is believed")
                .help("make some with `rutter overlay cert`"),
        ),
        Identity::Certificates(files) => match look(files, host.node.as_str()) {
            Ok(checks) => to.extend(checks),
            Err(error) => to.push(Check::failed(OF, format!("{error:#}"))),
        },
    }
}

fn look(files: &CertificateFiles, node: &str) -> anyhow::Result<Vec<Check>> {
    let (own, ca) = (read(&files.certificate)?, read(&files.ca)?);
    PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| anyhow::anyhow!("{}: {error}", files.key.display()))?;
    let parse = |der| X509Certificate::from_der(der).map(|(_, parsed)| parsed);
    let own_path = files.certificate.display();
    let own = parse(&own).with_context(|| format!("{own_path} is no certificate"))?;
    let ca = parse(&ca).with_context(|| format!("{} is no certificate", files.ca.display()))?;
    let names: Vec<&str> =
        own.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
    ensure!(
        names == [node],
        "{own_path} is for {}, and this host is {node}: its peers would refuse it",
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    );
    own.verify_signature(Some(ca.public_key()))
        .map_err(|_| anyhow::anyhow!("{own_path} isn't signed by {}", files.ca.display()))?;
    let mut checks = vec![Check::good(OF, format!("{own_path} is for {node}: {}", sans(&own)))];
    for (path, certificate) in [(&files.certificate, &own), (&files.ca, &ca)] {
        checks.extend(validity(path, certificate));
    }
    Ok(checks)
}

fn read(path: &Path) -> anyhow::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(path)
        .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// The addresses and names that peers may dial it by.
fn sans(certificate: &X509Certificate<'_>) -> String {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return "no address, so nobody can dial it".to_owned();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

fn validity(path: &Path, certificate: &X509Certificate<'_>) -> Option<Check> {
    let (validity, path) = (certificate.validity(), path.display());
    let end = validity.not_after;
    match validity.time_to_expiration() {
        None => Some(
            Check::failed(OF, format!("{path} is good from {} to {end}", validity.not_before))
                .help("make another with `rutter overlay cert`"),
        ),
        Some(left) if left.whole_days() < SOON_DAYS => {
            Some(Check::warning(OF, format!("{path} ends {end}")))
        }
        Some(_) => None,
    }
}
