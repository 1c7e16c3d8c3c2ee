//! How long to wait before an engine is asked again.

use std::time::Duration;

/// The first wait; each after it is twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// The longest: the original waits this long each time.
const LONGEST: Duration = Duration::from_secs(3);

/// Waits that grow until something succeeds.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    n_failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn failed(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.n_failures.min(10));
        self.n_failures = self.n_failures.saturating_add(1);
        wait.min(LONGEST)
    }

    /// It succeeded: the next failure is the first.
    pub(super) fn succeeded(&mut self) {
        self.n_failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_three_seconds_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..6).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 3000, 3000]);
        (0..100).for_each(|_| assert!(backoff.failed() <= LONGEST));
        backoff.succeeded();
        assert_eq!(backoff.failed(), FIRST);
    }
}
