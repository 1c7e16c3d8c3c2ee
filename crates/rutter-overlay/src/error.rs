//! What can go wrong between this host and one that speaks `nnetman.v1`.

use std::path::{Path, PathBuf};

use rutter_book::BookClosed;

/// What can go wrong. No route has changed where it says nothing else.
#[derive(Debug, thiserror::Error)]
pub enum NNetManError {
    /// A file of `security.control_plane.tls` can't be used.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS can't be set up with those files.
    #[error("TLS of the overlay's exchange: {0}")]
    Tls(String),
    /// The listener's own fault: the system, or HTTP/2.
    #[error("the overlay's exchange can't be served: {0}")]
    Serve(String),
    /// A peer didn't answer, or not in time; another attempt may succeed.
    #[error("{peer} can't be reached: {why}")]
    Unreachable {
        /// Whom was asked.
        peer: String,
        /// What was seen.
        why: String,
        /// Its end of the connection is closed: nobody is there.
        closed: bool,
    },
    /// A peer says no.
    #[error("{peer} refuses: {why}")]
    Refused {
        /// Whom was asked.
        peer: String,
        /// Its words.
        why: String,
    },
    /// The book has ended, as at shutdown.
    #[error(transparent)]
    Closed(#[from] BookClosed),
}

impl NNetManError {
    pub(super) fn file(file: &Path, why: impl std::fmt::Display) -> Self {
        Self::File { file: file.to_owned(), why: why.to_string() }
    }
}
