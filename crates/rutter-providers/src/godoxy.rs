//! GoDoxy's words: route files and container labels, read as the original reads them and judged
//! more strictly where a route could be less protected than it was written.
//!
//! ```text
//!  file ──▶ environment ──▶ tree ──┐
//!                                  ├──▶ written ──▶ resolve ──▶ Route, exclusion or refusal
//!  labels ──▶ assign, merge ──▶ tree ┘             │
//!                                               detect, exclude
//! ```
//!
//! What differs from the original, each where its rule stands: a field that is wrong or unknown
//! refuses its route (the original starts it without); a duration needs a unit; variables are put
//! in after the YAML is read; labels of a number, a name and `*` have an order; nothing depends on
//! the order of a hash map.

pub mod config;
mod detect;
mod docker;
mod environment;
mod fields;
mod files;
pub mod import;
mod lax;
mod notes;
mod ports;
mod resolve;
mod tree;
mod units;
mod written;

pub(crate) use docker::is_this_host;
pub use docker::{Container, Engine, Image, Port, Protocol, read_container};
pub use environment::Environment;
pub use files::read_file;
pub use ports::Ports;
pub use units::{Retention, Size, parse_duration, show_duration};
pub use written::read_defaults;

use crate::HealthSettings;

/// What holds for all routes.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How they are probed unless they say otherwise (`defaults.healthcheck`).
    pub health: HealthSettings,
    /// The gateway's own ports: a route to one of them on this host would lead round in a circle.
    pub reserved_ports: Vec<u16>,
    /// Whether somebody [enriches](crate::Enriches) routes of files, who may find that one leads
    /// elsewhere, and refuses those to this host's reserved ports.
    pub are_files_enriched: bool,
    /// The profiles of client certificates that there are.
    pub inbound_mtls_profiles: Vec<String>,
    /// Whether one of them is for all routes, so none may name its own.
    pub has_global_mtls: bool,
}
