//! What is due when: no I/O and no clock. Times are seconds since the Unix epoch.
//!
//! - With no certificate, or one that lacks a name: now.
//! - Else at two thirds of its life, and up to a twentieth of it earlier, so that gateways that
//!   were started together don't renew together.
//! - After a failure not before a minute, doubled by each further one, up to six hours.
//! - After a success not before [`FLOOR`], whatever the new certificate says: a clock that is far
//!   ahead must not make a loop of orders.

/// No order follows one that went well sooner than this, in seconds.
const FLOOR: u64 = 600;
const FIRST_WAIT: u64 = 60;
const LONGEST_WAIT: u64 = 6 * 3600;

/// When a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Schedule {
    /// `None`: there is none for all names.
    certificate: Option<Validity>,
    /// From 0 to 999: how much of the jitter is ours.
    jitter: u64,
    n_failures: u32,
    not_before: u64,
}

impl Schedule {
    pub(super) fn new(certificate: Option<Validity>, random: u64) -> Self {
        Self { certificate, jitter: random % 1000, n_failures: 0, not_before: 0 }
    }

    /// When to order.
    pub(super) fn due(&self) -> u64 {
        let renewal = self.certificate.map_or(0, |c| {
            let life = c.not_after.saturating_sub(c.not_before);
            // Split so that no life overflows.
            c.not_before + life / 3 * 2 - life / 20 / 1000 * self.jitter
        });
        renewal.max(self.not_before)
    }

    /// An order came to nothing; returns the wait.
    pub(super) fn failed(&mut self, now: u64) -> u64 {
        let wait = (FIRST_WAIT << self.n_failures.min(16)).min(LONGEST_WAIT);
        self.n_failures = self.n_failures.saturating_add(1);
        self.not_before = now.saturating_add(wait);
        wait
    }

    /// There is a new certificate.
    pub(super) fn issued(&mut self, now: u64, certificate: Validity) {
        self.certificate = Some(certificate);
        self.n_failures = 0;
        self.not_before = now.saturating_add(FLOOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NOW: u64 = 2_000_000_000;
    const NINETY: Validity = Validity { not_before: NOW, not_after: NOW + 90 * DAY };

    #[test]
    fn without_a_certificate_it_is_due_at_once() {
        assert!(Schedule::new(None, 7).due() <= NOW);
    }

    #[test]
    fn renewal_is_at_two_thirds_of_life_or_up_to_a_twentieth_earlier() {
        assert_eq!(Schedule::new(Some(NINETY), 0).due(), NOW + 60 * DAY);
        for random in [1, 500, 999, u64::MAX] {
            let due = Schedule::new(Some(NINETY), random).due();
            assert!(due < NOW + 60 * DAY && due > NOW + 60 * DAY - 90 * DAY / 20, "{due}");
        }
    }

    #[test]
    fn failures_wait_a_minute_doubling_to_six_hours_and_a_success_forgets_them() {
        let mut schedule = Schedule::new(None, 0);
        let waits: Vec<_> = (0..12).map(|_| schedule.failed(NOW)).collect();
        let want = [60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600, 21600].to_vec();
        assert_eq!(waits, want);
        assert_eq!(schedule.due(), NOW + 21600);
        schedule.issued(NOW, NINETY);
        assert_eq!(schedule.due(), NOW + 60 * DAY);
        assert_eq!(schedule.failed(NOW), 60);
    }

    #[test]
    fn a_renewal_that_fails_is_tried_again_though_it_is_overdue() {
        let old = Validity { not_before: NOW - 90 * DAY, not_after: NOW };
        let mut schedule = Schedule::new(Some(old), 0);
        assert!(schedule.due() < NOW);
        schedule.failed(NOW);
        assert_eq!(schedule.due(), NOW + 60);
    }

    #[test]
    fn a_clock_far_ahead_makes_no_loop_of_orders() {
        let mut schedule = Schedule::new(None, 0);
        schedule.issued(NOW, Validity { not_before: 0, not_after: 1000 });
        assert_eq!(schedule.due(), NOW + FLOOR);
    }
}
