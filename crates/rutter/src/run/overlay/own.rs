//! What this host announces: the networks of its file, those that the kernel has, and netplan's.

use std::collections::BTreeSet;
use std::sync::Arc;

use rutter_kernel::DEFAULT_AUDIT;
use rutter_kernel::source::{self, Found, Origin, SourceSpec};
use rutter_overlay::{Overlay, OverlayConfig, OverlayError, Speaker, netplan};
use rutter_route::Prefix;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::kernel::watch_over;
use crate::config::resolved;

/// Follows the kernel and announces what the file asks for of it.
pub(super) struct Own {
    config: watch::Sender<Arc<OverlayConfig>>,
    wanted: watch::Sender<SourceSpec>,
    protocol: u8,
    /// Dropped, it ends all of it.
    _stop: tokio_util::sync::DropGuard,
}

impl Own {
    /// Begins, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel can't be spoken with, netplan's files can't be read, a name is none of the kernel's.
    pub(super) fn start(
        overlay: &resolved::Overlay,
        speaker: Arc<Speaker>,
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let spec = spec(&overlay.host, overlay.protocol)?;
        statics(&overlay.host)?;
        let (wanted, told) = watch::channel(spec);
        let (config, configured) = watch::channel(Arc::new(overlay.host.clone()));
        let task = source::start(told, DEFAULT_AUDIT, stop.clone())?;
        tokio::spawn(watch_over(task.ended, "the host's own routes", ended.clone()));
        tokio::spawn(follow(task.found, configured, speaker, stop.clone()));
        Ok(Self { config, wanted, protocol: overlay.protocol, _stop: stop.drop_guard() })
    }

    /// Goes on by another configuration.
    ///
    /// # Errors
    /// As [`Own::start`]; nothing was changed.
    pub(super) fn reload(&self, config: &OverlayConfig) -> anyhow::Result<()> {
        let spec = spec(config, self.protocol)?;
        statics(config)?;
        self.wanted.send_replace(spec);
        self.config.send_replace(Arc::new(config.clone()));
        Ok(())
    }
}

async fn follow(
    mut found: watch::Receiver<Found>,
    mut config: watch::Receiver<Arc<OverlayConfig>>,
    speaker: Arc<Speaker>,
    stop: CancellationToken,
) {
    loop {
        let configured = config.borrow_and_update().clone();
        match statics(&configured) {
            Ok(statics) => {
                let found = found.borrow_and_update().clone();
                if let Err(error) = announce(&speaker, &configured, &found, &statics).await {
                    tracing::error!(%error, "own networks stay as they were announced");
                }
            }
            Err(error) => tracing::error!("netplan's static routes stay as they were: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = found.changed() => if changed.is_err() { return },
            changed = config.changed() => if changed.is_err() { return },
        }
    }
}

/// What is asked of the kernel.
fn spec(config: &OverlayConfig, protocol: u8) -> anyhow::Result<SourceSpec> {
    let overlays = || config.overlays.values();
    let links = overlays().flat_map(|overlay| [&overlay.bridge.name, &overlay.vxlan.name]);
    Ok(SourceSpec {
        connected: overlays().any(|overlay| overlay.export.connected),
        fixed: false,
        all: overlays().any(|overlay| overlay.export.all),
        not_on: links.map(|name| name.as_str().parse()).collect::<Result<_, _>>()?,
        not_of: [protocol].into(),
    })
}

/// The static routes of netplan's files, if any overlay announces them.
fn statics(config: &OverlayConfig) -> anyhow::Result<BTreeSet<Prefix>> {
    let asked = config.overlays.values().any(|overlay| overlay.export.netplan_static);
    if !asked || !config.netplan.enabled {
        return Ok(BTreeSet::new());
    }
    let plan = netplan::read(&config.netplan.paths)?;
    Ok(plan.routes.into_iter().map(|route| route.to).collect())
}

/// Announces what there is, beside what the file names.
async fn announce(
    speaker: &Speaker,
    config: &OverlayConfig,
    found: &Found,
    statics: &BTreeSet<Prefix>,
) -> Result<(), OverlayError> {
    for (vni, overlay) in &config.overlays {
        speaker.set_own(*vni, networks(overlay, found, statics)).await?;
    }
    Ok(())
}

fn networks(overlay: &Overlay, found: &Found, statics: &BTreeSet<Prefix>) -> BTreeSet<Prefix> {
    let export = &overlay.export;
    let is_asked = |origin| export.all || (export.connected && origin == Origin::Connected);
    let of_kernel = found.prefixes.iter().filter(|own| is_asked(own.origin)).map(|own| own.prefix);
    let of_files = statics.iter().filter(|_| export.netplan_static).copied();
    of_kernel.chain(of_files).collect()
}
