//! Signatures that were found good, so that none is verified twice: a claim that comes from many
//! neighbours, or again after a session broke.
//!
//! Only good ones are kept: a bad one costs its sender the session, and whoever makes up bad ones
//! makes up others each time. They are kept under SHA-256 over (key, signature, bytes): the bytes
//! are chosen by strangers, so nothing weaker will do. Two generations of [`GENERATION`]: when the
//! younger is full the older goes.

use std::collections::HashSet;

use rutter_protocol::speaker::Check;
use sha2::{Digest, Sha256};

/// How many a generation holds: 2 x 32,768 digests, with their table about 5 MiB.
const GENERATION: usize = 32_768;

/// What a check is known by.
pub(super) type Known = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashSet<Known>,
    old: HashSet<Known>,
}

/// The digest of a check. Key and signature have fixed lengths, so nothing is ambiguous.
pub(super) fn digest(check: &Check) -> Known {
    let mut sha = Sha256::new();
    sha.update(check.key.0);
    sha.update(check.signature.0);
    sha.update(&check.bytes);
    sha.finalize().into()
}

impl Cache {
    pub(super) fn has(&self, known: &Known) -> bool {
        self.young.contains(known) || self.old.contains(known)
    }

    pub(super) fn put(&mut self, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(known);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
