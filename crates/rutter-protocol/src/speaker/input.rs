//! All that can happen to a speaker.

use std::time::Duration;

use bytes::Bytes;
use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

use super::{NeighbourSpec, Security};
use crate::keys::{KeyRecord, PublicKey};
use crate::link::Sample;
use crate::policy::FabricPolicy;
use crate::wire::Signature;

/// One connection, never used twice in a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// What an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

/// How this cluster parts from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// For good.
    Goodbye,
    /// It means to be back in this time.
    Restart(Duration),
}

/// What has happened. It can be written down as JSON and played again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// There is a connection to a neighbour, whose identity the transport has proved.
    Up {
        /// To whom.
        neighbour: ClusterId,
        /// Which.
        connection: ConnectionId,
        /// Drawn by chance for this connection.
        #[serde(with = "crate::hex")]
        nonce: [u8; 16],
    },
    /// A frame came.
    Heard {
        /// Over which connection.
        connection: ConnectionId,
        /// The frame.
        #[serde(with = "crate::hex")]
        frame: Bytes,
    },
    /// The connection takes this many frames more.
    Room {
        /// Which.
        connection: ConnectionId,
        /// How many, beside those that it took already.
        frames: u32,
    },
    /// The connection is gone.
    Down {
        /// Which.
        connection: ConnectionId,
        /// For people.
        why: String,
    },
    /// What was to be signed is, or can't be.
    Signed {
        /// Whose answer.
        ticket: Ticket,
        /// The signature, or why there is none.
        signature: Result<Signature, String>,
    },
    /// Signatures were verified.
    Verified {
        /// Whose answer.
        ticket: Ticket,
        /// Of each check, whether it is good.
        good: Vec<bool>,
    },
    /// A provider says which keys a cluster has, the first of them its primary.
    Keys {
        /// Whose.
        cluster: ClusterId,
        /// Which.
        keys: Vec<KeyRecord>,
    },
    /// This cluster signs by another key from now on.
    Rotate {
        /// Its public half.
        to: PublicKey,
        /// How long the one before still counts.
        overlap: Duration,
    },
    /// A link was measured.
    Measured {
        /// To whom.
        neighbour: ClusterId,
        /// What was seen.
        sample: Sample,
    },
    /// Another policy is in force.
    Policy(Box<FabricPolicy>),
    /// Other neighbours, or the same with other settings; sessions of those that aren't there any
    /// more end.
    Neighbours(std::collections::BTreeMap<ClusterId, NeighbourSpec>),
    /// Other rules of signing.
    Security(Box<Security>),
    /// This cluster is about to end.
    Leave(Parting),
    /// A deadline has come.
    Tick,
}
