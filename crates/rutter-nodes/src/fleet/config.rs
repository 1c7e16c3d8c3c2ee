//! What a fleet runs by.

use std::sync::Arc;
use std::time::Duration;

use rutter_route::{Prefix, TableName};

use crate::election::Settings;

/// What a fleet runs by.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The table of the book.
    pub table: TableName,
    /// Election and approvals.
    pub election: Settings,
    /// The policy that is in force from the first moment on; `None`: there is none.
    pub policy: Option<PolicyText>,
    /// Where nodes' addresses in the mesh are given from: one IPv4 and one IPv6 prefix at most.
    pub prefixes: Vec<Prefix>,
    /// How long an ephemeral node may be away before it is collected.
    pub ephemeral_timeout: Duration,
    /// How long the key of a user's node is good; `None`: for ever. A tagged node's always is.
    pub key_lifetime: Option<Duration>,
    /// The controller's own ping of routers that share a prefix; `None`: off.
    pub probing: Option<Probing>,
}

/// A policy as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// What problems call the file.
    pub name: String,
    /// HuJSON.
    pub text: Arc<str>,
}

/// The ping of HA routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probing {
    /// How often; at least 2 s. 10 s by default.
    pub interval: Duration,
    /// In what time it must be answered; at least 1 s and less than the interval. 5 s by default.
    pub timeout: Duration,
}
