//! Real processes in real network namespaces, with packets as the judge: what tests of overlays and
//! of nodes share.

pub(crate) mod namespace;
pub(crate) mod probe;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up; nothing here waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so, and says how long that took. `shown` is what there was instead.
pub(crate) fn until<T: std::fmt::Debug>(
    what: &str,
    look: impl Fn() -> T,
    is_so: impl Fn(&T) -> bool,
) -> Duration {
    let began = Instant::now();
    loop {
        let seen = look();
        if is_so(&seen) {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not in time, but {seen:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
