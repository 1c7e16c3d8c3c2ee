//! Backups: what a controller needs to live elsewhere, in one file.
//!
//! ```text
//!  rutter-backup 1 SHA256-OF-THE-NEXT-LINE
//!  {"rutter":"0.1.0","schema":2,"taken":…,"files":[{"name":"registry.db","bytes":…,"sha256":…},…]}
//!  the bytes of those files, one after the other
//! ```
//!
//! Every byte is under a checksum: the first line guards the second, which guards the rest. A reader
//! needs nothing but the file to say what it is, who wrote it and whether it is whole.
//!
//! **What is in it**: the registry and the CA's key and certificate, without which every agent
//! would have to join again, and the gateway's ACME account and certificate, of which CAs give a
//! few a week only; of a fabric the cluster's key, without which no neighbour takes it for the same,
//! what it knows of others' keys, and the number of its last boot. [`KEPT`] is the list, and a test asks that whatever lies in a data
//! directory is either in it or among what is [`LOCAL`]: the machine's own token, lock, sockets,
//! certificates that the CA signs anew at each start, the kernel's routes that an overlay has displaced,
//! and what belongs to an agent beside it.
//!
//! **Consistent under writes.** The registry is copied by SQLite's `VACUUM INTO`, which reads one
//! snapshot of the log while writers go on: everything that was acknowledged before it began is in
//! the copy, and of a transaction all or nothing. Rejected: copying `registry.db` and its log (two
//! files at two moments); the backup API page by page (it begins anew whenever somebody writes, so
//! under a steady load it needn't end); a dump as SQL (slow to read back, and a second schema).
//!
//! **Incarnations jump at a restore**, by [`JUMP`]: the copy's counter knows nothing of the sessions
//! that were opened after it was taken, and to give their numbers again would let an old session
//! speak for a new one.

mod restore;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

pub use restore::{Backup, RestoreOptions, Restored};
pub(crate) use write::remove_snapshots;
pub use write::{Copied, before_upgrade, put_back, snapshot, write};

/// The files of a data directory that are kept; those after the first need not be there.
pub const KEPT: [&str; 8] = [
    REGISTRY,
    "ca.pem",
    "acme-account.json",
    "acme-certificate.pem",
    "fabric/key.pem",
    "fabric/incarnation",
    "fabric/keys.json",
    "fabric/sources.json",
];

/// What lies in a data directory and is of its machine, or is made anew at a start.
pub const LOCAL: [&str; 12] = [
    "lock",
    "run.json",
    "control.sock",
    "admin.token",
    "agent",
    "displaced",
    "fabric/lock",
    "ca.crt",
    "gateway-chain.pem",
    "gateway-key.pem",
    "registry.db-wal",
    "registry.db-shm",
];

pub(crate) const REGISTRY: &str = "registry.db";
const MAGIC: &str = "rutter-backup";
const FORMAT: u32 = 1;
/// The longest first and second line.
const MAX_LINE: u64 = 64 * 1024;
/// More than there can have been sessions since any backup, and room for millions of restores.
const JUMP: i64 = 1 << 40;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the program that made it.
    pub rutter: String,
    /// The schema of its registry.
    pub schema: i64,
    /// When it was begun: milliseconds since the Unix epoch.
    pub taken: u64,
    /// What follows, in this order.
    pub files: Vec<Kept>,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// One of [`KEPT`].
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The bytes of all its files.
    pub fn total(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// How far a copy is, in bytes: (done, of all).
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

fn hex(digest: Sha256) -> String {
    use std::fmt::Write;
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |error| crate::data_dir::io(doing, path, error)
}

fn refused(path: &Path, why: impl Into<String>) -> Error {
    Error::Backup { path: path.to_owned(), why: why.into() }
}

/// Whether a directory has anything in it; one that isn't there has nothing.
fn is_empty(path: &Path) -> Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(io("read", path)(error)),
    }
}
