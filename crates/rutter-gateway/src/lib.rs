//! The gateway: people's requests, sent to services by the routes that work.
//!
//! It reads a table of its own, fed by its controller with every route that isn't barred, and
//! needs nobody else to answer a request: with the controller away it serves what it knows.
//!
//! The rooms:
//! - `index`: from a host and a path to the ranked routes, without a lock;
//! - `balance`: who of a group gets the next request;
//! - `clusters`: services of other clusters, asked for at a neighbour's gateway;
//! - `places`: services that are asked for at an address or a port of their own;
//! - [`route_context`]: the matched route on its way with a request;
//! - [`health`]: the detector, its probes, and what is believed of each route;
//! - `failover`: what may be sent again, where, and what may not;
//! - `upstream`: connections to services, verified, counted and pooled;
//! - `files`: a folder's files as answers;
//! - `proxy`: one request from its head to its answer;
//! - `access`: the access log;
//! - `acme`: certificates from a CA, ordered and renewed;
//! - `own_ca`: certificates of the controller's CA, signed for the names that people ask for;
//! - `server`: listeners, workers, their start and end;
//! - `slow`: clients that take their time, and where that ends;
//! - `streams`: TCP and UDP passed on as they are;
//! - `acl`, `proxy_protocol`, `mtls`: who is let in, who that is, and what it must show;
//! - `table`: the gateway's own table: fed by the controller, ranked here, read by the index;
//! - `feed`: from the table to the index;
//! - [`compat`]: routes from systems that aren't Rutter.
//!
//! Invariants:
//! - a request that may not be repeated is sent once, whatever fails;
//! - no upstream certificate goes unverified but where its route says so;
//! - nothing outside a folder that is served is opened for it;
//! - no queue, map, body or buffer is without a bound.
#![forbid(unsafe_code)]

/// The program's allocator, so that tests of memory measure what the program has.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod access;
mod acl;
mod acme;
mod balance;
mod clock;
mod clusters;
pub mod compat;
mod config;
mod error;
mod failover;
mod feed;
mod files;
mod gateway;
pub mod health;
mod index;
mod metrics;
mod mtls;
mod own_ca;
mod places;
mod proxy;
mod proxy_protocol;
pub mod route_context;
pub mod routes;
mod server;
mod slow;
mod socket;
mod streams;
mod table;
#[cfg(test)]
mod testing;
mod upstream;

pub use access::{AccessLogConfig, AccessLogFormat};
pub use acl::AclConfig;
pub use acme::{AcmeChallenge, AcmeConfig, AcmeStore, LETS_ENCRYPT};
pub use clusters::{Clusters, Way};
pub use config::{
    CertificateFiles, GatewayConfig, Limits, ListenerConfig, ShortLinkConfig, UpstreamConfig,
};
pub use error::GatewayError;
pub use failover::budget::RetryBudgetConfig;
pub use gateway::{ControllerCa, Gateway, GatewayHandle};
pub use health::{CheckMethod, HealthConfig, OutlierConfig, StatusRange};
pub use index::{Found, HostIndex, HostMatching};
pub use metrics::{Counter, GatewayMetrics, Gauge};
pub use mtls::MtlsProfile;
pub use own_ca::{SignedNames, SigningError, SignsNames};
pub use proxy_protocol::{ProxyProtocolConfig, ProxyProtocolMode};
pub use streams::StreamConfig;
pub use table::{ControllerAt, LinkedController, Sources, TableRef, claim_of};
pub use upstream::Roots;
