//! The beginning of an end: whoever sends us traffic is told before a listener closes.
//!
//! A load balancer learns of an end in one of two ways: it asks `/readyz`, or a connection fails.
//! The first one needs time, its own interval of asking, which nobody here can know: so
//! `gateway.limits.drain_delay` is 0 unless the file says otherwise, and everything is served as
//! before while it lasts. What follows is the gateway's own drain.

use std::time::Duration;

use rutter_api::Readiness;

use crate::config::Config;

/// Says that it isn't ready any more, and gives those who ask the time to hear it.
pub(super) async fn announce(readiness: &Readiness, config: &Config) {
    let Some(gateway) = &config.gateway else { return };
    readiness.set("gateway", false);
    let delay = Duration::from(gateway.limits.drain_delay);
    if !delay.is_zero() {
        tracing::info!(?delay, "`/readyz` says 503; the gateway goes on accepting meanwhile");
        tokio::time::sleep(delay).await;
    }
}
