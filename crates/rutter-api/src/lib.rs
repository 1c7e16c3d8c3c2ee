//! Rutter over HTTP: its own API, and those of systems that people come from.
//!
//! ```text
//!   Listener ── Peer, limits ──▶ router of one surface ──▶ rutter-controller   writes, identities
//!                                 /v1  compat/<system>  └─▶ rutter-book        tables, explain, watch
//! ```
//!
//! This crate translates and decides nothing: a handler reads a request, asks the controller or a
//! book, and writes the answer in the words of its surface. Each surface is a router of its own on
//! a listener of its own, since their paths collide and they trust different people. Whoever starts
//! the program binds listeners ([`Listener::bind`]), restores the controller, and only then serves.
//!
//! Invariants:
//! - every endpoint of `/v1` names who may ask beside its path, and a test asks each with each kind
//!   of token;
//! - what a stranger can take is bounded: connections, heads, bodies, time, watchers, labels;
//! - who asks is the other end of the connection, never what a header says;
//! - secrets stand in no log, and no path of Mesh Router does, since it holds a signature.
#![forbid(unsafe_code)]

pub mod compat;
mod limits;
mod metrics;
mod overlay;
mod peer;
mod serve;
mod services;
mod tables;
mod tls;
mod v1;

pub use metrics::Metrics;
pub use overlay::{
    AsksOverlay, KernelState, LinksState, OverlayState, OverlayStatus, PeerLife, PeerStanding,
    TransitState,
};
pub use peer::Peer;
pub use serve::{BindError, Limits, Listener};
pub use services::Services;
pub use tables::Tables;
pub use tls::ServerCertificates;
pub use v1::{
    ApiOptions, ApiParts, Code, LinkAddress, LocalToken, LocalTokens, Owner, PartState, RECHECK,
    Readiness, document, router,
};

/// Where this crate gets the time. It need not be the clock of a book: between the two only
/// durations travel.
pub type Clock = std::sync::Arc<dyn rutter_book::Clock>;

#[cfg(test)]
mod testing;
