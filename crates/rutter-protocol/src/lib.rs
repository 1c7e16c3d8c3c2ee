//! The fabric's protocol: signed path-vector between clusters, as a state machine without I/O.
//!
//! ```text
//!   neighbour ─frames─▶ Speaker ─────▶ tables of a book ─────▶ outlets ─────▶ frames ─▶ neighbours
//!              wire      claims, keys,   policy, stability,     what each was    wire,
//!                        loop checks     selection              told, pacing     signatures
//! ```
//!
//! A [`Speaker`] is one cluster's voice. It takes [`Input`]s, puts what neighbours say into the
//! tables of a [`rutter_rib::Book`], and gives [`Output`]s: frames to send, bytes to sign, signatures
//! to verify, connections to close, what to log. It owns no socket, no clock and no key: time is an
//! argument, and a signature is an answer to an output. So the code that ships is the code that is
//! simulated, and one seed replays a whole network.
//!
//! # Who says what
//!
//! - What a cluster *originates* is a [`Claim`](claims::Claim), signed by it once: (originator,
//!   scope, destination, its tags, incarnation and sequence, not-after). It is relayed unchanged.
//! - *Path, metrics and added tags* are the word of the neighbour that announces a route.
//! - What a neighbour says in a session it signs, each message or a batch at a time, for the one
//!   who is to hear it and for this session alone ([`wire::sign`]).
//!
//! # Where it is kept
//!
//! Routes are candidates of the book's tables, claims are in [`claims::Claims`], keys in
//! [`keys::KeyRegistry`]; what each neighbour was told is in an outlet.
#![forbid(unsafe_code)]

pub mod claims;
pub mod hex;
pub mod keys;
pub mod link;
pub mod planner;
pub mod policy;
pub mod speaker;
pub mod stats;
pub mod wire;

pub use speaker::{Engine, Input, Output, Speaker, SpeakerConfig};
