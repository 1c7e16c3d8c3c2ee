//! The controller's CA as the gateway beside it sees it: somebody who signs names under its domains.

use std::sync::Arc;

use rutter_gateway::{SignedNames, SigningError, SignsNames};
use rutter_registry::CertificateAuthority;
use rutter_route::{ServiceName, Wall};

/// See the module's head.
#[derive(Debug)]
pub(super) struct SignsUnder {
    pub(super) ca: Arc<CertificateAuthority>,
    pub(super) domains: Vec<ServiceName>,
}

impl SignsNames for SignsUnder {
    fn sign(&self, now: Wall, names: &[&str]) -> Result<SignedNames, SigningError> {
        let signed = self.ca.sign_for_gateway(now, &self.domains, names)?;
        let (leaf, key) = (signed.leaf, signed.key);
        let (renew_at, not_after) = (leaf.renew_at, leaf.not_after);
        Ok(SignedNames { chain: leaf.chain, key, renew_at, not_after })
    }
}
