//! What can go wrong with a link.

use std::time::Duration;

use rutter_book::BookClosed;

/// What can go wrong with a link. Nothing has changed where it says nothing else.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A key can't be made or read.
    #[error("the link's key: {0}")]
    Key(String),
    /// TLS can't be set up.
    #[error("TLS for the link: {0}")]
    Tls(String),
    /// No session came about; another attempt may succeed.
    #[error("{remote} can't be reached: {why}")]
    Unreachable {
        /// Whom was asked.
        remote: String,
        /// What was seen.
        why: String,
    },
    /// The other end says no.
    #[error("{remote} refuses: {why}")]
    Refused {
        /// Whom was asked.
        remote: String,
        /// The word for programs, such as `not_known`.
        code: String,
        /// The reason for people.
        why: String,
    },
    /// The other end says that it will be back, and what it said stands until then.
    #[error("{remote} will be back in {back_within:?}: {why}")]
    Restarts {
        /// Whom was asked.
        remote: String,
        /// The reason for people.
        why: String,
        /// In what time.
        back_within: Duration,
    },
    /// Somebody answers who doesn't know `rutter.v1` at all.
    #[error("{remote} doesn't speak rutter.v1")]
    NotSpoken {
        /// Who.
        remote: String,
    },
    /// The other end doesn't keep to the protocol.
    #[error("{remote} doesn't speak rutter.v1 as expected: {why}")]
    Protocol {
        /// Who.
        remote: String,
        /// What was seen.
        why: String,
    },
    /// Whoever should say where to dial can't, in its own words: it hasn't joined, for one.
    #[error(transparent)]
    NoDialer(Box<dyn std::error::Error + Send + Sync>),
    /// The book has ended, as at shutdown.
    #[error(transparent)]
    Closed(#[from] BookClosed),
}

impl LinkError {
    /// Whether the session ended because the same key has begun another: two processes have it, as
    /// for a while when one takes the other's place. The one that was there should then wait.
    pub(crate) fn is_superseded(&self) -> bool {
        self.refusal() == Some(RefusalCode::Superseded)
    }

    /// The other end's word, if it said no and the word is known here.
    pub fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused { code, .. } => RefusalCode::ALL.into_iter().find(|c| c.as_str() == code),
            _ => None,
        }
    }
}

/// A no, as it travels: a word for programs and a reason for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {why}")]
pub struct Refusal {
    /// The word.
    pub code: RefusalCode,
    /// The reason.
    pub why: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: RefusalCode, why: impl std::fmt::Display) -> Self {
        Self { code, why: why.to_string() }
    }
}

/// Why an accepter says no, or ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// Nobody has that key, or not any more.
    NotKnown,
    /// The token opens nothing.
    Token,
    /// Another has the name.
    NameTaken,
    /// What was asked for breaks a rule, or isn't there.
    Invalid,
    /// The speaker may not ask this.
    NotAllowed,
    /// A bound is reached.
    Bound,
    /// The frames make no sense.
    Protocol,
    /// The same key has begun another session.
    Superseded,
    /// Nothing was heard for too long.
    Silent,
    /// The accepter ends.
    Shutdown,
    /// The accepter can't do it now; later it may.
    Unavailable,
    /// A person's word is waited for.
    Pending,
}

impl RefusalCode {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::NotKnown,
        Self::Token,
        Self::NameTaken,
        Self::Invalid,
        Self::NotAllowed,
        Self::Bound,
        Self::Protocol,
        Self::Superseded,
        Self::Silent,
        Self::Shutdown,
        Self::Unavailable,
        Self::Pending,
    ];

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotKnown => "not_known",
            Self::Token => "token",
            Self::NameTaken => "name_taken",
            Self::Invalid => "invalid",
            Self::NotAllowed => "not_allowed",
            Self::Bound => "bound",
            Self::Protocol => "protocol",
            Self::Superseded => "superseded",
            Self::Silent => "silent",
            Self::Shutdown => "shutdown",
            Self::Unavailable => "unavailable",
            Self::Pending => "pending",
        }
    }

    /// Whether another attempt may succeed although nobody does anything about it.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Silent | Self::Shutdown | Self::Unavailable | Self::Superseded | Self::Pending
        )
    }
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
