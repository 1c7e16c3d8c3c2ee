//! Who is at the other end of a session, and what its connection proves of that.
//!
//! A link proves a key. Overlay peers are named by their certificates, and where the operator
//! waives proof, by their own word; the session is the same for all of them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::{PeerKey, Refusal, RefusalCode};

/// The longest name that a hello may say, in bytes.
const MAX_NAME: usize = 512;

/// What a connection proves of the one who dialled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It holds this key.
    Key(PeerKey),
    /// It holds the key of a certificate with this common name, which the accepter's CA signed.
    Name(Arc<str>),
    /// Nothing.
    Nothing,
}

/// What is known of a connection: what a [`tonic::transport::server::Connected`] hands to services.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What it proves.
    pub proof: Proof,
    /// Where it comes from.
    pub from: SocketAddr,
}

/// Who has a session: one each, the newer ends the older.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Whoever holds this key.
    Key(PeerKey),
    /// Whom its certificate names.
    Name(Arc<str>),
    /// Who says so, which nothing proves. Whether that is enough is for the admission to say.
    Unproven(Arc<str>),
}

impl Proof {
    /// Who calls, if its first words say this name of it; empty: they say none.
    ///
    /// # Errors
    /// The name is not the proven one, or nothing tells who it is.
    pub fn caller(&self, said: &str) -> Result<Caller, Refusal> {
        if said.len() > MAX_NAME {
            let why = format!("a name has at most {MAX_NAME} bytes");
            return Err(Refusal::new(RefusalCode::Invalid, why));
        }
        match self {
            // A link's dialer has no say in its name.
            Self::Key(key) => Ok(Caller::Key(*key)),
            Self::Name(name) if said.is_empty() || said == &**name => {
                Ok(Caller::Name(name.clone()))
            }
            Self::Name(name) => {
                let why = format!("the certificate names {name:?}, not {said:?}");
                Err(Refusal::new(RefusalCode::NotAllowed, why))
            }
            Self::Nothing if said.is_empty() => Err(Refusal::new(
                RefusalCode::Invalid,
                "a hello without a name, and no proof of one",
            )),
            Self::Nothing => Ok(Caller::Unproven(said.into())),
        }
    }
}

impl Caller {
    /// Its key.
    ///
    /// # Errors
    /// It is known by a name.
    pub fn key(&self) -> Result<PeerKey, Refusal> {
        match self {
            Self::Key(key) => Ok(*key),
            Self::Name(_) | Self::Unproven(_) => {
                Err(Refusal::new(RefusalCode::NotKnown, "only keys are known here"))
            }
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Unproven(name) => write!(f, "{name:?}, unproven"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_proven_one_or_none_is_said() {
        let proven = Proof::Name("p1".into());
        assert_eq!(proven.caller("").unwrap(), Caller::Name("p1".into()));
        assert_eq!(proven.caller("p1").unwrap(), Caller::Name("p1".into()));
        assert_eq!(proven.caller("p2").unwrap_err().code, RefusalCode::NotAllowed);
        assert_eq!(Proof::Nothing.caller("p1").unwrap(), Caller::Unproven("p1".into()));
        assert_eq!(Proof::Nothing.caller("").unwrap_err().code, RefusalCode::Invalid);
        assert!(Proof::Nothing.caller(&"p".repeat(513)).is_err());
        let key = Proof::Key(PeerKey([1; 32]));
        assert_eq!(key.caller("anything").unwrap().key().unwrap(), PeerKey([1; 32]));
        assert!(Caller::Name("p1".into()).key().is_err());
    }
}
