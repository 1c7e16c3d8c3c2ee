//! The root of a batch: RFC 6962's Merkle tree hash over the messages' bytes as sent.
//!
//! One signature over the root vouches for each message and for their order. Leaves and inner nodes
//! are hashed under different first bytes, so that no message can be taken for a part of the tree.
//! *Rejected*: a hash over all messages in a row, as short; the tree lets a later revision prove one
//! message out of its batch, to one who wasn't there.

use bytes::Bytes;
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

/// The Merkle tree hash of the messages, in order (RFC 6962, section 2.1).
pub fn root(messages: &[Bytes]) -> Hash {
    // Complete subtrees to the left of what is read, the largest first, each with how many leaves it
    // has. Two of one size become one at once, so their sizes are those of the RFC's splits: each
    // the largest power of two below what is left.
    let mut subtrees: Vec<(usize, Hash)> = Vec::with_capacity(16);
    for message in messages {
        let mut tree = (1, leaf(message));
        while let Some((size, left)) = subtrees.pop_if(|(size, _)| *size == tree.0) {
            tree = (size * 2, node(&left, &tree.1));
        }
        subtrees.push(tree);
    }
    let Some((_, mut hash)) = subtrees.pop() else {
        return Sha256::digest([]).into();
    };
    while let Some((_, left)) = subtrees.pop() {
        hash = node(&left, &hash);
    }
    hash
}

fn leaf(message: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(message).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}
