//! What runs beside a workload: it registers the workload's routes, renews them, and withdraws
//! them when it ends.
//!
//! Two ways of talking. `mesh_router` speaks to a Mesh Router backend (or to Rutter's compatible
//! listener) with the environment of the original agent: it asks, by the loop in `agent`. `join`
//! speaks `rutter.v1` with a join token: it makes its key known (`membership`, which gateways use
//! too), holds a session, and hears how its routes fare. Both tell how it goes in one way. Beside
//! them a `node` advertises the networks behind this host and brings those of others into its kernel.
//!
//! Invariants:
//! - no secret (PROVIDER's signature, join and agent tokens) reaches a log, an error or a `Debug`
//!   form: they are [`Secret`]s, and what a server says is scrubbed of them before it is shown;
//! - a join token is spent once, for a key that is on disk by then, mode 0600; what it gave is there
//!   before anything is registered, and a start that finds it doesn't join again;
//! - a certificate is verified always, by the system's roots or, with a pin in the join token, by
//!   that one CA and nothing else;
//! - every wait, body, datagram and list has a bound, stated where it is defined.
//!
//! Decision: HTTP requests each go on a connection of their own. The rejected alternative is a kept
//! connection: with a renewal every five minutes it would mostly be found dead just when it is
//! needed. A session over the link shows by its keepalives that it lives.
#![forbid(unsafe_code)]

mod address;
mod agent;
mod base_url;
mod config;
mod error;
mod http;
mod join;
mod membership;
mod mesh_router;
mod node;
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
pub use membership::{Joined, Keeps, Member, Membership};
pub use mesh_router::{CertificatePaths, MeshRouterConfig, Provider};
pub use node::{
    LINGER, MAX_ADVERTISED, MAX_PROBES, Node, NodeConfig, NodeStatus, ProbeSpec, ProbeTarget,
};
pub use pacing::Pacing;
pub use secret::Secret;
pub use service_spec::{MAX_SERVICES, RouteSource, ServiceSpec};
pub use status::{Phase, RegisteredRoute, Status};
pub use stun::{StunConfig, StunServer};

#[cfg(test)]
mod tests;
