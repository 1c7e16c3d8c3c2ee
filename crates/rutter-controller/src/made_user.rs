//! Users that the controller makes itself: an id and a key from the system's random source.

use ed25519_dalek::{Signer, SigningKey};
use rutter_registry::{Claim, DomainName, PublicKey, Seed, UserId};
use rutter_route::ServiceName;

use crate::{Error, Result, base36};

/// A user that nobody knows yet.
pub(crate) struct MadeUser {
    pub(crate) user: UserId,
    key: SigningKey,
}

impl MadeUser {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { user: made_id()?, key: SigningKey::from_bytes(&random()?) })
    }

    /// The claim that makes it known, with both halves of its key.
    pub(crate) fn claim(
        &self,
        name: Option<DomainName>,
        server_domain: Option<ServiceName>,
    ) -> Claim {
        Claim {
            user: self.user.clone(),
            name,
            server_domain,
            key: Some(PublicKey(self.key.verifying_key().to_bytes())),
            seed: Some(Seed(self.key.to_bytes())),
        }
    }

    /// What Mesh Router calls the user's signature: over its id.
    pub(crate) fn signature(&self) -> String {
        base36::encode(&self.key.sign(self.user.as_str().as_bytes()).to_bytes())
    }
}

/// An id of 128 random bits in base36: nobody else has it.
pub(crate) fn made_id() -> Result<UserId> {
    Ok(base36::encode(&random::<16>()?).parse()?)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| {
        let why = format!("no random bytes: {e}");
        Error::Registry(rutter_registry::Error::Unavailable { why })
    })?;
    Ok(bytes)
}
