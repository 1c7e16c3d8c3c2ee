//! Rutter over HTTP.
#![forbid(unsafe_code)]

pub mod compat;
mod limits;
mod metrics;
mod peer;
mod serve;
mod tables;
mod tls;
mod v1;

pub use metrics::Metrics;
pub use peer::Peer;
pub use serve::{BindError, Limits, Listener};
pub use tables::Tables;
pub use tls::ServerCertificates;
pub use v1::{ApiOptions, ApiParts, Code, Readiness, document, router};

/// Where this crate gets the time. It need not be the clock of a book: between the two only
/// durations travel.
pub type Clock = std::sync::Arc<dyn rutter_book::Clock>;

#[cfg(test)]
mod testing;
