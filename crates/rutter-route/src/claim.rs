//! A claim as it is made, and the answer to it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Attributes, Incarnation, PathId, Standing};

/// What a source says: this destination, by this path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertisement<D> {
    /// The destination.
    pub destination: D,
    /// Which of the source's routes to it.
    #[serde(default, skip_serializing_if = "PathId::is_empty")]
    pub path: PathId,
    /// What is said of the path.
    pub attributes: Attributes,
    /// A lease of its own; `None`: the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Duration>,
    /// An impairment that the route has already where it comes from (draining, stale or
    /// unhealthy); anything else counts as none.
    #[serde(default, skip_serializing_if = "is_eligible")]
    pub standing: Standing,
}

fn is_eligible(standing: &Standing) -> bool {
    *standing == Standing::Eligible
}

impl<D> Advertisement<D> {
    /// A claim with nothing said but the path's attributes.
    pub fn new(destination: D, attributes: Attributes) -> Self {
        Self {
            destination,
            path: PathId::default(),
            attributes,
            lease: None,
            standing: Standing::Eligible,
        }
    }
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the table, and stands so.
    Stands(Standing),
    /// It is not in the table.
    Refused(Refused),
}

/// Why a claim is not in the table. What stood before it still stands, except where it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The source has a newer session, or none.
    OldSession {
        /// The session that counts, if there is one.
        current: Option<Incarnation>,
    },
    /// The source has as many routes as it may.
    SourceBound(usize),
    /// The source's owner has as many routes as it may.
    OwnerBound(usize),
    /// The destination has as many candidates as it may, and this one ranks last.
    DestinationBound(usize),
    /// The path list names this table: a loop. An earlier route of the same key is withdrawn.
    Loop,
    /// Too many sources.
    Sources(usize),
}

impl Refused {
    /// A word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OldSession { .. } => "old_session",
            Self::SourceBound(_) => "source_bound",
            Self::OwnerBound(_) => "owner_bound",
            Self::DestinationBound(_) => "destination_bound",
            Self::Loop => "loop",
            Self::Sources(_) => "sources",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldSession { current: Some(i) } => {
                write!(f, "the source has a newer session, {}", i.0)
            }
            Self::OldSession { current: None } => f.write_str("the source has no session"),
            Self::SourceBound(n) => write!(f, "the source has its {n} routes already"),
            Self::OwnerBound(n) => write!(f, "the source's owner has its {n} routes already"),
            Self::DestinationBound(n) => {
                write!(f, "the destination has {n} candidates, and this one ranks last")
            }
            Self::Loop => f.write_str("its path list names this table: a loop"),
            Self::Sources(n) => write!(f, "the table has its {n} sources already"),
        }
    }
}
