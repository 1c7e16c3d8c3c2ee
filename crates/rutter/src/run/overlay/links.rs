//! The overlays' links: kept as the file says, and flooded to the peers that are well.
//!
//! A peer counts as well until it is known not to be: at the start nobody was asked yet, and a
//! daemon before this one has left entries that packets go by.

use std::collections::BTreeSet;

use rutter_kernel::vxlan::{self, AtEnd, LinkAddress, LinksSpec, ManagedBridge, OverlayLink};
use rutter_kernel::{DEFAULT_AUDIT, LinkName};
use rutter_overlay::{BridgeCare, Flooding, Overlay, OverlayConfig, Peer, PeerName, Vni};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::resolved;

/// The links, kept.
pub(super) struct Links {
    wanted: watch::Sender<LinksSpec>,
    status: watch::Receiver<vxlan::Status>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Links {
    /// Begins to keep them, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel can't be spoken with, or a name is none of the kernel's.
    pub(super) fn start(
        config: &resolved::Overlay,
        ended: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (wanted, told) = watch::channel(spec(&config.host, &BTreeSet::new())?);
        let at_end = match config.remove_links {
            true => AtEnd::Remove,
            false => AtEnd::Leave,
        };
        let stop = CancellationToken::new();
        let task = vxlan::start(told, at_end, DEFAULT_AUDIT, stop.clone())?;
        let status = task.status.clone();
        let ended = tokio::spawn(super::kernel::watch_over(task.ended, "links", ended.clone()));
        Ok(Self { wanted, status, stop, ended })
    }

    pub(super) fn status(&self) -> watch::Receiver<vxlan::Status> {
        self.status.clone()
    }

    /// What changes them when a peer comes or goes.
    pub(super) fn wanted(&self) -> watch::Sender<LinksSpec> {
        self.wanted.clone()
    }

    /// Ends the keeping, and does with the links as is configured.
    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.ended.await {
            tracing::error!(%error, "the links' keeper");
        }
    }
}

/// What is wanted of the links while these peers are away.
///
/// # Errors
/// A name is none of the kernel's.
pub(super) fn spec(config: &OverlayConfig, away: &BTreeSet<PeerName>) -> anyhow::Result<LinksSpec> {
    let overlay = |(vni, overlay): (&Vni, &Overlay)| link(config, *vni, overlay, away);
    let bridge = |care: &BridgeCare| {
        anyhow::Ok(ManagedBridge { name: name(&care.name)?, stp: care.stp, mtu: care.mtu })
    };
    Ok(LinksSpec {
        overlays: config.overlays.iter().map(overlay).collect::<Result<_, _>>()?,
        bridges: config
            .bridges
            .iter()
            .filter(|care| care.manage)
            .map(bridge)
            .collect::<Result<_, _>>()?,
    })
}

fn link(
    config: &OverlayConfig,
    vni: Vni,
    overlay: &Overlay,
    away: &BTreeSet<PeerName>,
) -> anyhow::Result<OverlayLink> {
    let (vxlan, bridge) = (&overlay.vxlan, &overlay.bridge);
    let well = |peer: &&Peer| peer.overlays.contains(&vni) && !away.contains(&peer.name);
    let remote = |peer: &Peer| -> anyhow::Result<vxlan::Remote> {
        let over = peer.interface.as_ref().map(name).transpose()?;
        Ok(vxlan::Remote { address: peer.address, over })
    };
    let address = |address: &rutter_overlay::InterfaceAddress| {
        LinkAddress::new(address.address(), address.network().length())
    };
    Ok(OverlayLink {
        vni: vni.get(),
        vxlan: vxlan::Vxlan {
            name: name(&vxlan.name)?,
            port: vxlan.port,
            learning: vxlan.learning,
            mtu: Some(vxlan.mtu),
            underlay: vxlan.underlay.as_ref().map(name).transpose()?,
            preferred: config.netplan.interfaces.iter().map(name).collect::<Result<_, _>>()?,
            prefers_v6: config.netplan.prefers_v6,
            flooding: match vxlan.flooding {
                Flooding::HeadEnd => vxlan::Flooding::HeadEnd(
                    config.peers.iter().filter(well).map(remote).collect::<Result<_, _>>()?,
                ),
                Flooding::Multicast(group) => vxlan::Flooding::Multicast(group),
            },
        },
        bridge: vxlan::Bridge {
            name: name(&bridge.name)?,
            addresses: bridge.addresses.iter().map(address).collect::<Result<_, _>>()?,
        },
    })
}

fn name(name: &rutter_overlay::LinkName) -> anyhow::Result<LinkName> {
    Ok(name.as_str().parse()?)
}

#[cfg(test)]
mod tests;
