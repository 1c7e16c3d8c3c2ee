//! What neighbours say to each other, and its one form in bytes.
//!
//! A connection carries [`Frame`]s. The first each way is [`Frame::Open`]; then follow batches of
//! [`Message`]s. The encoding is canonical: fields in a fixed order, varints in their shortest form,
//! sets sorted; whatever else is refused, so equal content has equal bytes and a signature is over
//! the bytes as they were sent.
//!
//! Bounds: [`MAX_FRAME`] bytes a frame, [`MAX_BATCH`] messages a batch, [`MAX_PATH`] hops a path,
//! [`MAX_ROUTES`] destinations an announcement. A frame that can't be read ends its connection
//! ([`Malformed`] says at which byte and what was expected); a message that can't be read costs itself.

mod batch;
mod codec;
mod decode;
mod encode;
mod record;
pub mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rutter_route::{AnyDestination, ClusterId, DestinationKind, PathId, Standing, TableName, Tags};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use crate::claims::Claim;
use crate::keys::{KeyId, KeySet};
pub use batch::root;
pub use codec::Malformed;

/// The revision of the protocol that this code speaks.
pub const REVISION: u32 = 1;

/// The longest frame, in bytes.
pub const MAX_FRAME: usize = 1 << 20;

/// The most messages in a batch.
pub const MAX_BATCH: usize = 256;

/// The most hops of a path.
pub const MAX_PATH: usize = 64;

/// The most destinations of one announcement.
pub const MAX_ROUTES: usize = 1024;

/// The most scopes of an open.
pub const MAX_SCOPES: usize = 4096;

/// The longest text for people, and the longest address of a gateway, in bytes.
pub const MAX_TEXT: usize = 1024;

/// An Ed25519 signature. As JSON it is hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(#[serde(with = "crate::hex")] pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// One frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first of each end.
    Open(Open),
    /// Messages, in order.
    Batch(Batch),
    /// Nothing follows on this connection.
    Close(Close),
}

/// Who speaks, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// [`REVISION`] of the sender.
    pub revision: u32,
    /// The sender's cluster.
    pub cluster: ClusterId,
    /// Whom it means to speak with.
    pub to: ClusterId,
    /// The sender's boot: greater than in any life before.
    pub incarnation: u64,
    /// Drawn anew for each connection: what is signed is good for this session alone.
    #[serde(with = "crate::hex")]
    pub nonce: [u8; 16],
    /// The scopes that the sender takes, with what kind of destinations each has.
    pub scopes: BTreeMap<Scope, DestinationKind>,
    /// The most paths of one destination that it wants to be told.
    pub paths: u8,
    /// Where the sender's gateway takes what is forwarded to it, `HOST:PORT`; empty: it has none.
    pub gateway: String,
}

/// Under which name two clusters know a table: `fabric`, `services`, `overlay/100`.
pub type Scope = TableName;

/// Messages that are sent as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Rises by one each time the sender begins to tell over another connection; what comes of an
    /// older stream is passed over, however late.
    pub stream: u64,
    /// Rises by one with each batch of a connection, from 1. One that was heard already, or a gap,
    /// ends the connection.
    pub number: u64,
    /// Each as it was encoded; see [`Message::decode`].
    pub messages: Vec<Bytes>,
    /// Who vouches for them.
    pub signed: Signed,
}

/// How what is in a batch is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// Not at all (`profile: open`).
    Not,
    /// One signature over [`sign::batch_bytes`].
    Batch(KeyId, Signature),
    /// One a message, in their order, each over [`sign::message_bytes`].
    Each(KeyId, Vec<Signature>),
}

/// The end of a connection, as it is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Close {
    /// For good: what was said is withdrawn.
    Goodbye,
    /// The sender means to be back in this time: what it said is kept that long, as stale.
    Restart(Duration),
    /// The other end broke the protocol, or may not speak; for people.
    Refused(String),
}

/// What a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Routes that stand from now on, in place of what was said of the same (destination, path id).
    Announce(Announcement),
    /// Routes that stand no more.
    Withdraw(Withdrawal),
    /// A claim renewed by its originator; the routes that rest on it stand as they are.
    Renew(Scope, Claim),
    /// The receiver of a claim knows a newer one: this.
    Held(Scope, Claim),
    /// Keys of a cluster.
    Keys(KeySet),
    /// What follows until [`Message::EndOfRefresh`] is all that there is in this scope.
    BeginRefresh(Scope),
    /// What was said of this scope before the refresh, and not in it, is withdrawn.
    EndOfRefresh(Scope),
    /// The sender wants to hear everything of this scope again.
    Refresh(Scope),
}

/// Routes with the same attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Of which table.
    pub scope: Scope,
    /// The clusters that it leads through: the advertiser first, the originator last.
    pub path: SmallVec<[ClusterId; 4]>,
    /// Of the whole path, as the advertiser has it.
    pub metrics: Metrics,
    /// Tags that clusters on the way have added to the originator's.
    pub tags: Tags,
    /// How the advertiser has it: eligible or impaired.
    pub standing: Standing,
    /// What it leads to.
    pub routes: Vec<Announced>,
}

/// One destination of an [`Announcement`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// What is reached.
    pub destination: AnyDestination,
    /// Which of the advertiser's paths; empty where it tells its best alone.
    pub path_id: PathId,
    /// The originator's word; `None`: it gave none (`profile: open`).
    pub claim: Option<Claim>,
}

/// What a path costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Metrics {
    /// Links.
    pub hops: u16,
    /// Microseconds, the sum.
    pub latency_us: u32,
    /// kbit/s, the least that is known; 0: unknown.
    pub bandwidth_kbps: u32,
    /// Parts a million, the least.
    pub reliability_ppm: u32,
    /// The sum.
    pub cost: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { hops: 0, latency_us: 0, bandwidth_kbps: 0, reliability_ppm: 1_000_000, cost: 0 }
    }
}

/// Routes that stand no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Of which table.
    pub scope: Scope,
    /// Which.
    pub routes: Vec<Withdrawn>,
}

/// One destination of a [`Withdrawal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// What was reached.
    pub destination: AnyDestination,
    /// Which of the advertiser's paths.
    pub path_id: PathId,
    /// The originator's own withdrawal, where the advertiser has it.
    pub claim: Option<Claim>,
}
