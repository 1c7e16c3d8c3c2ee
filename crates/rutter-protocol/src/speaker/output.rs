//! All that a speaker wants done.

use bytes::Bytes;
use rutter_route::{AnyDestination, ClusterId};
use serde::{Deserialize, Serialize};

use super::{ConnectionId, Ticket};
use crate::keys::{KeyId, PublicKey};
use crate::stats::Reason;
use crate::wire::{Scope, Signature};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Send a frame. It takes one of the connection's room.
    Send {
        /// Over which.
        connection: ConnectionId,
        /// The frame.
        #[serde(with = "crate::hex")]
        frame: Bytes,
    },
    /// So many more frames may be delivered of this connection: nobody reads ahead of that.
    Credit {
        /// Which.
        connection: ConnectionId,
        /// How many.
        frames: u32,
    },
    /// End a connection once what was sent is out.
    Close {
        /// Which.
        connection: ConnectionId,
        /// For people.
        why: String,
    },
    /// Sign, by this cluster's key of that id; answered by [`super::Input::Signed`].
    Sign {
        /// The answer's.
        ticket: Ticket,
        /// By which key.
        key: KeyId,
        /// What.
        #[serde(with = "crate::hex")]
        bytes: Vec<u8>,
    },
    /// Verify, strictly (no other rule than `verify_strict`, anywhere); answered by
    /// [`super::Input::Verified`].
    Verify {
        /// The answer's.
        ticket: Ticket,
        /// What, in the order of the answer.
        checks: Vec<Check>,
    },
    /// Keys have changed: they are to be kept ([`super::Speaker::keys`]).
    KeepKeys,
    /// Something for the log, under the seed's names.
    Log(LogEvent),
}

/// One signature to be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// By which key.
    pub key: PublicKey,
    /// Over what.
    #[serde(with = "crate::hex")]
    pub bytes: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Each route.
    Debug,
    /// Sessions, keys, policies.
    Info,
    /// What somebody should look at.
    Warn,
}

/// The seed's lifecycle events: announce, accept, reject, withdraw, hold-down, suppress, purge; and
/// what befalls sessions and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A route was told to a neighbour.
    RouteAnnounce,
    /// A route was taken in.
    RouteAccept,
    /// A route was refused.
    RouteReject,
    /// A route was withdrawn.
    RouteWithdraw,
    /// A route waits.
    RouteHoldDown,
    /// A route is damped.
    RouteSuppress,
    /// A route ended by time.
    RoutePurge,
    /// A neighbour's session began.
    SessionUp,
    /// A neighbour's last connection is gone.
    SessionDown,
    /// A neighbour comes near its limit, or is at it.
    LimitWarning,
    /// Keys of a cluster have changed.
    KeysChanged,
    /// Signing failed.
    SignFailed,
    /// A policy contradicts itself: the one before stays in force.
    PolicyRefused,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// What happened.
    pub what: What,
    /// How loud.
    pub level: Level,
    /// With whom.
    pub neighbour: Option<ClusterId>,
    /// In which scope.
    pub scope: Option<Scope>,
    /// To what.
    pub destination: Option<AnyDestination>,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// For people.
    pub why: String,
}
