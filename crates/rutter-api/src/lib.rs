//! Rutter over HTTP.
#![forbid(unsafe_code)]

mod clock;
pub mod compat;
mod limits;
mod serve;

pub use clock::Clock;
pub use serve::{BindError, Limits, Listener, Peer};

#[cfg(test)]
mod testing;
