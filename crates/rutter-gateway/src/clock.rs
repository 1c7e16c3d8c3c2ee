//! The gateway's own clock: milliseconds since the process first asked.
//!
//! The detector takes time as an argument, so this is asked at its edge only. It is tokio's clock,
//! so that a test may pause it; verdicts travel to the table as durations, never as instants.

use std::sync::OnceLock;

use rutter_route::Mono;
use tokio::time::Instant;

/// Now.
pub(crate) fn now() -> Mono {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    // One is added so that zero stays free to mean "never".
    Mono(1).after(Instant::now().saturating_duration_since(origin))
}
