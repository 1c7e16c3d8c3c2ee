//! What runs beside a workload: it registers the workload's routes, renews them, and withdraws
//! them when it ends.
//!
//! Two ways of talking, one loop. `mesh_router` speaks to a Mesh Router backend (or to Rutter's
//! compatible listener) with the environment of the original agent; `join` speaks `/v1` with a
//! join token. Both are a `Registrar` to the loop in `agent`, which alone knows of time: when to
//! renew, how to back off, how long an end may take.
//!
//! Invariants:
//! - no secret (PROVIDER's signature, join and agent tokens) reaches a log, an error or a `Debug`
//!   form: they are [`Secret`]s, and what a server says is scrubbed of them before it is shown;
//! - a join token is spent once: what it gave is on disk, mode 0600, before anything is registered,
//!   and a start that finds it there doesn't join again;
//! - a certificate is verified always, by the system's roots or, with a pin in the join token, by
//!   that one CA and nothing else;
//! - every wait, body, datagram and list has a bound, stated where it is defined.
//!
//! Decision: requests by an HTTP client, each on a connection of its own. The rejected
//! alternative is a kept connection: with a renewal every five minutes it would mostly be found
//! dead just when it is needed.
#![forbid(unsafe_code)]

mod address;
mod agent;
mod base_url;
mod config;
mod error;
mod http;
mod join;
mod mesh_router;
mod pacing;
mod secret;
mod service_spec;
mod status;
mod stun;

pub use agent::{Agent, SHUTDOWN_GRACE, run};
pub use base_url::BaseUrl;
pub use config::{AgentConfig, Mode};
pub use error::{AgentError, Unreachable};
pub use http::CaPin;
pub use join::{JoinConfig, JoinUrl};
pub use mesh_router::{CertificatePaths, MeshRouterConfig, Provider};
pub use pacing::Pacing;
pub use secret::Secret;
pub use service_spec::{MAX_SERVICES, RouteSource, ServiceSpec};
pub use status::{Phase, RegisteredRoute, Status};
pub use stun::{StunConfig, StunServer};

#[cfg(test)]
mod tests;
