//! Events: what happened in a table, numbered.

use serde::{Deserialize, Serialize};

use crate::{By, Criterion, Decision, PathId, SourceId, Standing, Wall};

/// The number of an event; rises by one with each, from 1. 0 stands for none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventNumber(pub u64);

/// A source's route: what tells candidates of one destination apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// Whose.
    pub source: SourceId,
    /// Which of its routes.
    #[serde(default, skip_serializing_if = "PathId::is_empty")]
    pub path: PathId,
}

impl std::fmt::Display for RouteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.is_empty() {
            true => self.source.fmt(f),
            false => write!(f, "{} {}", self.source, self.path),
        }
    }
}

/// Why a route left the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Its source withdrew it.
    Withdrawn,
    /// Its source's refresh ended without it.
    Swept,
    /// Its lease ended.
    LeaseEnded,
    /// Its source is gone.
    SourceGone,
    /// Its destination had too many candidates, and it ranked last.
    Evicted,
    /// Its path list named this table.
    Loop,
}

/// What moved a best route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A route came or changed.
    Advertised,
    /// A route left.
    Left(Left),
    /// The state of a source, told by that event.
    Source(EventNumber),
    /// A decision, told by that event.
    Decision(EventNumber),
    /// A health verdict, or the end of one.
    Health,
    /// A next hop, told by that event.
    NextHop(EventNumber),
    /// A hold began or ended.
    Held,
    /// The policy, told by that event.
    Policy(EventNumber),
    /// A nominated incumbent, or the end of its time.
    Nominated,
    /// A view was made or changed.
    View,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A source's state changed; all its routes follow.
    Source {
        /// Which source.
        source: SourceId,
        /// `up`, `draining`, `offline`, `stale` or `gone`.
        state: String,
        /// What was seen.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A route came.
    Advertised(RouteKey),
    /// A route's attributes changed.
    Changed(RouteKey),
    /// A route left.
    Left(RouteKey, Left),
    /// A route's standing changed.
    Standing {
        /// Which route.
        route: RouteKey,
        /// Before.
        from: Standing,
        /// Since then.
        to: Standing,
        /// The reason, as it was when it happened.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A view's best changed.
    Moved {
        /// The best before, if there was one.
        from: Option<RouteKey>,
        /// The best since.
        to: Option<RouteKey>,
        /// The criterion that decided between the two; `None` where there was only one, or none.
        decided_by: Option<Criterion>,
        /// Which view, unless it is the default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<crate::ViewName>,
    },
    /// Somebody decided.
    Decided {
        /// On which source.
        source: SourceId,
        /// On which of its routes to the destination; `None`: on all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathId>,
        /// What.
        decision: Decision,
        /// Whose word it is.
        by: By,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A next hop can or can't be reached; all its routes follow.
    NextHop {
        /// Which.
        hop: crate::NextHop,
        /// What was seen; `None` if it can be reached.
        unresolved: Option<String>,
    },
    /// The policy changed.
    Policy,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<D> {
    /// Its number.
    pub number: EventNumber,
    /// When, as the wall's clock said.
    pub at: Wall,
    /// About which destination; `None` for what concerns many.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub destination: Option<D>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// What caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}
