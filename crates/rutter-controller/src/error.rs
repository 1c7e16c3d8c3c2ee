//! What can go wrong when a controller is asked for something.
//!
//! Unless a variant says otherwise, nothing was changed.

use rutter_registry::{DomainName, MemberName, TokenRefusal};
use rutter_route::ParseError;

use crate::NameError;
use crate::address::AddressRefused;

/// The result of asking a controller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. The first half is the caller's fault, the second is not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Caller: the name breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Caller: another user has the name.
    #[error("the name `{0}` belongs to another user")]
    NameTaken(DomainName),
    /// Caller: another member has the name.
    #[error("the name `{0}` belongs to another member")]
    MemberNameTaken(MemberName),
    /// Caller: the key is another's.
    #[error("the key belongs to another user or member")]
    KeyTaken,
    /// Caller: nobody has that id, or nobody with a name.
    #[error("there is no such user")]
    UnknownUser,
    /// Caller: there is no such thing.
    #[error("there is no {what} `{key}`")]
    NotFound {
        /// What was asked for.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// Caller: the token opens nothing. Strangers are told no more than that.
    #[error("the token is {0}")]
    Token(TokenRefusal),
    /// Caller: more routes in one call than there may be.
    #[error("{given} routes in one call; at most {most} are taken")]
    TooManyRoutes {
        /// How many came.
        given: usize,
        /// The bound.
        most: usize,
    },
    /// Caller: a bound is reached.
    #[error("{0}")]
    Bound(String),
    /// Caller: a route may not lead there.
    #[error("routes[{index}]: {why}")]
    Address {
        /// Which of the routes, from 0.
        index: usize,
        /// The rule.
        why: AddressRefused,
    },
    /// Caller: a value is not what it should be.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Operator: the configuration contradicts itself.
    #[error("{0}")]
    Config(String),
    /// Storage: nothing can be written (or read) now; what stands goes on being served.
    #[error("the registry can't be used now; what is registered goes on being served")]
    Registry(#[source] rutter_registry::Error),
    /// The table's owner has ended, as at shutdown. What was acknowledged is stored, and is served
    /// again after the start; what this call wrote is stored too.
    #[error("the controller is shutting down")]
    Closed,
}

impl From<rutter_registry::Error> for Error {
    fn from(error: rutter_registry::Error) -> Self {
        use rutter_registry::Error as Registry;
        match error {
            Registry::NameTaken { name } => Self::NameTaken(name),
            Registry::MemberNameTaken { name } => Self::MemberNameTaken(name),
            Registry::KeyTaken => Self::KeyTaken,
            Registry::Token(refusal) => Self::Token(refusal),
            Registry::NotFound { what: "identity", .. } => Self::UnknownUser,
            Registry::NotFound { what, key } => Self::NotFound { what, key },
            Registry::Parse(error) => Self::Parse(error),
            bound @ (Registry::Bound { .. } | Registry::TooLong { .. }) => {
                Self::Bound(bound.to_string())
            }
            other => Self::Registry(other),
        }
    }
}
