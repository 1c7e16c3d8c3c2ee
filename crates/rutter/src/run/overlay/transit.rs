//! Whether packets pass from one overlay to another: what the file says, made so in the data path.

use std::time::Duration;

use rutter_api::TransitState;
use rutter_kernel::transit::{self, Counter, Options, TransitSpec};
use rutter_overlay::{OverlayConfig, import};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::resolved;

/// Where its rules stand where the kernel has no nftables: behind the guard, before all that look up
/// an overlay's table.
const RULES: u32 = 95;

/// How long peers wait for it.
const SETTLES: Duration = Duration::from_secs(2);

/// It, kept.
pub(super) struct Transit {
    status: watch::Receiver<transit::Status>,
    wanted: watch::Sender<TransitSpec>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Transit {
    /// Begins to keep it, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel can't be spoken with.
    pub(super) fn start(
        config: &resolved::Overlay,
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (wanted, told) = watch::channel(spec(&config.host)?);
        let options =
            Options { rule_priority: RULES, protocol: config.protocol, ..Options::default() };
        let stop = CancellationToken::new();
        let task = transit::start(told, options, stop.clone())?;
        let status = task.status.clone();
        let ended = tokio::spawn(super::kernel::watch_over(task.ended, "transit", ended.clone()));
        Ok(Self { status, wanted, stop, ended })
    }

    /// Waits until the data path is as is wanted, but not for ever: a kernel that can't do it is
    /// no reason to tell peers nothing.
    pub(super) async fn settles(&self) {
        let mut status = self.status.clone();
        let tried = status.wait_for(|status| status.settled || status.failed.is_some());
        if tokio::time::timeout(SETTLES, tried).await.is_err() {
            tracing::warn!("transit isn't as it should be yet, and peers are told all the same");
        }
    }

    pub(super) fn status(&self) -> watch::Receiver<transit::Status> {
        self.status.clone()
    }

    /// Goes on by another configuration.
    ///
    /// # Errors
    /// A name is none of the kernel's.
    pub(super) fn reload(&self, config: &OverlayConfig) -> anyhow::Result<()> {
        self.wanted.send_replace(spec(config)?);
        Ok(())
    }

    /// Ends it, and removes what is ours.
    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.ended.await {
            tracing::error!(%error, "transit's keeper");
        }
    }
}

/// With `deny` nothing passes; with `allow` nothing of ours is in the kernel.
fn spec(config: &OverlayConfig) -> anyhow::Result<TransitSpec> {
    if config.topology.transit == rutter_overlay::Transit::Allow {
        return Ok(TransitSpec::default());
    }
    let mut spec = TransitSpec::default();
    for overlay in config.overlays.values() {
        spec.bridges.insert(overlay.bridge.name.as_str().parse()?);
        let own = import::Own::of(overlay);
        spec.own.extend(own.connected.into_iter().chain(own.announced));
    }
    Ok(spec)
}

/// How it stands, for those who look.
pub(super) fn state(config: &OverlayConfig, status: &transit::Status) -> TransitState {
    let denies = config.topology.transit == rutter_overlay::Transit::Deny;
    let (packets, bytes) = match status.counter {
        Counter::Dropped { packets, bytes } if denies => (Some(packets), Some(bytes)),
        Counter::Dropped { .. } | Counter::Unavailable => (None, None),
    };
    TransitState {
        denied: denies,
        settled: status.settled,
        dropped_packets: packets,
        dropped_bytes: bytes,
        drift: status.n_drift,
        problems: status.failed.iter().chain(&status.errors).cloned().collect(),
    }
}
