//! What a link to a neighbour costs: measured samples, smoothed, with hysteresis.
//!
//! Samples come from the session (round trips, probes lost). What counts in routes changes only when
//! the smoothed value leaves a band around what counts now and stays outside it for a while: a route
//! must not move because a queue filled for a moment.

use std::time::Duration;

use rutter_route::Now;
use serde::{Deserialize, Serialize};

use crate::wire::Metrics;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sample {
    /// A probe was answered after this round trip.
    Answered(Duration),
    /// A probe wasn't answered in time.
    Lost,
}

/// How measurements become metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSettings {
    /// Whether measurements count at all; otherwise what is configured does.
    pub measure: bool,
    /// Latency has to move by more than this share of what counts, in percent.
    pub latency_band_percent: u32,
    /// ... and by more than so many microseconds.
    pub latency_band_us: u32,
    /// Reliability has to move by more than so many parts a million.
    pub reliability_band_ppm: u32,
    /// ... for so long.
    pub hold: Duration,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            measure: true,
            latency_band_percent: 25,
            latency_band_us: 1000,
            reliability_band_ppm: 20_000,
            hold: Duration::from_secs(5),
        }
    }
}

/// One link: what is configured, what was measured, what counts.
#[derive(Debug, Clone)]
pub struct Link {
    counts: Metrics,
}

impl Link {
    /// A link of which nothing was measured. `configured` is what is known of it beforehand; its
    /// hops are 1.
    pub fn new(_settings: LinkSettings, _configured: Metrics) -> Self {
        todo!("H4")
    }

    /// Takes a sample in; says whether what counts has changed.
    pub fn sample(&mut self, _now: Now, _sample: Sample) -> bool {
        todo!("H4")
    }

    /// What counts: what a path over this link has more than the neighbour says.
    pub fn metrics(&self) -> Metrics {
        self.counts
    }
}

impl Metrics {
    /// The metrics of a path that goes on over a link: hops, latency and cost are summed, bandwidth
    /// and reliability are the least (bandwidth 0 is unknown and passed over).
    #[must_use]
    pub fn over(self, _link: Self) -> Self {
        todo!("H4")
    }
}
