//! What can go wrong between this host and its peers, whatever they speak.

use std::path::{Path, PathBuf};

use rutter_book::BookClosed;

use crate::Vni;

/// What can go wrong. No route has changed where it says nothing else.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
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
    /// The configuration can't be in force; nothing of it is.
    #[error("{0}")]
    Policy(#[from] rutter_rib::PolicyError),
    /// There is no such overlay here.
    #[error("there is no overlay {0} here")]
    NoOverlay(Vni),
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

impl OverlayError {
    pub(crate) fn file(file: &Path, why: impl std::fmt::Display) -> Self {
        Self::File { file: file.to_owned(), why: why.to_string() }
    }
}
