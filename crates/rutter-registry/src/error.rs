//! What can go wrong in the registry.
//!
//! One promise holds for every variant: **nothing was changed**. A write is acknowledged only
//! after its commit, and an error means that its part of the transaction was rolled back. The
//! one exception is named at [`Error::Unavailable`]: after a power cut, a write refused because
//! the disk failed in the middle of the commit may turn out to be there; one that was
//! acknowledged is never missing.

use std::path::PathBuf;

use rutter_route::{Incarnation, ParseError};

use crate::{DomainName, MemberName, TokenRefusal};

/// The result of asking the registry.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault an error is, and so who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller asked for what can't be: asking again gives the same answer.
    Caller,
    /// Whoever runs the program must change something on the machine.
    Operator,
    /// The storage failed: asking again later may help.
    Storage,
}

/// What went wrong. Nothing was changed; see the module for the exception.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Caller: another user has the name.
    #[error("the name `{name}` belongs to another user")]
    NameTaken {
        /// The name.
        name: DomainName,
    },
    /// Caller: another member has the name.
    #[error("the name `{name}` belongs to another member")]
    MemberNameTaken {
        /// The name.
        name: MemberName,
    },
    /// Caller: somebody else has the key. Whose it is, isn't told.
    #[error("the key belongs to another user, member or node")]
    KeyTaken,
    /// Caller: there is no such thing.
    #[error("there is no {what} `{key}`")]
    NotFound {
        /// What was asked for, such as `identity`.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// Caller: there is one of that name already.
    #[error("there is a {what} `{key}` already")]
    Exists {
        /// Of what, such as `user`.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// Caller: others refer to it.
    #[error("the {what} `{key}` has {why}")]
    InUse {
        /// Of what, such as `user`.
        what: &'static str,
        /// Which.
        key: String,
        /// By what, and what to do.
        why: String,
    },
    /// Caller: there would be more of them than there may be.
    #[error("there are {most} {what} already, which is the most there may be")]
    Bound {
        /// Of what, such as `sources of one user`.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// Caller: a value is too long to be kept.
    #[error("{what} has {bytes} bytes; at most {most} are kept")]
    TooLong {
        /// What, such as `the routes of a lease`.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Caller: the routes belong to a newer session of their source.
    #[error("the source has a newer session, {}", current.0)]
    OldSession {
        /// The session that counts.
        current: Incarnation,
    },
    /// Caller: the token opens nothing.
    #[error("the token is {0}")]
    Token(TokenRefusal),
    /// Caller: the owner has no right to a certificate for that name.
    #[error("`{asked}` is not among the owner's own names: {own}")]
    NotOwn {
        /// The name asked for.
        asked: String,
        /// What may be asked for.
        own: String,
    },
    /// Caller: a certificate can't be made of what was given.
    #[error("no certificate can be made: {why}")]
    Certificate {
        /// What is wrong.
        why: String,
    },
    /// Caller: a text is not what it should be.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Operator: another process has the data directory open.
    #[error(
        "{path} is in use by another process{}: stop that one first, or name another data \
         directory", holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The process that holds it, where it said so.
        holder: Option<u32>,
    },
    /// Operator: a newer version of the program wrote the data.
    #[error(
        "{path} was written by a newer version of rutter ({}schema {found}; this is {}, which knows \
         up to {known}): run that version, or `rutter restore` a backup made before the upgrade. \
         Nothing was changed",
        by.as_ref().map(|by| format!("{by}, ")).unwrap_or_default(), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The database or the backup.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
        /// The version that wrote it, where it says so.
        by: Option<String>,
    },
    /// Operator: a backup can't be taken, or isn't what could be restored there.
    #[error("{path}: {why}")]
    Backup {
        /// The backup, or the data directory.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Operator: the system lets this user not do that.
    #[error("no permission to {doing} {path}: change its owner or mode, or run as its owner")]
    NoPermission {
        /// What was tried, such as `write`.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
    },
    /// Operator: others than its owner may read a secret.
    #[error("{path} has mode {mode:03o} and holds a secret: `chmod {wanted:03o} {path}`")]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode now.
        mode: u32,
        /// The mode it must have.
        wanted: u32,
    },
    /// Operator: a file isn't what it was when it was written.
    #[error("{path} is damaged: {why}; restore it from a copy")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Operator: the CA's time is over.
    #[error(
        "the CA in {path} has ended, or the clock is wrong: set the clock, or remove the file for \
         a new CA (every agent must then join again)"
    )]
    CaEnded {
        /// The CA's file.
        path: PathBuf,
    },
    /// Operator: the system refused a file operation.
    #[error("can't {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Storage: the database can't be written or read now, as when the disk is full. Reads may
    /// still be answered. Should the machine lose power next, the refused write may be found.
    #[error("the registry can't be used now: {why}")]
    Unavailable {
        /// What the database said.
        why: String,
    },
    /// Storage: what is stored can't be read as what it should be.
    #[error("the registry holds a {what} that can't be read: {why}")]
    Unreadable {
        /// What, such as `word`.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Storage: the store's own rules refused a write that should have been asked for otherwise;
    /// a mistake in the program.
    #[error("the registry refused a write: {why}")]
    Refused {
        /// What the database said.
        why: String,
    },
    /// Storage: the registry was closed.
    #[error("the registry is closed")]
    Closed,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NameTaken { .. }
            | Self::MemberNameTaken { .. }
            | Self::KeyTaken
            | Self::NotFound { .. }
            | Self::Exists { .. }
            | Self::InUse { .. }
            | Self::Bound { .. }
            | Self::TooLong { .. }
            | Self::OldSession { .. }
            | Self::Token(_)
            | Self::NotOwn { .. }
            | Self::Certificate { .. }
            | Self::Parse(_) => Fault::Caller,
            Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Backup { .. }
            | Self::NoPermission { .. }
            | Self::Exposed { .. }
            | Self::Damaged { .. }
            | Self::CaEnded { .. }
            | Self::Io { .. } => Fault::Operator,
            Self::Unavailable { .. }
            | Self::Unreadable { .. }
            | Self::Refused { .. }
            | Self::Closed => Fault::Storage,
        }
    }
}
