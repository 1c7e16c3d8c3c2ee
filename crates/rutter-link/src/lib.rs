//! `rutter.v1`: how Rutter's own parts speak with each other.
//!
//! One protocol for agents, nodes, gateways, overlay peers and fabric neighbours. What differs
//! between them is which tables they are told of and what they may say; the bones are the same:
//! hello with identity and version, snapshot, end of snapshot, numbered changes, keepalive, and
//! resume where that is possible. `proto/rutter.v1.proto` is the definition.
//!
//! ```text
//!   the dialing end                                  the accepting end
//!   ───────────────                                  ─────────────────
//!   Uplink     a sink ◀──── updates ─────────────── an outlet of a table in a book
//!              what it sees ──── observations ────▶ shown there
//!   Announcer  a source ──── updates ─────────────▶ Announced: who takes what it says
//!              ◀──────────── reports ──────────────
//!   Dialer     enrols a key by a token ───────────▶ Admission: who a key is
//! ```
//!
//! - Both ends are level-triggered: a lost session loses nothing that a later one doesn't make
//!   good, and nothing is withdrawn because a session was lost.
//! - On a link, who speaks is a key ([`LinkKey`]), proved in the TLS handshake; who is listened to is
//!   a pin. Others may prove it otherwise ([`Proof`], [`Connects`]): the session is the same.
//! - Neighbours of a fabric are equals, whoever dialled: a [`NeighbourSession`] carries their own
//!   protocol's frames and pings, and nothing of tables.
//! - [`relay`] puts what was told into a table of one's own.
#![forbid(unsafe_code)]

mod accept;
mod backoff;
mod caller;
mod dial;
mod error;
mod key;
pub mod map;
mod neighbour;
pub mod relay;
mod said;
mod talk;
mod tls;
mod wire;

pub use accept::{
    AGAIN, AcceptConfig, Accepter, Admission, Admitted, Announced, ByteStream, Connection,
    Enrolled, Enrolment, HANDSHAKE, Handshake, Incoming, LinkListener, MAX_PINGS,
    MAX_SUBSCRIPTIONS, Offer, Pinged, TellsMap, link_service,
};
pub use backoff::{Backoff, chance};
pub use caller::{Caller, Peer, Proof};
pub use dial::announce::{Announcer, Answered, MAX_SEEN, MAX_SOURCES, NodeUp};
pub use dial::uplink::{Heard, SinkSpec, Uplink};
pub use dial::{Connects, Dialer, Dials, Remote};
pub use error::{LinkError, Refusal, RefusalCode};
pub use key::{LinkKey, PeerKey};
pub use map::{EncodedMap, MapChange, MapExit, MapPeer};
pub use neighbour::{
    NeighbourDialer, NeighbourSaid, NeighbourSender, NeighbourService, NeighbourSession,
    NextHopAnswer, NextHopAsk, SessionOver, TakesNeighbours, serve_neighbours,
};
/// What an [`AnyBatch`] holds.
pub use rutter_rib::{Batch, Tell, ToldRoute};
pub use said::{AnyBatch, Outcome, SourceReport, SourceUpdate};
pub use talk::{KEEPALIVE, LastHeard, Pulse, SILENCES};
pub use tls::{
    CaPin, KeyVerifier, PinMismatch, PinnedCa, RemoteKey, SharedIdentity, Signatures, UnknownKey,
};
pub use wire::observation::{Observation, Seen};
pub use wire::{Family, Malformed, REVISION};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
