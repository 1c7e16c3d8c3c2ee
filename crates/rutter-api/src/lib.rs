//! Rutter over HTTP.
#![forbid(unsafe_code)]

pub mod compat;
mod limits;
mod serve;
mod v1;

pub use serve::{BindError, Limits, Listener, Peer};
pub use v1::{ApiOptions, Code, Readiness, document, router};

/// Where this crate gets the time. It need not be the clock of a book: between the two only
/// durations travel.
pub type Clock = std::sync::Arc<dyn rutter_book::Clock>;

#[cfg(test)]
mod testing;
