//! Where keys come from, by what this cluster signs, and what of it outlives a restart.
//!
//! ```text
//!   files, directories ─┐
//!   commands ───────────┼─▶ Watcher ─ what changed ─▶ the speaker's registry ─▶ Keeper ─▶ disk
//!   URLs ───────────────┘
//!   the speaker ─ bytes ─▶ Signer (a key file, or a command) ─ signatures ─▶ the speaker
//! ```
//!
//! Sources: a file or a directory (watched), a command, a URL over HTTPS; all give MPREG's snapshot
//! form or `CLUSTER HEXKEY` lines ([`read()`]). Signers: a key file, or a command that gets bytes and
//! gives a signature (an HSM's tool).
//!
//! Whatever fails keeps what was known, and is logged when it begins to fail and when it is well
//! again: a directory that can't be read revokes nobody.

mod command;
mod read;
mod signer;
mod sources;
mod state;
#[cfg(test)]
mod tests;
mod url;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use rutter_protocol::keys::KeyRegistry;
use rutter_protocol::keys::PublicKey;
use rutter_route::{ClusterId, Now};

pub use read::{Given, ReadError, read};
pub use signer::Signer;
pub use state::{Keeper, State};
pub use watch::{Told, Watcher, known};

/// The longest text of keys that is read, in bytes: 16,384 clusters with several keys each.
pub const MAX_TEXT: usize = 16 << 20;

/// A provider of keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A directory with a file a cluster: `NAME.pub` or `NAME.json`, which speaks for NAME alone.
    Directory(PathBuf),
    /// A command that prints them.
    Command(Vec<String>),
    /// A URL, `https://` only.
    Url(String),
    /// Keys that stand in the configuration itself. They are a source like the others: what all say
    /// of a cluster is one word, and two words would take turns at each restart.
    Written(BTreeMap<ClusterId, Vec<PublicKey>>),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Directory(path) => write!(f, "directory {}", path.display()),
            // Its arguments may hold a token.
            Self::Command(command) => {
                write!(f, "command {}", command.first().map_or("", String::as_str))
            }
            Self::Url(url) => write!(f, "URL {}", url.split(['?', '#']).next().unwrap_or_default()),
            Self::Written(_) => f.write_str("the configuration"),
        }
    }
}

/// By what this cluster signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerSpec {
    /// A key file of this cluster, PKCS#8 PEM; it is made where it isn't there.
    File(PathBuf),
    /// A command: it gets the bytes on its standard input, and prints the signature in hex.
    Command {
        /// The command and its arguments.
        command: Vec<String>,
        /// The public key that it signs by.
        key: PublicKey,
    },
}

/// Puts the own key into the registry at the start. `Some`: the key that was primary is still the
/// one before the signer's, so a rotation was begun and not announced; the speaker is to be told
/// [`rutter_protocol::Input::Rotate`] to this key, and the one before vouches for it.
pub fn begin_own(
    registry: &mut KeyRegistry,
    now: Now,
    own: &ClusterId,
    signer: &Signer,
) -> Option<PublicKey> {
    let to = signer.primary();
    match registry.primary(now, own) {
        Some((_, key)) if key == to => None,
        Some((id, _)) if signer.holds(&id) => Some(to),
        _ => {
            let record =
                rutter_protocol::keys::KeyRecord { key: to, added_at: now.wall, expires_at: None };
            registry.provide(now, own, vec![record]);
            None
        }
    }
}
