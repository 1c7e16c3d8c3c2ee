//! How long to wait: renewals with jitter, failures with the link's own [`Backoff`].
//!
//! Both are spread by chance, so that a thousand agents that lost one controller at one moment
//! don't come back at one moment. The arithmetic is pure, with the chance as an argument.

use std::time::Duration;

use rutter_link::Backoff;
use tokio::time::{Instant, sleep_until};

/// The bounds of an agent's waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// The least time between two renewals, whatever a controller asks for. Default 1 s.
    pub renew_least: Duration,
    /// The greatest time between two renewals. Default 1 h.
    pub renew_most: Duration,
    /// The waits after failures. Default from 1 s to 60 s: with a lease of 600 s renewed every
    /// 300 s that is several attempts before anything is lost. A join has the link's own.
    pub backoff: Backoff,
}

/// The part of the interval by which a renewal may come early or late, in percent.
const JITTER_PERCENT: f64 = 10.0;

impl Default for Pacing {
    fn default() -> Self {
        Self {
            renew_least: Duration::from_secs(1),
            renew_most: Duration::from_secs(3600),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
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
}

/// That time, if there is one.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
