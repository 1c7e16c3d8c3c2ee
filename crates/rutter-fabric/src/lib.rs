//! The fabric: neighbour sessions, keys and signing around the protocol.
//!
//! ```text
//!   neighbours ─TLS─▶ transport ─frames─▶ Speaker, attached to the owner of the book
//!                        ▲                   │ outputs
//!                        └──── frames ◀──────┤
//!                     signer, verifiers ◀────┤   (other cores; answers are inputs)
//!                     keys on disk  ◀────────┘
//!   providers of keys ─────────────▶ inputs
//! ```
//!
//! [`rutter_protocol::Speaker`] decides; this crate does what it wants done and tells it what
//! happened. Sessions are `rutter.v1` over TLS 1.3 in which both ends show a key of their cluster.
#![forbid(unsafe_code)]

pub mod compat;
mod config;
pub mod crypto;
mod error;
mod forwarding;
mod handle;
mod identity;
pub mod keys;
mod known;
mod ports;
mod probe;
mod run;
mod station;
mod trace;
mod transport;
mod trial;

pub use config::{FabricConfig, Liveness, NeighbourConfig, Profile};
pub use error::FabricError;
pub use forwarding::{Forwarding, NeighbourAccess, Way};
pub use handle::{FabricHandle, FabricStatus, PolicyDiff, Trace, TraceCandidate};
pub use run::{bind, prepare, start};
