//! Who speaks: an Ed25519 key and its public half.

use std::fmt;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::LinkError;

/// The object identifier of Ed25519 keys (RFC 8410 3).
const ED25519: &str = "1.3.101.112";

/// A part's own key. It is kept in a file that only its owner may read, and its loss is mended by
/// joining anew.
pub struct LinkKey(KeyPair);

impl LinkKey {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// [`LinkError::Key`]: there are no random bytes.
    pub fn generate() -> Result<Self, LinkError> {
        KeyPair::generate_for(&PKCS_ED25519).map(Self).map_err(|e| LinkError::Key(e.to_string()))
    }

    /// The key of a PEM file (PKCS #8).
    ///
    /// # Errors
    /// [`LinkError::Key`]: it isn't an Ed25519 key in that form.
    pub fn from_pem(pem: &str) -> Result<Self, LinkError> {
        let wrong = |why: &dyn fmt::Display| LinkError::Key(why.to_string());
        let key = KeyPair::from_pem(pem).map_err(|e| wrong(&e))?;
        match key.is_compatible(&PKCS_ED25519) {
            true => Ok(Self(key)),
            false => Err(wrong(&"expected an Ed25519 key")),
        }
    }

    /// The key as a PEM file. Whoever has it speaks for its owner.
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The public half.
    ///
    /// # Errors
    /// [`LinkError::Key`], which no key that was made here gives.
    pub fn public(&self) -> Result<PeerKey, LinkError> {
        let raw = self.0.public_key_raw();
        raw.try_into().map(PeerKey).map_err(|_| LinkError::Key("expected 32 bytes".into()))
    }

    /// What is shown in TLS: a certificate that says nothing but the key.
    pub(crate) fn identity(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), LinkError> {
        let unmade = |error: rcgen::Error| LinkError::Key(error.to_string());
        let params = CertificateParams::new(vec!["rutter.invalid".into()]).map_err(unmade)?;
        let certificate = params.self_signed(&self.0).map_err(unmade)?;
        let private = PrivatePkcs8KeyDer::from(self.0.serialize_der());
        Ok((certificate.der().clone(), private.into()))
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The private half is never shown.
        f.write_str("LinkKey")
    }
}

/// The public half of a key: who a session's other end is. As text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl PeerKey {
    /// The key of a certificate; `None` if it has another kind.
    pub fn of_certificate(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let key = certificate.public_key();
        if key.algorithm.algorithm.to_id_string() != ED25519 {
            return None;
        }
        key.subject_public_key.data.as_ref().try_into().map(Self).ok()
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}
