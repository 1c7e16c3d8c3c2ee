//! What must always hold, and what must hold once a network has come to rest.

use rutter_route::ClusterId;
use serde::{Deserialize, Serialize};

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// When, in simulated milliseconds.
    pub at: u64,
    /// Which rule.
    pub rule: std::borrow::Cow<'static, str>,
    /// Where.
    pub cluster: Option<ClusterId>,
    /// What was seen.
    pub what: String,
}
