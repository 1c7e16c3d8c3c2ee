//! The secrets that tokens are, and what is kept of them.
//!
//! A secret is 32 random bytes, so its SHA-256 can't be searched for and needs neither salt nor
//! a slow hash; those are for passwords that people choose. Only the hash is stored. A look-up
//! goes by the hash's first eight bytes and then compares all 32 in constant time: an index that
//! compares byte by byte could otherwise tell, by its time, how much of a guess is right.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// What a token is for, visible in its first letters so that people and scanners of leaked
/// secrets know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Asks the API, within its scopes: `rtk_`.
    Api,
    /// Speaks for one user's agent: `rta_`.
    Agent,
    /// Lets a new agent join: `rtj_`.
    Join,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Api, Self::Agent, Self::Join];

    /// What its tokens begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Api => "rtk_",
            Self::Agent => "rta_",
            Self::Join => "rtj_",
        }
    }

    /// The kind as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Agent => "agent",
            Self::Join => "join",
        }
    }
}

/// A token as its holder has it. It is shown once, when it is made, and printed by nothing but
/// [`TokenSecret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// How many random bytes a secret has.
    pub const RANDOM_BYTES: usize = 32;

    /// A new secret from the system's random source.
    ///
    /// # Errors
    /// [`Unavailable`](Error::Unavailable) when the system has no randomness to give.
    pub fn generate(kind: TokenKind) -> Result<Self> {
        let mut bytes = [0u8; Self::RANDOM_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::Unavailable { why: format!("no random bytes: {e}") })?;
        Ok(Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What somebody presents, as it came: any text, since one that isn't a token has a hash that
    /// nothing is stored under.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret's text. Whoever reads it holds the token.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

/// The SHA-256 of a token's whole text, its prefix too. Compares in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes to be stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn is(&self, stored: &[u8]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}
