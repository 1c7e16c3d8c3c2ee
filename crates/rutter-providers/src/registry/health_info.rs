//! Health in the three forms of the seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use smol_str::{SmolStr, ToSmolStr};

use super::Entry;
use crate::monitor::{HealthStatus, Seen};

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

impl From<&Seen> for HealthInfoWithoutDetail {
    fn from(seen: &Seen) -> Self {
        Self {
            status: seen.status,
            uptime: seen.uptime,
            latency: seen.latency,
            sleep_in: Duration::ZERO,
        }
    }
}

impl From<&Seen> for HealthInfo {
    fn from(seen: &Seen) -> Self {
        let is_watched = seen.started != 0 || !seen.detail.is_empty();
        Self {
            without_detail: seen.into(),
            detail: if is_watched { seen.detail.clone() } else { "n/a".to_owned() },
        }
    }
}

fn nanoseconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    // 584 years fit.
    to.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// Something of each entry, by a name that no two have: what it is called, where that is one
/// entry's, else the text of its key. (The original's maps have one place for two routes of one
/// alias.)
pub(super) fn by_name<T>(entries: &[Arc<Entry>], of: impl Fn(&Entry) -> T) -> BTreeMap<SmolStr, T> {
    let labels: Vec<SmolStr> = entries.iter().map(|entry| entry.label()).collect();
    let mut n_called: HashMap<&str, usize> = HashMap::with_capacity(labels.len());
    for label in &labels {
        *n_called.entry(label).or_default() += 1;
    }
    let mut named = BTreeMap::new();
    for (entry, label) in entries.iter().zip(&labels) {
        let is_one = n_called.get(label.as_str()) == Some(&1);
        let name = if is_one { label.clone() } else { entry.key.to_smolstr() };
        named.insert(name, of(entry));
    }
    named
}

/// How a link is: unknown without members and where nobody looks at any, healthy if one of them is
/// good. Its latency is the mean of those that were measured (the original's is their sum).
pub(super) fn of_members(members: &[Arc<Entry>]) -> Seen {
    let seen: Vec<Arc<Seen>> = members.iter().map(|member| member.seen()).collect();
    let good: Vec<&Arc<Seen>> = seen.iter().filter(|seen| seen.status.is_good()).collect();
    let is_unknown = seen.iter().all(|seen| seen.status == HealthStatus::Unknown);
    let status = match (good.is_empty(), is_unknown) {
        (false, _) => HealthStatus::Healthy,
        (true, true) => HealthStatus::Unknown,
        (true, false) => HealthStatus::Unhealthy,
    };
    let measured = seen.iter().map(|seen| seen.latency).filter(|latency| !latency.is_zero());
    let n_measured = u32::try_from(measured.clone().count()).unwrap_or(u32::MAX);
    Seen {
        status,
        uptime: good.iter().map(|seen| seen.uptime).max().unwrap_or_default(),
        latency: measured.sum::<Duration>().checked_div(n_measured).unwrap_or_default(),
        detail: format!("{}/{} servers are healthy", good.len(), seen.len()),
        last_seen: seen.iter().map(|seen| seen.last_seen).max().unwrap_or_default(),
        started: seen.iter().map(|seen| seen.started).filter(|at| *at != 0).min().unwrap_or(0),
    }
}
