//! Health in the three forms of the seed.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::monitor::HealthStatus;

/// How a route is, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthInfo {
    /// All but the detail.
    #[serde(flatten)]
    pub without_detail: HealthInfoWithoutDetail,
    /// What was seen; `n/a` where nobody looks.
    pub detail: String,
}

/// How a route is. In JSON durations are whole nanoseconds, as GoDoxy's maps have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthInfoWithoutDetail {
    /// Its status.
    pub status: HealthStatus,
    /// How long it has been well.
    #[serde(serialize_with = "nanoseconds")]
    pub uptime: Duration,
    /// How long the last probe took.
    #[serde(serialize_with = "nanoseconds")]
    pub latency: Duration,
    /// How long until it sleeps: nothing does yet.
    #[serde(serialize_with = "nanoseconds")]
    pub sleep_in: Duration,
}

fn nanoseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    // 584 years fit.
    to.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
