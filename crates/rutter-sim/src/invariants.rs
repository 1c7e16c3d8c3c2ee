//! What must always hold, and what must hold once a network has come to rest.
//!
//! | rule | when | says |
//! | --- | --- | --- |
//! | `own_is_own` | always | a cluster's best route to itself is its own |
//! | `no_loop_in_a_path` | always | no cluster stands twice in a path, nor who holds it |
//! | `a_path_begins_with_who_says_it` | always | the first step is the neighbour |
//! | `nothing_forged_is_used` | always | what nobody originates stands nowhere but barred; a cluster is originated by itself |
//! | `claims_are_their_originators` | always | a claim held as verified was signed by its originator |
//! | `nothing_outlives_its_claim` | always | no route is used past its claim's not-after and the skew |
//! | `stale_is_bounded` | always | a neighbour's routes are kept stale only while a restart lasts that was announced over a connection to it, from then on |
//! | `hold_down_spares_other_paths` | always | a neighbour's route is held only for what befell that very route: as long as that may hold it, and no longer |
//! | `room_is_kept`, `frames_are_bounded`, `deadlines_are_met`, `memory_is_bounded` | always | what is sent, kept and waited for is bounded |
//! | `comes_to_rest` | at rest | honest clusters tell each other nothing any more within the bound |
//! | `sessions_recover` | at rest | each link carries a session, at both ends |
//! | `what_is_told_is_held` | at rest | a neighbour holds exactly what export permits of the other's best, by the same path and metrics, and import decides as the policy says |
//! | `no_forwarding_loop`, `no_black_hole` | at rest | following the best from cluster to cluster ends at the originator, or with a liar if the path names one |
//! | `nothing_stale_stands` | at rest | what nobody originates any more has no route |
//! | `messages_are_bounded` | at rest | so many announcements a fault and link at most, between honest clusters |
//!
//! Each is checked by code that shares nothing with what it checks: policies by the small model in
//! `model`, claims by the simulated signer, paths by walking.

mod along;
mod at_rest;
mod flaps;
mod model;

use std::borrow::Cow;

use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

pub(crate) use along::look;
pub(crate) use flaps::{Flaps, When};

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// When, in simulated milliseconds.
    pub at: u64,
    /// Which rule.
    pub rule: Cow<'static, str>,
    /// Where.
    pub cluster: Option<ClusterId>,
    /// What was seen.
    pub what: String,
}

impl Violation {
    fn new(at: u64, rule: &'static str, cluster: &ClusterId, what: String) -> Self {
        Self { at, rule: rule.into(), cluster: Some(cluster.clone()), what }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.rule, crate::span::Span(self.at))?;
        if let Some(cluster) = &self.cluster {
            write!(f, " in {cluster}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// A path as people read it.
fn shown(path: &[ClusterId]) -> String {
    let names: Vec<&str> = path.iter().map(ClusterId::as_str).collect();
    names.join(" ")
}
