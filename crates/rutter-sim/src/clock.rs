//! A cluster's clocks: one that never jumps and may run a little fast or slow, and a wall's clock that
//! may be wrong and may jump.

use rutter_route::{Deadline, Now};

/// What the wall's clock of a right cluster says when the simulation begins: a day in November.
pub(crate) const WALL_AT_START: u64 = 1_795_219_200_000;

/// What the clock that never jumps says at a boot. Not zero, so that nothing rests on that.
const MONO_AT_BOOT: u64 = 1_000;

/// The clocks of one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    booted_at: u64,
    /// By how many parts a million it runs fast.
    drift_ppm: i64,
    /// By how many milliseconds the wall's clock is ahead.
    wall_ahead: i64,
}

impl Clock {
    /// Clocks that start now, in simulated milliseconds.
    pub(crate) fn boot(now: u64, drift_ppm: i64, wall_ahead: i64) -> Self {
        Self { booted_at: now, drift_ppm, wall_ahead }
    }

    /// Puts the wall's clock so many milliseconds ahead of the right time.
    pub(crate) fn set_wall(&mut self, ahead: i64) {
        self.wall_ahead = ahead;
    }

    /// What they say at a simulated millisecond.
    pub(crate) fn at(&self, now: u64) -> Now {
        let lived = now.saturating_sub(self.booted_at);
        let run = scale(lived, 1_000_000 + self.drift_ppm, 1_000_000);
        let wall = (WALL_AT_START + now).saturating_add_signed(self.wall_ahead);
        Now::new(MONO_AT_BOOT + run, wall)
    }

    /// The simulated millisecond at which a deadline has come.
    pub(crate) fn when(&self, deadline: Deadline) -> u64 {
        let run = deadline.0.0.saturating_sub(MONO_AT_BOOT);
        let mut at =
            self.booted_at.saturating_add(scale(run, 1_000_000, 1_000_000 + self.drift_ppm));
        // The two roundings may leave a millisecond.
        while at < u64::MAX && !deadline.is_due(self.at(at)) {
            at += 1;
        }
        at
    }
}

fn scale(value: u64, by: i64, of: i64) -> u64 {
    let (by, of) = (i128::from(by.max(1)), i128::from(of.max(1)));
    u64::try_from(i128::from(value) * by / of).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use rutter_route::{Deadline, Mono};

    #[test]
    fn a_deadline_has_come_when_the_clock_says_so_and_not_before() {
        for drift in [-500, 0, 137, 500] {
            let clock = Clock::boot(12_345, drift, -60_000);
            for mono in [1_000, 1_001, 77_777, 3_600_000] {
                let deadline = Deadline(Mono(mono));
                let at = clock.when(deadline);
                assert!(deadline.is_due(clock.at(at)), "{drift} {mono}");
                let before = at > 12_345 && deadline.is_due(clock.at(at - 1));
                assert!(!before, "{drift} {mono}");
            }
        }
    }
}
