//! Overlays: hosts tell each other their networks, each decides what to accept, and the kernel
//! follows.
//!
//! ```text
//!  netman.yaml ─▶ compat::nnetman::config ─▶ OverlayConfig ─▶ import ─▶ Policy of overlay/<vni>
//!                                                 │                        │
//!                                                 ▼                        ▼
//!        peers ◀── Announced ◀────────────── own networks     peers ─▶ Feed ─▶ table
//! ```
//!
//! An overlay is a VXLAN with a table of its own, `overlay/<vni>`, in a book. Its peers are sources
//! of `Prefix` routes there; what may enter is the table's import policy and nothing else, so
//! `explain` names the reason of every refusal.
//!
//! [`OverlayConfig`] is in Rutter's words, whatever file it comes from. n-netman's words live in
//! [`compat::nnetman`] and nowhere else.
#![forbid(unsafe_code)]

mod announced;
pub mod compat;
mod config;
pub mod feed;
pub mod import;
pub mod netplan;

pub use announced::{Announced, OwnRoute};
pub use config::{
    Bridge, BridgeCare, CertificateFiles, Exchange, Export, Flooding, Identity, Import,
    ImportOrder, Install, InterfaceAddress, LinkName, Lookup, MIN_MESSAGE, Netplan, Observe,
    Overlay, OverlayConfig, Peer, PeerName, RoutingTable, Timers, Topology, TopologyMode, Transit,
    Vni, Vxlan,
};
