//! What the detector hears and says. All of it is serde, so that an incident can be recorded as
//! JSON lines and replayed as a test (`scenes/`).

use rutter_route::Mono;
use serde::{Deserialize, Serialize};

use crate::routes::RouteId;

/// How a request failed on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection came about: refused, unreachable, timed out.
    Connect,
    /// Anything later: TLS, a reset, no answer in time.
    Exchange,
    /// It answered 502, 503 or 504: it is a gateway itself and has no way, or it says that it can't.
    Gateway,
    /// It answered another status of 500 and above.
    Server,
}

impl Failure {
    /// Whether it counts as a gateway failure.
    pub(super) fn is_gateway(self) -> bool {
        self != Self::Server
    }
}

/// How a route is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Its health check.
    Check,
    /// A TCP connect.
    Connect,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A route came, or its endpoint or health check changed: nothing is known of it.
    Track {
        /// Which.
        id: RouteId,
        /// Whether it has a health check.
        has_check: bool,
    },
    /// A route left.
    Forget {
        /// Which.
        id: RouteId,
    },
    /// A request wants a route of which nothing is known, or soon nothing will be.
    Wanted {
        /// Which.
        id: RouteId,
    },
    /// Requests use the route; said now and then, not by each.
    Used {
        /// Which.
        id: RouteId,
    },
    /// A request succeeded: the route answered.
    Succeeded {
        /// Which.
        id: RouteId,
    },
    /// A request failed on the route.
    Failed {
        /// Which.
        id: RouteId,
        /// How.
        how: Failure,
    },
    /// A probe ended.
    Probed {
        /// Which.
        id: RouteId,
        /// The probe's number, as [`Output::Probe`] gave it.
        number: u64,
        /// Nothing, or what was seen instead of health.
        failed: Option<String>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Ask the route, and hand in [`Input::Probed`] with the same number.
    Probe {
        /// Which.
        id: RouteId,
        /// How.
        kind: ProbeKind,
        /// To tell this probe from one of an earlier life of the route.
        number: u64,
    },
    /// What is believed is another thing than before.
    Verdict {
        /// Of which route.
        id: RouteId,
        /// What.
        is: Verdict,
    },
    /// It is still believed to work, and for longer.
    Renewed {
        /// Which route.
        id: RouteId,
        /// Until when; `None`: for good.
        until: Option<Mono>,
    },
    /// Whether failures are counted that a success would clear has changed.
    CountsFailures {
        /// Of which route.
        id: RouteId,
        /// Whether there are any.
        any: bool,
    },
    /// The route was taken out of service.
    Ejected {
        /// Which.
        id: RouteId,
        /// Which time in a row.
        times: u32,
    },
    /// The route is back in service, or left while it was out.
    Returned {
        /// Which.
        id: RouteId,
    },
    /// The route would have been ejected, but is the last in service or one too many.
    Spared {
        /// Which.
        id: RouteId,
    },
}

/// What is believed of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody knows.
    Unknown,
    /// It works.
    Healthy {
        /// When the belief ends; `None`: never by itself.
        until: Option<Mono>,
    },
    /// It doesn't.
    Unhealthy {
        /// What was seen.
        why: String,
        /// When that ends by itself, if it does.
        until: Option<Mono>,
    },
}
