//! Whether a route works: one detector for all that looks at routes.
//!
//! Two signals say that a route is bad, and both are needed:
//! - **probes**: a route with a health check is asked for its path, any other for a TCP connect.
//!   They see a service that answers nonsense and a host that is gone, before a request does;
//! - **outlier detection** (Envoy's words): requests that failed on a route. It sees every route
//!   that carries traffic, also one whose health check is a lie, but costs a request each.
//!
//! ```text
//!                     wanted          good answer                 believed no longer
//!          Unknown ────────────▶ probe ─────▶ Healthy ──────────────────────────▶ Unknown
//!        (with a check)            │ bad       │   ▲
//!                                  ▼           │   │ `healthy_threshold` good in a row
//!                              Unhealthy ◀─────┘   │ (asked each `recheck`)
//!                                  │  `unhealthy_threshold` bad in a row
//!                                  └───────────────┘
//!
//!        in service ──`consecutive_gateway_failure` in a row within `interval`──▶ ejected
//!             ▲                                                                     │
//!             └──── `base_ejection_time` × times in a row, or good probes ──────────┘
//! ```
//!
//! **What is asked, and when.**
//! - A check is made **on demand** when a request wants a route of which nothing is known, and that
//!   request waits for the answer (`check_timeout` at most). A good answer is believed for
//!   `cache_ttl`.
//! - A route that **carries traffic** (a request within `used_within`) is asked every
//!   `check_interval`, give or take a tenth, the first time at a random moment within it: gateways
//!   and routes don't fall into step. One probe a route is in flight, and 64 in all.
//! - A route that is **out** is asked every `recheck` while its *service* carries traffic, so that
//!   it is back when it works. With nobody asking for the service nobody probes, and a bad answer
//!   is forgotten: the next request finds out for itself.
//!
//! **What counts as a failure.** No connection, TLS that fails, a reset, an answer that breaks off,
//! no answer in time; and the answers 502, 503 and 504, by which a proxy or tunnel on the way says
//! that it can't. A 500 is a service's opinion of one request: it counts only for
//! `consecutive_5xx`, which is off unless set, since taking the direct way out of service doesn't
//! mend a service that the tunnel leads to as well. Whatever else is answered clears the count.
//! A success doesn't end an ejection: it may belong to a request that began long before.
//!
//! **What an ejection may not do.** It never takes the last route in service, and never more than
//! `max_ejection_percent` of a service's routes; if others leave meanwhile, who would be back first
//! is back at once. Ejected is not removed: the request path tries such routes after all others.
//!
//! **Escalation.** The first ejection lasts `base_ejection_time`, the second in a row twice that, up
//! to `max_ejection_time`; each `interval` in service has one forgotten. A route that flaps is out
//! longer and longer, one that failed last week starts anew.
//!
//! Where this differs from Envoy: its `interval` is the time between two sweeps that eject; here
//! an ejection is decided at the failure, and `interval` is the window of the count. And probes end
//! an ejection early, as they do in HAProxy: a home server that restarts is back in seconds.
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
mod config;
pub mod detector;
mod events;
mod outlier;
pub(crate) mod prober;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod verdicts;
mod watched;

pub use cell::{Belief, HealthCell};
pub use config::{CheckMethod, HealthConfig, OutlierConfig, StatusRange};
pub use events::{Failure, Input, Output, ProbeKind, Verdict};
pub(crate) use task::Health;
