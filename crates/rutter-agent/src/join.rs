//! Joining Rutter's controller, over `rutter.v1`.
//!
//! ```text
//!  state file ─┬─ none ──────▶ key made and stored ─▶ joins by the join token ─┐
//!              ├─ of HTTP ───▶ joins by its agent token; stands in over HTTP   ├─▶ announces
//!              └─ of the link ─────────────────────────────────────────────────┘
//! ```
//!
//! A join token is spent once: it makes the agent's key known, and what became of it is kept
//! (`state`). From then on the key is all that is needed, over a session (`announce`) that says
//! what services there are and hears how they stand. Should the controller not know the key (a new
//! data directory, a removed name) and the operator have given another join token than the one
//! that was spent, the agent joins anew with that.
//!
//! An agent that joined over HTTP has an agent token. Its key joins by that token, so it keeps
//! user and name; while the link isn't there it goes on over HTTP (`by_http`). The rejected
//! alternative is to join anew: its name is taken, by itself.

mod announce;
mod by_http;
mod config;
mod map;
pub(crate) mod state;
mod task;
mod wire;

pub use config::{JoinConfig, JoinUrl};
pub(crate) use task::Joining;

#[cfg(test)]
mod tests;
