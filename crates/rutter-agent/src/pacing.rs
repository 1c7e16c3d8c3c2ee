//! How long to wait: renewals with jitter, failures with back-off.
//!
//! Both are spread by chance, so that a thousand agents that lost one controller at one moment
//! don't come back at one moment. The arithmetic is pure, with the chance as an argument; only
//! [`chance`] asks the system.

use std::time::Duration;

/// The bounds of an agent's waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// The least time between two renewals, whatever a controller asks for. Default 1 s.
    pub renew_least: Duration,
    /// The greatest time between two renewals. Default 1 h.
    pub renew_most: Duration,
    /// The first back-off's upper end. Default 1 s.
    pub backoff_first: Duration,
    /// The longest back-off. Default 60 s: with a lease of 600 s renewed every 300 s that is
    /// several attempts before anything is lost.
    pub backoff_longest: Duration,
}

/// The part of the interval by which a renewal may come early or late, in percent.
const JITTER_PERCENT: f64 = 10.0;

impl Default for Pacing {
    fn default() -> Self {
        Self {
            renew_least: Duration::from_secs(1),
            renew_most: Duration::from_secs(3600),
            backoff_first: Duration::from_secs(1),
            backoff_longest: Duration::from_secs(60),
        }
    }
}

impl Pacing {
    /// The wait before a renewal: `every`, within bounds, ±10 %. `chance` is in 0..1.
    pub(crate) fn renewal(&self, every: Duration, chance: f64) -> Duration {
        let every = every.min(self.renew_most).max(self.renew_least);
        let factor = 1.0 + JITTER_PERCENT / 100.0 * (2.0 * chance - 1.0);
        every.mul_f64(factor)
    }

    /// The wait after the `n_failures`th failure in a row (from 1): anything up to an upper end
    /// that doubles each time up to the longest (full jitter), but not under a tenth of the first,
    /// so that a run of small chances is no busy loop.
    pub(crate) fn backoff(&self, n_failures: u32, chance: f64) -> Duration {
        let doublings = n_failures.saturating_sub(1).min(31);
        let upper = self.backoff_first.saturating_mul(1 << doublings).min(self.backoff_longest);
        let floor = (self.backoff_first / 10).min(upper);
        floor + (upper - floor).mul_f64(chance)
    }
}

/// A chance in 0..1. Should the system give no random bytes, one half: waits then lose their
/// spread, which is worth no failure.
pub(crate) fn chance() -> f64 {
    match getrandom::u64() {
        Ok(bits) => (bits >> 11) as f64 / (1_u64 << 53) as f64,
        Err(error) => {
            tracing::debug!(%error, "no random bytes, a wait goes without jitter");
            0.5
        }
    }
}

#[cfg(test)]
mod tests;
