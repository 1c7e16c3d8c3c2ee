//! Overlays: hosts tell each other their networks, each decides what to accept, and the kernel
//! follows.
//!
//! ```text
//!  netman.yaml ─▶ compat::nnetman::config ─▶ OverlayConfig ─▶ import ─▶ Policy of overlay/<vni>
//!                                                 │                        │
//!                                                 ▼                        ▼
//!                 own networks ──────────────▶ Speaker ── Feed ─────────▶ table ─▶ kernel_outlet
//!                                               ▲   ▲                      │
//!          peers' sessions and calls ── Listener   Talk, one a peer        └─▶ outlets of peers
//! ```
//!
//! An overlay is a VXLAN with a table of its own, `overlay/<vni>`, in a book. Its peers are sources
//! of `Prefix` routes there; what may enter is the table's import policy and nothing else, so
//! `explain` names the reason of every refusal. What leaves is an outlet's export policy.
//!
//! Between Rutter hosts the session is `rutter.v1`, tried first; with an original it is
//! `nnetman.v1`. Both are spoken on one port.
//!
//! [`OverlayConfig`] is in Rutter's words, whatever file it comes from. n-netman's words live in
//! [`compat::nnetman`] and nowhere else.
#![forbid(unsafe_code)]

mod announced;
mod board;
pub mod compat;
mod config;
mod error;
mod export;
pub mod feed;
mod host;
pub mod import;
mod listener;
pub mod netplan;
mod own;
mod speaker;
mod talk;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod way;

pub use announced::{Announced, OwnRoute};
pub use board::{Life, Lives, Protocol};
pub use config::{
    Bridge, BridgeCare, CertificateFiles, Exchange, Export, Flooding, Identity, Import,
    ImportOrder, Install, InterfaceAddress, LinkName, Lookup, MAX_PREFIXES, MIN_MESSAGE, Netplan,
    Observe, Overlay, OverlayConfig, Peer, PeerName, RoutingTable, Timers, Topology, TopologyMode,
    Transit, Vni, Vxlan,
};
pub use error::OverlayError;
pub use export::{RELAY_METRIC, kernel_outlet};
pub use listener::Listener;
pub use own::own_source;
pub use speaker::{Parting, PeerStatus, Reloaded, Speaker, SpeakerSpec};
