//! Whether a route works: one detector for all that looks at routes.
//!
//! Two signals say that a route is bad, and both are needed:
//! - its **health check**, a `HEAD` that must be answered 200. It sees a service that answers
//!   nonsense, but only of those routes that named a path;
//! - **passive failures**: requests that failed on it. They see every route that carries traffic,
//!   but cost a request each.
//!
//! ```text
//!                   wanted            200                       believed no longer
//!        Unknown ────────────▶ probe ─────▶ Healthy for 300 s ──────────────────▶ Unknown
//!                                │ else                ▲
//!                                ▼                     │ 200
//!                            Unhealthy ──5 s──▶ probe ─┘ (else: 5 s again)
//!
//!        in use ──more than 3 failures in 120 s──▶ excluded for 60 s ──▶ in use
//!                                                    │ 5 s: probe good ──▶ in use
//! ```
//!
//! - A check is **lazy**: it is made when a request wants the route and nothing is believed of it,
//!   and that request waits for the answer (2 s at most). A route in steady use is asked again
//!   before the belief ends, so no request waits then.
//! - A route that is known to be bad is asked every 5 s whether requests come or not, so that it is
//!   back when they do. That is bounded by its lease: what is really gone stops renewing.
//! - A success clears the failures counted. It doesn't end an exclusion: it may belong to a
//!   request that began long before. What ends it early is a good probe: the health check, or
//!   where there is none a TCP connect, if all the failures counted were connects. (A connect says
//!   nothing of a service that accepts and then hangs up.)
//! - A route without a health check is well while its lease lasts, unless excluded.
//!
//! Parts: [`detector`] is a state machine that takes events and the time and owns neither clock
//! nor socket; `task` feeds it and makes its probes; a [`HealthCell`] is the one word that the
//! request path reads. A verdict also goes to the gateway's table, which ranks by it, and up to
//! the controller as an observation.
//!
//! Rejected: to probe all routes all the time (a home server's agents are asked by every gateway
//! for services that nobody opens), and to let the request path count failures by itself (each
//! worker would learn the same failure alone).

mod cell;
pub mod detector;
pub(crate) mod prober;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod verdicts;

pub use cell::{Belief, HealthCell};
pub(crate) use task::Health;
