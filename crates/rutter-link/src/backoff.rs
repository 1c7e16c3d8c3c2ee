//! How long to wait before another attempt.
//!
//! Spread by chance, so that a thousand dialers that lost one accepter at one moment don't come
//! back at one moment. The arithmetic is pure, with the chance as an argument.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The bounds of the waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait's upper end.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    /// From half a second to 15 seconds: an accepter that was restarted is found again soon, and
    /// one that stays away is asked four times a minute.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(15) }
    }
}

impl Backoff {
    /// The wait after the `n_failures`th failure in a row (from 1): anything up to an upper end
    /// that doubles each time up to the longest (full jitter), but not under a tenth of the first,
    /// so that a run of small chances is no busy loop. `chance` is in 0..1.
    pub fn wait(&self, n_failures: u32, chance: f64) -> Duration {
        let doublings = n_failures.saturating_sub(1).min(31);
        let upper = self.first.saturating_mul(1 << doublings).min(self.longest);
        let floor = (self.first / 10).min(upper);
        floor + (upper - floor).mul_f64(chance)
    }
}

/// A chance in 0..1, good enough to spread waits.
pub fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_nothing() {
        let backoff =
            Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(15) };
        let upper = |n| backoff.wait(n, 1.0).as_millis();
        let lower = |n| backoff.wait(n, 0.0).as_millis();
        assert_eq!(
            [upper(1), upper(2), upper(3), upper(6), upper(99)],
            [500, 1000, 2000, 15000, 15000]
        );
        assert!((1..100).all(|n| lower(n) == 50));
        let tiny = Backoff { longest: Duration::from_millis(5), ..backoff };
        assert_eq!(tiny.wait(u32::MAX, 1.0), Duration::from_millis(5));
    }

    #[test]
    fn chance_is_a_fraction_that_varies() {
        let drawn: Vec<f64> = (0..64).map(|_| chance()).collect();
        assert!(drawn.iter().all(|c| (0.0..1.0).contains(c)));
        assert!(drawn.windows(2).any(|w| w[0] != w[1]));
    }
}
