//! The two clocks of a running process.

use rustix::time::{ClockId, clock_gettime};
use rutter_route::Now;

/// Tells the time to whoever drives a sans-I/O core.
pub trait Clock: Send + Sync + 'static {
    /// The time on both clocks.
    fn now(&self) -> Now;
}

/// `CLOCK_BOOTTIME`, which runs through suspend and never jumps, and `CLOCK_REALTIME`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now::new(millis(ClockId::Boottime), millis(ClockId::Realtime))
    }
}

fn millis(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1000 + nanos / 1_000_000
}
