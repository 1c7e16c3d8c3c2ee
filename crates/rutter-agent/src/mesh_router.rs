//! Speaking to a Mesh Router backend as the original agent does, with its environment.
//!
//! As there: the version is asked for first, then one route of source `agent` is registered and
//! registered again. Unlike there: the answer's HTTP status is looked at, failures back off, and
//! the end withdraws. Certificates aren't fetched; whoever has the three PEM files may name them.

mod config;
mod task;
mod wire;

pub use config::{CertificatePaths, MeshRouterConfig, Provider};
pub(crate) use task::Backend;

#[cfg(test)]
mod tests;
