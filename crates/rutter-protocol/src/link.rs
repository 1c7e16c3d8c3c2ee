//! What a link to a neighbour costs: measured samples, smoothed, with hysteresis.
//!
//! Samples come from the session (round trips, probes lost). What counts in routes changes only when
//! the smoothed value leaves a band around what counts now and stays outside it for a while: a route
//! must not move because a queue filled for a moment. Nor does one round trip count in full that is
//! far from the others.

use std::time::Duration;

use rutter_rib::Over;
use rutter_route::{Mono, Now};
use serde::{Deserialize, Serialize};

use crate::wire::Metrics;

#[cfg(test)]
mod tests;

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
    settings: LinkSettings,
    counts: Metrics,
    /// Half the round trip, smoothed by eighths, in eighths of a microsecond; `None`: no probe was
    /// answered yet.
    latency: Option<u64>,
    /// Answered probes, smoothed by 32nds, in 32nds of a part a million.
    reliability: u64,
    /// Since when the smoothed values lie outside the band.
    outside_since: Option<Mono>,
}

impl Link {
    /// A link of which nothing was measured. `configured` is what is known of it beforehand; its
    /// hops are 1.
    pub fn new(settings: LinkSettings, configured: Metrics) -> Self {
        let counts = Metrics { hops: 1, ..configured };
        let reliability = u64::from(counts.reliability_ppm) * 32;
        Self { settings, counts, latency: None, reliability, outside_since: None }
    }

    /// Takes a sample in; says whether what counts has changed.
    pub fn sample(&mut self, now: Now, sample: Sample) -> bool {
        if !self.settings.measure {
            return false;
        }
        self.smooth(sample);
        let is = self.smoothed();
        if !self.is_outside(&is) {
            self.outside_since = None;
            return false;
        }
        let since = *self.outside_since.get_or_insert(now.mono);
        if now.mono.since(since) < self.settings.hold {
            return false;
        }
        self.counts = is;
        self.outside_since = None;
        true
    }

    fn smooth(&mut self, sample: Sample) {
        let answered = match sample {
            Sample::Answered(round_trip) => {
                let one_way = u64::try_from(round_trip.as_micros() / 2).unwrap_or(u64::MAX);
                // A link of over an hour is as bad as any.
                let one_way = one_way.min(u64::from(u32::MAX));
                self.latency = Some(match self.latency {
                    None => one_way * 8,
                    // A single round trip says little: it counts as twice what is usual, at most.
                    Some(smoothed) => {
                        let usual = smoothed / 8;
                        let band = u64::from(self.settings.latency_band_us);
                        smoothed - usual + one_way.min(2 * usual + band)
                    }
                });
                1_000_000
            }
            Sample::Lost => 0,
        };
        self.reliability = self.reliability - self.reliability / 32 + answered;
    }

    fn smoothed(&self) -> Metrics {
        let most = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let latency = self.latency.map_or(self.counts.latency_us, |l| most(l / 8));
        let reliability = most(self.reliability / 32).min(1_000_000);
        Metrics { latency_us: latency, reliability_ppm: reliability, ..self.counts }
    }

    fn is_outside(&self, is: &Metrics) -> bool {
        let counts = &self.counts;
        let moved = u64::from(is.latency_us.abs_diff(counts.latency_us));
        let share = u64::from(counts.latency_us) * u64::from(self.settings.latency_band_percent);
        let latency = moved > u64::from(self.settings.latency_band_us) && moved > share / 100;
        let lost = is.reliability_ppm.abs_diff(counts.reliability_ppm);
        latency || lost > self.settings.reliability_band_ppm
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
    pub fn over(self, link: Self) -> Self {
        let bandwidth_kbps = match (self.bandwidth_kbps, link.bandwidth_kbps) {
            (0, known) | (known, 0) => known,
            (path, link) => path.min(link),
        };
        Self {
            hops: self.hops.saturating_add(link.hops),
            latency_us: self.latency_us.saturating_add(link.latency_us),
            bandwidth_kbps,
            reliability_ppm: self.reliability_ppm.min(link.reliability_ppm),
            cost: self.cost.saturating_add(link.cost),
        }
    }
}

impl From<Metrics> for Over {
    fn from(link: Metrics) -> Self {
        Self {
            hops: link.hops,
            latency_us: link.latency_us,
            bandwidth_kbps: link.bandwidth_kbps,
            reliability_ppm: link.reliability_ppm,
            cost: link.cost,
        }
    }
}
