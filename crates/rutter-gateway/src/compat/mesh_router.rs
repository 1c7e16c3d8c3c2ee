//! Routes from an original Mesh Router backend: `GET {BACKEND_URL}/resolve/v2/<name>`.
//!
//! ```text
//!  request ─▶ index ──miss──▶ task ─▶ cache ──fetch──▶ backend
//!               ▲               │                        │
//!               └── own table ◀─┴── tells, as an outlet's ◀┘
//! ```
//!
//! The backend can't tell what it has, only answer for one name. So a name is asked for when a
//! request wants it, and what comes back enters the gateway's **own table** as what a controller
//! would tell: ranking, health, failover and `explain` are the same code, and a request asks only
//! where the index knows nothing.
//!
//! - `cache`: a state machine with the time as an argument. Per name: fresh for `cache_ttl`, then
//!   asked again if requests used it, else parked; **stale** and still forwarded by while the
//!   backend doesn't answer, for `stale_for` at most; unknown for `negative_ttl`.
//! - `fetch`: one question: [`fetch::TRIES`] tries, [`fetch::PAUSE`] apart, [`fetch::TIMEOUT`]
//!   each; the legacy path only where the backend doesn't know the newer one.
//! - `map`: hosts to names by the gateway's domains, the backend's routes to Rutter's.
//! - `task`: owns the rest; one question a name at a time, [`task::FETCHES`] in all.
//!
//! Bounds: `max_names` entries, of which what isn't in use gives way first, and a request for one
//! more is 503; 1024 requests in the queue; [`fetch::MAX_BODY`] an answer;
//! [`map::MAX_ROUTES`] routes a name.
//!
//! Where this differs from the original: a host outside the domains isn't asked for (there `x.com`
//! becomes `x`), nor is a name that the backend would refuse; an unknown name costs one question in
//! `negative_ttl`, not two a request; requests for one name share a question; an outage is served
//! from what was known; `X-Mesh-Route-Host` and `X-Mesh-Force` of strangers are nobody's orders.
//!
//! **The CA.** Agents have certificates of the backend's own CA, which signs for every user. It is
//! fetched from `{BACKEND_URL}/ca-cert` and counts, as a controller's does, for the service's own
//! name only. Over plain `http` whoever sits between could name another: give `ca_pin` then. Until
//! it has come such routes fail, and nothing goes unverified.
//!
//! Rejected: to resolve inside the request path with a cache of its own (a second ranking, a second
//! place for health), and to poll all names (the backend has no list that it should give away).

mod cache;
mod config;
mod error;
mod fetch;
mod map;
mod task;
#[cfg(test)]
mod tests;
mod wire;

pub use config::{BackendUrl, CaPin, MeshRouterConfig};
pub use error::MeshRouterError;
pub(crate) use task::start;
