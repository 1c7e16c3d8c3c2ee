//! A key that somebody else holds: a hardware module's tool, for one. It signs what it is given.

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, PKCS_ED25519, PublicKeyData};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::LinkError;

/// Signs, or says why not.
type Sign = dyn Fn(&[u8]) -> Result<[u8; 64], String> + Send + Sync;

/// An Ed25519 key of which only the public half is here. Clones are the same.
#[derive(Clone)]
pub struct RemoteKey {
    public: [u8; 32],
    sign: Arc<Sign>,
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteKey")
    }
}

impl RemoteKey {
    /// A key that `sign` signs by. It may take a while: a handshake that waits for it keeps none of
    /// the runtime's other tasks waiting, where that has threads enough.
    pub fn new(
        public: [u8; 32],
        sign: impl Fn(&[u8]) -> Result<[u8; 64], String> + Send + Sync + 'static,
    ) -> Self {
        Self { public, sign: Arc::new(sign) }
    }

    /// What shows this key in TLS, as [`LinkKey::certified`](crate::LinkKey::certified).
    ///
    /// # Errors
    /// [`LinkError::Key`]: it doesn't sign.
    pub fn certified(&self) -> Result<CertifiedKey, LinkError> {
        let unmade = |error: rcgen::Error| LinkError::Key(error.to_string());
        let params = CertificateParams::new(vec!["rutter.invalid".into()]).map_err(unmade)?;
        let certificate = params.self_signed(self).map_err(unmade)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::new(self.clone())))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let many = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let sign = || (self.sign)(message).map(|signature| signature.to_vec());
        if many { tokio::task::block_in_place(sign) } else { sign() }
    }
}

impl PublicKeyData for RemoteKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for RemoteKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signature(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let fits = offered.contains(&SignatureScheme::ED25519);
        fits.then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for RemoteKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signature(message).map_err(Error::General)
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
