//! What a controller does while nobody asks.

use std::sync::Arc;
use std::time::Duration;

use rutter_book::Clock;
use tokio_util::sync::CancellationToken;

use super::Controller;

/// How often ended leases are removed. Nothing waits for it: an ended lease is shown to nobody, and
/// the table lets its routes go on time.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

impl Controller {
    /// Removes what ended leases left behind, every now and then, until `stop` is cancelled. A
    /// registry that can't be written is tried again the next time.
    pub async fn tend(&self, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            match self.sweep(clock.now()).await {
                Ok(0) => {}
                Ok(n_leases) => tracing::debug!(n_leases, "removed ended leases"),
                Err(crate::Error::Closed) => return,
                Err(error) => tracing::warn!(%error, "ended leases can't be removed now"),
            }
        }
    }
}
