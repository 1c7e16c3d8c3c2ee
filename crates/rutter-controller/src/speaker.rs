//! Who speaks `rutter.v1`.

use rutter_registry::{DomainName, Member, UserId};

/// Whom a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// A user's agent: it may announce services under the user's name.
    Agent {
        /// Which user.
        user: UserId,
        /// The user's name now.
        name: DomainName,
    },
    /// A part of Rutter that owns no name.
    Member(Member),
}

impl Speaker {
    /// Whether it is that user's agent.
    pub(crate) fn is(&self, of: &UserId) -> bool {
        matches!(self, Self::Agent { user, .. } if user == of)
    }
}
