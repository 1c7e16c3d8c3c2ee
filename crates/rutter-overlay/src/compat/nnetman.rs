//! n-netman: its configuration file and its exchange of routes, for hosts that still run it.
//!
//! ```text
//!            ┌─ listener ─ service ─┐                       ┌─ Announced ◀─ configuration
//!  originals ┤                      ├─ map ─▶ Feed ─▶ book  │
//!            └─ client ◀── task ────┘                       └──▶ task, service
//! ```
//!
//! - `config`: the file.
//! - `wire`: `nnetman.v1`, from a definition of our own; `map`: its words and Rutter's.
//! - `listener`, `service`: the four calls, for who calls us.
//! - `client`, `task`: whom we call, and when: one task a peer, so one that hangs delays nobody.
//!
//! Where it answers otherwise than the original: a caller must prove to be a configured peer,
//! unless the configuration waives it; what is refused isn't counted as taken, and named in the
//! acknowledgement's `error`; a prefix means the same however it is written; own routes are told
//! with next hop and lease; a stream of keepalives that the caller ends, ends well. `ExchangeState`
//! adds and never sweeps, as in the original: its routes end with their leases.

mod client;
pub mod config;
mod error;
mod listener;
mod map;
mod service;
mod task;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use error::NNetManError;
pub use listener::Listener;
pub use service::Host;
pub use task::{Standings, talk};
