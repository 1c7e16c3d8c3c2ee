//! CPU time, of our threads and of other processes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of the calling thread since its start.
pub(super) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // A thread's CPU time is never negative, and below a second's nanoseconds fit.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
