//! Where keys come from, and by what this cluster signs.
//!
//! Sources: a file or a directory (watched), a command, a URL over HTTPS; all give MPREG's snapshot
//! form or `CLUSTER HEXKEY` lines. Signers: a key file, or a command that gets bytes and gives a
//! signature (an HSM's tool).

use std::path::PathBuf;

/// A provider of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// A directory with a file a cluster.
    Directory(PathBuf),
    /// A command that prints them.
    Command(Vec<String>),
    /// A URL, `https://` only.
    Url(String),
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
        key: rutter_protocol::keys::PublicKey,
    },
}
