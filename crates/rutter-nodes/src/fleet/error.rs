//! Why a fleet says no.

use rutter_book::BookClosed;
use rutter_route::{NodeId, ParseError};
use rutter_yaml::ConfigError;

use crate::NodesError;
use crate::election::NotPrimary;

/// What can't be done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The rules of nodes and rows speak against it.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// It can't be made primary.
    #[error(transparent)]
    NotPrimary(#[from] NotPrimary),
    /// There is no such node, user, key or registration.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Of what.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// Another has the name.
    #[error("there is a {what} `{name}` already")]
    Exists {
        /// Of what.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// It is still used.
    #[error("{0}")]
    InUse(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A name, tag or prefix can't be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The pre-auth key opens nothing: unknown, used up, expired or revoked.
    #[error("{0}")]
    PreauthKey(String),
    /// The node waits for a person to register it.
    #[error("node key {key} waits for approval: `rutter nodes register {key} --user NAME`")]
    Pending {
        /// Its key.
        key: rutter_registry::PublicKey,
    },
    /// Its key has expired: it registers again.
    #[error("the key of node {} has expired", .0.0)]
    Expired(NodeId),
    /// Policy doesn't let the owner give that tag.
    #[error("{0}")]
    Tag(String),
    /// The policy is wrong, each problem at its place.
    #[error(transparent)]
    Policy(#[from] Box<ConfigError>),
    /// The table doesn't take the policy.
    #[error(transparent)]
    Enforce(#[from] crate::policy::EnforceError),
    /// The registry can't be read or written now.
    #[error(transparent)]
    Registry(rutter_registry::Error),
    /// The controller ends.
    #[error(transparent)]
    Closed(#[from] BookClosed),
}

impl From<rutter_registry::Error> for FleetError {
    fn from(error: rutter_registry::Error) -> Self {
        use rutter_registry::Error;
        match error {
            Error::NotFound { what, key } => Self::NotFound { what, name: key },
            Error::Exists { what, key } => Self::Exists { what, name: key },
            error @ Error::InUse { .. } => Self::InUse(error.to_string()),
            error @ (Error::KeyTaken | Error::Bound { .. } | Error::TooLong { .. }) => {
                Self::Invalid(error.to_string())
            }
            Error::Token(refusal) => Self::PreauthKey(format!("the pre-auth key is {refusal}")),
            Error::Parse(error) => Self::Parse(error),
            other => Self::Registry(other),
        }
    }
}
