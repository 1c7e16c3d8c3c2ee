//! Providers: the routes that people's files and containers ask for.
//!
//! What a text means is a pure function of it, each route judged alone. Around that stand those
//! who watch files, ask engines, and probe endpoints.
//!
//! - [`godoxy`] reads GoDoxy's files and labels, without I/O.
//! - [`Route`] is what they all become; a [`Reading`] says what stands, what is shown only, and
//!   what was refused and why.
//! - [`files`] watches files, [`docker`] container engines, [`proxmox`] what stands behind hosts.
//! - [`conflict`] decides who has an alias that several want.
//! - [`catalogue`] judges all of them together and tells the table; [`registry`] shows the outcome.
//! - [`monitor`] says of each route whether its endpoint is well.
//!
//! Invariants:
//! - a route is never less protected than it was written: a field that protects and isn't there
//!   yet, one that is wrong and one that nobody knows refuse it by name, and nobody else is served
//!   in its place;
//! - one route's mistakes refuse no other;
//! - what comes out depends on what was said, never on the order in which it came.
#![forbid(unsafe_code)]

mod alias;
mod balance;
pub mod catalogue;
pub mod conflict;
pub mod docker;
mod enrich;
pub mod files;
pub mod godoxy;
mod health;
mod map;
pub mod monitor;
mod provider;
pub mod proxmox;
mod reading;
pub mod registry;
mod route;
#[cfg(test)]
mod testing;
mod tls;

pub use alias::Alias;
pub use balance::Balance;
pub use enrich::Enriches;
pub use health::{HealthSettings, Retries};
pub use provider::{ProviderId, ProviderKind};
pub use reading::{Excluded, Exclusion, Reading, Refused, Remark, RemarkKind};
pub use route::{ContainerId, Homepage, HttpScheme, Paths, ProxmoxLink, Route, Target};
