//! What people, rules, probes and other tables say about a route.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Deadline, Wall};

/// Whose word a decision is. A person's revoke beats rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person, by name.
    Person(String),
    /// A rule, by name.
    Rule(String),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => f.write_str(name),
            Self::Rule(name) => write!(f, "rule `{name}`"),
        }
    }
}

/// One word, whose and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word<T> {
    /// What was said.
    pub is: T,
    /// Whose word it is.
    pub by: By,
    /// Why; may be empty.
    pub why: String,
    /// When.
    pub at: Wall,
}

impl<T> Word<T> {
    /// Whether a person said it.
    pub fn is_persons(&self) -> bool {
        matches!(self.by, By::Person(_))
    }

    /// As people are told it: `approved by ann: why`.
    pub fn told(&self, what: &str) -> String {
        match self.why.is_empty() {
            true => format!("{what} by {}", self.by),
            false => format!("{what} by {}: {}", self.by, self.why),
        }
    }
}

/// A word on (source, destination) or on a whole source. It outlives route and session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may be used.
    Approve,
    /// It may not be used, whatever rules say.
    Revoke,
    /// Its preference from now on.
    Prefer(u32),
    /// Nothing is said of its preference any more.
    Unprefer,
    /// It is to be used last.
    Drain,
    /// It is to be used as any other again.
    Undrain,
    /// Everything decided before is taken back.
    Clear,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approve => f.write_str("approve"),
            Self::Revoke => f.write_str("revoke"),
            Self::Prefer(n) => write!(f, "prefer {n}"),
            Self::Unprefer => f.write_str("unprefer"),
            Self::Drain => f.write_str("drain"),
            Self::Undrain => f.write_str("undrain"),
            Self::Clear => f.write_str("clear"),
        }
    }
}

/// Who looked whether a route works.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Observer {
    /// Its name, such as `gateway/edge-1`.
    pub name: String,
    /// Whether it acts here: its verdict counts for the standing. Others' are only shown.
    pub acts: bool,
}

/// A verdict on a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nobody looked, or it is forgotten.
    Unknown,
    /// It works.
    Healthy,
    /// It doesn't.
    Unhealthy {
        /// What was seen.
        why: String,
        /// When the verdict ends by itself, if it does.
        until: Option<Deadline>,
    },
}

/// Whether a next hop can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It can.
    Resolved,
    /// It can't.
    Unresolved {
        /// What was seen.
        why: String,
    },
}
