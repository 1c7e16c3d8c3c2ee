//! The controller's own certificate authority.
//!
//! It signs three kinds of certificates and no other: for the controller's listeners
//! ([`CertificateAuthority::sign_server`]), for names that the gateway in its process serves
//! ([`CertificateAuthority::sign_for_gateway`]), and for the services of a name's owner, with no names
//! but the owner's own ([`CertificateAuthority::sign_for_owner`]). The original signs
//! `*.<server domain>` for everyone, so that any user can stand in for any other.
//!
//! ```text
//!   ca.pem (0600: certificate and key in one file, so that half a pair can't exist)
//!     └── pin: SHA-256 of the certificate's DER, in every join token
//!          ├── listener:  names and addresses that the controller listens on
//!          ├── gateway:   names under its domains, as people ask for them; the key never leaves it
//!          └── owner:     alice.nsl.sh, *.alice.nsl.sh and what lies under them; CN = user id
//! ```
//!
//! Decisions:
//! - **No name constraints in the CA's certificate.** A constraint fixes for ten years what may
//!   be signed, while `--domain` and `--listen` change from one start to the next, and a new CA
//!   would break every pin. The bound is checked where it is known: at signing. Who trusts this
//!   CA does so for one controller, by pin, not in a system's store.
//! - **A listener's name is never an owner's**: a name that this process has signed a listener
//!   for is refused to owners, since a user called `rutter` under `example.com` could otherwise
//!   pose as the controller at `rutter.example.com`.
//! - **ECDSA P-256**: every TLS stack has it; Ed25519 certificates are refused by browsers.
//! - **Leaves are short** ([`LISTENER_LIFETIME`], [`OWNER_LIFETIME`]) and renewed when a third is
//!   left, instead of being revoked: nobody reads revocation lists of a private CA.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rutter_route::{ServiceName, Wall};
use sha2::{Digest, Sha256};

use self::parts::{dns, key_of_request, later, make, not_made, params, pem};
use crate::key::hex;
use crate::{DataDir, Error, Identity, Result, read_private};

mod parts;

const FILE: &str = "ca.pem";

/// How long the CA itself lasts: ten years, as in the original. Agents pin it, so it outlives them.
pub const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How long a listener's certificate lasts. The controller signs it at every start, and again
/// when [`Leaf::renew_at`] has come.
pub const LISTENER_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// How long an owner's certificate lasts: 72 hours, as in the original.
pub const OWNER_LIFETIME: Duration = Duration::from_secs(72 * 3600);

/// Certificates begin so much before they are made, for peers whose clock is behind.
pub const CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// The most names of one certificate.
pub const MAX_NAMES: usize = 64;

/// The part of a leaf's lifetime that is left when it should be renewed: a third.
const RENEW_WHEN_LEFT: u32 = 3;

/// The SHA-256 of a CA certificate's DER: what a join token carries, as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// The pin of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// A name in a listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenerName {
    /// A host name.
    Host(ServiceName),
    /// An address.
    Address(IpAddr),
}

impl From<ServiceName> for ListenerName {
    fn from(host: ServiceName) -> Self {
        Self::Host(host)
    }
}

impl From<IpAddr> for ListenerName {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

/// A certificate that the CA signed.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate, then the CA's: what a TLS server presents, so that a peer who has only
    /// the pin can find the CA in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// When it ends.
    pub not_after: Wall,
    /// When a new one should be asked for.
    pub renew_at: Wall,
}

impl Leaf {
    /// The chain as PEM, the leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }
}

/// A listener's certificate with its key, which is made anew each time and never stored.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate.
    pub leaf: Leaf,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// The controller's certificate authority.
pub struct CertificateAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    not_after: Wall,
    listeners: Mutex<BTreeSet<ServiceName>>,
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateAuthority({})", self.pin())
    }
}

impl CertificateAuthority {
    /// Loads the CA of the directory; makes one if there is none.
    ///
    /// # Errors
    /// [`Exposed`](Error::Exposed) when others may read its key, [`Damaged`](Error::Damaged) when
    /// the file isn't a CA's certificate and its key, [`CaEnded`](Error::CaEnded); those of the
    /// file system.
    pub fn open(dir: &DataDir, now: Wall) -> Result<Self> {
        let path = dir.file(FILE);
        let damaged = |why: String| Error::Damaged { path: path.clone(), why };
        match read_private(&path)? {
            Some(pem) => {
                let ca = Self::parse(&pem).map_err(damaged)?;
                if now >= ca.not_after {
                    return Err(Error::CaEnded { path });
                }
                Ok(ca)
            }
            None => {
                let pem = make(now)?;
                dir.write_private(FILE, pem.as_bytes())?;
                Self::parse(pem.as_bytes()).map_err(damaged)
            }
        }
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA's certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// What a join token carries.
    pub fn pin(&self) -> Pin {
        Pin::of(&self.certificate)
    }

    /// When the CA itself ends.
    pub fn not_after(&self) -> Wall {
        self.not_after
    }

    /// Signs a certificate for one of the controller's own listeners, with a new key. Its host
    /// names are from then on refused to owners.
    ///
    /// # Errors
    /// [`Certificate`](Error::Certificate) without names or over [`MAX_NAMES`].
    pub fn sign_server(&self, now: Wall, names: &[ListenerName]) -> Result<ServerCertificate> {
        check_number(names.len())?;
        let alternatives = names
            .iter()
            .map(|name| match name {
                ListenerName::Host(host) => dns(host.as_str()),
                ListenerName::Address(address) => Ok(SanType::IpAddress(*address)),
            })
            .collect::<Result<Vec<_>>>()?;
        let signed = self.sign_with_new_key(now, alternatives)?;
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.extend(names.iter().filter_map(|name| match name {
            ListenerName::Host(host) => Some(host.clone()),
            ListenerName::Address(_) => None,
        }));
        Ok(signed)
    }

    /// Signs a certificate for names that the gateway beside this controller serves, with a new key:
    /// names under one of `domains`, also after `*.`, and not a domain itself, whose wildcard would
    /// be for everybody's. The names stay their owners', unlike a listener's.
    ///
    /// # Errors
    /// [`NotOwn`](Error::NotOwn) for another name, [`Certificate`](Error::Certificate) without
    /// names or over [`MAX_NAMES`].
    pub fn sign_for_gateway(
        &self,
        now: Wall,
        domains: &[ServiceName],
        names: &[&str],
    ) -> Result<ServerCertificate> {
        check_number(names.len())?;
        let alternatives =
            names.iter().map(|name| gateway_name(name, domains)).collect::<Result<Vec<_>>>()?;
        self.sign_with_new_key(now, alternatives)
    }

    fn sign_with_new_key(
        &self,
        now: Wall,
        alternatives: Vec<SanType>,
    ) -> Result<ServerCertificate> {
        let key = KeyPair::generate().map_err(not_made)?;
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = self.sign(now, "rutter", alternatives, usages, LISTENER_LIFETIME, &key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(ServerCertificate { leaf, key })
    }

    /// Signs a certificate for an owner's services: for the key of a certificate request (PKCS
    /// #10, PEM), whose signature shows that the owner holds the private half. What the request
    /// itself asks for is not read; `names` are: none but the owner's name under its server
    /// domain, `*.` of it, and what lies under it. Without names: the first two.
    ///
    /// # Errors
    /// [`NotOwn`](Error::NotOwn) for another name, [`Certificate`](Error::Certificate) for a
    /// request that isn't good, an owner without a name, or more than [`MAX_NAMES`] names.
    pub fn sign_for_owner(
        &self,
        now: Wall,
        owner: &Identity,
        names: &[&str],
        request_pem: &str,
    ) -> Result<Leaf> {
        let own = own_name(owner)?;
        let wildcard = format!("*.{own}");
        let default = [own.as_str(), wildcard.as_str()];
        let names = if names.is_empty() { &default } else { names };
        check_number(names.len())?;
        let alternatives =
            names.iter().map(|name| self.owner_name(name, &own)).collect::<Result<Vec<_>>>()?;
        let key = key_of_request(request_pem)?;
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(now, owner.user.as_str(), alternatives, usages, OWNER_LIFETIME, &key)
    }

    fn owner_name(&self, asked: &str, own: &ServiceName) -> Result<SanType> {
        let (star, name) = wildcard_or_not(asked)?;
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |listener: &ServiceName| {
            *listener == name || (!star.is_empty() && listener.is_under(name.as_str()))
        };
        if !name.is_under(own.as_str()) || listeners.iter().any(taken) {
            return Err(not_own(asked, format!("{own}, *.{own} and names under {own}")));
        }
        dns(&format!("{star}{name}"))
    }

    fn sign(
        &self,
        now: Wall,
        common_name: &str,
        alternatives: Vec<SanType>,
        usages: Vec<ExtendedKeyUsagePurpose>,
        lifetime: Duration,
        key: &impl PublicKeyData,
    ) -> Result<Leaf> {
        let not_after = Wall(later(now, lifetime).0.min(self.not_after.0));
        let mut params = params(now, not_after, common_name)?;
        params.subject_alt_names = alternatives;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(key, &self.issuer).map_err(not_made)?;
        let left = Duration::from_millis(not_after.0.saturating_sub(now.0)) / RENEW_WHEN_LEFT;
        Ok(Leaf {
            chain: vec![signed.der().clone(), self.certificate.clone()],
            not_after,
            renew_at: Wall(not_after.0.saturating_sub(parts::millis(left))),
        })
    }

    pub(crate) fn parse(pem: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|e| e.to_string())?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|e| e.to_string())?;
        let key = KeyPair::try_from(&key).map_err(|e| e.to_string())?;
        let (_, x509) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|e| format!("its certificate can't be read: {e}"))?;
        if !x509.is_ca() {
            return Err("its certificate is not a CA's".to_owned());
        }
        if x509.public_key().raw != key.subject_public_key_info() {
            return Err("its key is not the certificate's".to_owned());
        }
        let seconds = u64::try_from(x509.validity().not_after.timestamp());
        let not_after = Wall(seconds.unwrap_or(0).saturating_mul(1000));
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|e| e.to_string())?;
        Ok(Self { issuer, not_after, listeners: Mutex::default(), certificate })
    }
}

/// The name that all of an owner's names are or lie under.
fn own_name(owner: &Identity) -> Result<ServiceName> {
    let (Some(name), Some(domain)) = (&owner.name, &owner.server_domain) else {
        let why = format!("`{}` has no name", owner.user);
        return Err(Error::Certificate { why });
    };
    Ok(format!("{name}.{domain}").parse()?)
}

/// A name that the gateway may serve.
fn gateway_name(asked: &str, domains: &[ServiceName]) -> Result<SanType> {
    let (star, name) = wildcard_or_not(asked)?;
    let is_below = |domain: &ServiceName| name != *domain && name.is_under(domain.as_str());
    if !domains.iter().any(is_below) {
        let domains: Vec<&str> = domains.iter().map(ServiceName::as_str).collect();
        return Err(not_own(asked, format!("names under {}", domains.join(", "))));
    }
    dns(&format!("{star}{name}"))
}

/// `*.` or nothing, and the name behind it.
fn wildcard_or_not(asked: &str) -> Result<(&'static str, ServiceName)> {
    match asked.strip_prefix("*.") {
        Some(rest) => Ok(("*.", rest.parse()?)),
        None => Ok(("", asked.parse()?)),
    }
}

fn not_own(asked: &str, own: String) -> Error {
    Error::NotOwn { asked: asked.chars().take(80).collect(), own }
}

fn check_number(n_names: usize) -> Result<()> {
    if (1..=MAX_NAMES).contains(&n_names) {
        return Ok(());
    }
    let why = format!("{n_names} names asked for; 1 to {MAX_NAMES} may be");
    Err(Error::Certificate { why })
}

#[cfg(test)]
mod tests;
