//! Why an engine could not be asked.

use std::path::PathBuf;

/// An engine could not be asked, or what it says can't be taken. What it said before stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// The address in the configuration is none. Nothing was asked.
    #[error("`{address}` is no address of a container engine: {why}")]
    Address {
        /// What was written.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file of the TLS connection can't be used. Nothing was asked.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS settings don't go together. Nothing was asked.
    #[error("TLS to the engine: {0}")]
    Tls(String),
    /// No connection.
    #[error("no connection to the engine: {0}")]
    Connect(#[source] std::io::Error),
    /// It answered with an error, or with something that isn't its API.
    #[error("the engine answered: {0}")]
    Answer(String),
    /// It took too long.
    #[error("the engine took longer than {0:?}")]
    TooSlow(std::time::Duration),
    /// It sent more than is taken.
    #[error("the engine sent more than {limit} bytes for one {what}")]
    TooMuch {
        /// For what.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// It has more containers than are taken.
    #[error("the engine has {n} containers, and {limit} are taken: none of this listing is")]
    TooMany {
        /// How many it has.
        n: usize,
        /// How many are taken.
        limit: usize,
    },
    /// Its stream of events ended.
    #[error("the engine's stream of events ended")]
    Ended,
}
