//! Joining Rutter's controller, over `/v1`.
//!
//! A join token is spent once for an identity: the controller makes user id, name and key, and
//! gives an agent token. That token is kept in a state file (`state`) and all else is asked with
//! it. Should the controller refuse it (a new data directory, a revoked token) and the operator
//! have given another join token than the one that was spent, the agent joins anew with that.

mod config;
mod state;
mod task;
mod wire;

pub use config::{JoinConfig, JoinUrl};
pub(crate) use task::Joining;

#[cfg(test)]
mod tests;
