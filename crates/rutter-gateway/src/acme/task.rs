//! The task: sleeps until something is due, orders it, and says what came of it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::quality::RandomState;
use tokio_util::sync::CancellationToken;

use super::config::AcmeConfig;
use super::error::OrderError;
use super::issued::Issued;
use super::order::{CERTIFICATE, order};
use super::schedule::{Schedule, Validity};
use super::served::Served;
use crate::error::GatewayError;
use crate::metrics::GatewayMetrics;

/// How long an order may take in all.
const PATIENCE: Duration = Duration::from_secs(300);

/// The longest sleep: the clock on the wall may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Makes a kept certificate what is served, before anybody is accepted. One that can't be
/// understood is told and ordered anew.
///
/// # Errors
/// What is kept can't be read.
pub(crate) fn load(
    config: &AcmeConfig,
    served: &Served,
    metrics: &GatewayMetrics,
) -> Result<(), GatewayError> {
    let failed = |source| GatewayError::File { path: CERTIFICATE.into(), source };
    let Some(pem) = config.store.read(CERTIFICATE).map_err(failed)? else { return Ok(()) };
    match Issued::read(&pem) {
        Ok(issued) => take(issued, served, metrics),
        Err(error) => tracing::error!(%error, "the kept ACME certificate can't be used"),
    }
    Ok(())
}

fn take(issued: Issued, served: &Served, metrics: &GatewayMetrics) {
    let not_after = issued.validity.not_after;
    served.set_certificate(issued);
    metrics.acme_not_after_seconds.set(not_after);
}

/// Orders what is due until `stop`. A kept certificate counts if it is for all names.
pub(crate) async fn run(
    config: AcmeConfig,
    served: Arc<Served>,
    metrics: Arc<GatewayMetrics>,
    stop: CancellationToken,
) {
    let kept = served.validity_for(&config.names);
    let mut schedule = Schedule::new(kept, RandomState::default().hash_one("acme"));
    loop {
        let wait = Duration::from_secs(schedule.due().saturating_sub(now())).min(LONGEST_SLEEP);
        if !wait.is_zero() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => continue,
            }
        }
        metrics.acme_orders.add(1);
        let ordered = tokio::select! {
            () = stop.cancelled() => return,
            ordered = tokio::time::timeout(PATIENCE, order(&config, &served)) => ordered,
        };
        match ordered.unwrap_or(Err(OrderError::Late)) {
            Ok(issued) => {
                let validity: Validity = issued.validity;
                schedule.issued(now(), validity);
                take(issued, &served, &metrics);
                let not_after = validity.not_after;
                tracing::info!(names = ?config.names, not_after, "a new certificate by ACME");
            }
            Err(error) => {
                metrics.acme_failures.add(1);
                let again_in = schedule.failed(now());
                tracing::error!(
                    names = ?config.names, %error, again_in,
                    "no certificate by ACME; what there was stays"
                );
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
