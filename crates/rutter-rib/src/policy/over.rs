//! A path that goes on over one more link: what it costs from here.
//!
//! What a neighbour says of a path is kept as it was received; the link to that neighbour is added by
//! a rule of import. So `explain` shows both, and a link that costs something else from now on is a
//! policy reload: nobody has to say anything again.

use std::fmt;

use rutter_route::Attributes;
use serde::{Deserialize, Serialize};

/// What a link adds to a path: hops, latency and cost are summed, of bandwidth and reliability the
/// least counts. Sums that don't fit are the greatest that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Over {
    /// Links.
    pub hops: u16,
    /// Microseconds.
    pub latency_us: u32,
    /// kbit/s; 0: unknown, and passed over.
    pub bandwidth_kbps: u32,
    /// Parts a million.
    pub reliability_ppm: u32,
    /// Cost.
    pub cost: u32,
}

impl Default for Over {
    fn default() -> Self {
        Self { hops: 1, latency_us: 0, bandwidth_kbps: 0, reliability_ppm: 1_000_000, cost: 0 }
    }
}

impl Over {
    /// What a path has with the link.
    pub(super) fn extend(&self, path: &mut Attributes) {
        path.hops = path.hops.saturating_add(self.hops);
        path.latency_us = path.latency_us.saturating_add(self.latency_us);
        path.cost = path.cost.saturating_add(self.cost);
        path.reliability_ppm = path.reliability_ppm.min(self.reliability_ppm);
        path.bandwidth_kbps = match (path.bandwidth_kbps, self.bandwidth_kbps) {
            (0, known) | (known, 0) => known,
            (path, link) => path.min(link),
        };
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hop(s), {} us", self.hops, self.latency_us)?;
        if self.bandwidth_kbps > 0 {
            write!(f, ", {} kbit/s", self.bandwidth_kbps)?;
        }
        if self.reliability_ppm < 1_000_000 {
            write!(f, ", {} ppm", self.reliability_ppm)?;
        }
        if self.cost > 0 {
            write!(f, ", cost {}", self.cost)?;
        }
        Ok(())
    }
}
