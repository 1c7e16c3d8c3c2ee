//! n-netman: its configuration file and its exchange of routes, for hosts that still run it.
//!
//! ```text
//!            ┌─ service ─┐
//!  originals ┤           ├─ map ─▶ Feed ─▶ book ─▶ outlets ─▶ task
//!            └─ client ◀─┴─────── task
//! ```
//!
//! - `config`: the file.
//! - `wire`: `nnetman.v1`, from a definition of our own; `map`: its words and Rutter's.
//! - `service`: the four calls, for who calls us.
//! - `client`, `task`, `outlets`: whom we call, when, and what we tell.
//!
//! Where it answers otherwise than the original: a caller must prove to be a configured peer,
//! unless the configuration waives it; what is refused isn't counted as taken, and named in the
//! acknowledgement's `error`; a prefix means the same however it is written; own routes are told
//! with next hop and lease; a stream of keepalives that the caller ends, ends well. `ExchangeState`
//! adds and never sweeps, as in the original: its routes end with their leases.

mod client;
pub mod config;
mod map;
mod outlets;
mod service;
mod task;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use service::service;
pub(crate) use task::{Original, Told};
