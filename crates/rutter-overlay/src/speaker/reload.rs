//! Another configuration, while everything runs.
//!
//! What didn't change isn't touched: a session goes on, a route stays. A peer whose talk changes
//! (its address, overlays, timers) is dialled anew, and what it said stands until it has said it
//! again. A peer that may hear something else now is asked to begin its session again, and keeps
//! what it heard until then. What can't change without a new process is named, and stays as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rutter_rib::OutletSpec;

use super::Speaker;
use crate::{OverlayConfig, OverlayError, Peer, PeerName, Timers, Vni};

/// What became of a new configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// What is otherwise in it than it stays: it needs a new process.
    pub kept: Vec<&'static str>,
    /// Peers that came.
    pub added: Vec<PeerName>,
    /// Peers that went.
    pub removed: Vec<PeerName>,
    /// Peers whose sessions begin again.
    pub changed: Vec<PeerName>,
}

/// What a peer's own session with this host hangs on.
#[derive(PartialEq)]
struct Hears {
    outlets: BTreeMap<Vni, OutletSpec>,
    leases: BTreeMap<Vni, Duration>,
    timers: Timers,
}

impl Speaker {
    /// Puts another configuration in force.
    ///
    /// # Errors
    /// A policy contradicts itself; the book has ended. The configuration of before is in force.
    pub async fn reload(&self, new: OverlayConfig) -> Result<Reloaded, OverlayError> {
        let mut talks = self.talks.lock().await;
        let old = self.config();
        let mut reloaded = Reloaded::default();
        let new = keep_fixed(&old, new, &mut reloaded.kept);
        let before: BTreeMap<PeerName, Hears> =
            old.peers.iter().map(|peer| (peer.name.clone(), self.hears(peer))).collect();
        self.host.set_config(new.clone());
        if let Err(error) = self.host.put_own(|_| {}).await {
            self.host.set_config((*old).clone());
            self.host.put_own(|_| {}).await?;
            return Err(error);
        }
        let names: BTreeSet<&PeerName> = new.peers.iter().map(|peer| &peer.name).collect();
        for gone in old.peers.iter().filter(|peer| !names.contains(&peer.name)) {
            self.host.forget(&gone.name);
            if let Some(talking) = talks.remove(&gone.name) {
                talking.end().await;
            }
            self.silence(&gone.name, &gone.overlays).await?;
            reloaded.removed.push(gone.name.clone());
        }
        for peer in &new.peers {
            let running = talks.get(&peer.name).map(|talking| talking.peer.clone());
            if running.as_ref() != Some(peer) {
                if let Some(talking) = talks.remove(&peer.name) {
                    talking.end().await;
                }
                let left: BTreeSet<Vni> = running
                    .iter()
                    .flat_map(|before| before.overlays.difference(&peer.overlays).copied())
                    .collect();
                self.silence(&peer.name, &left).await?;
                talks.insert(peer.name.clone(), self.begin(peer.clone())?);
            }
            match before.get(&peer.name) {
                None => reloaded.added.push(peer.name.clone()),
                Some(before) if *before != self.hears(peer) => {
                    self.host.changed(&peer.name);
                    reloaded.changed.push(peer.name.clone());
                }
                Some(_) if running.as_ref() != Some(peer) => {
                    reloaded.changed.push(peer.name.clone());
                }
                Some(_) => {}
            }
        }
        Ok(reloaded)
    }

    fn hears(&self, peer: &Peer) -> Hears {
        let config = self.config();
        let overlays = config.overlays.iter().filter(|(vni, _)| peer.overlays.contains(vni));
        Hears {
            outlets: self.host.outlets(&peer.name, &peer.overlays),
            leases: overlays.map(|(vni, overlay)| (*vni, overlay.install.lease)).collect(),
            timers: peer.timers,
        }
    }

    /// What a peer said in overlays that it has no part in any more goes.
    async fn silence(&self, peer: &PeerName, left: &BTreeSet<Vni>) -> Result<(), OverlayError> {
        for vni in left {
            self.host.feed().gone(peer, *vni).await?;
        }
        Ok(())
    }
}

/// The new configuration with what can't change as it was; `kept` hears what differs.
fn keep_fixed(
    old: &OverlayConfig,
    mut new: OverlayConfig,
    kept: &mut Vec<&'static str>,
) -> OverlayConfig {
    let mut keep = |differs: bool, what| {
        if differs {
            kept.push(what);
        }
    };
    keep(new.node != old.node, "the host's name");
    keep(new.exchange.listen != old.exchange.listen, "the address that it listens at");
    keep(new.exchange.identity != old.exchange.identity, "what proves who peers are");
    keep(new.exchange.max_message != old.exchange.max_message, "the largest message");
    let same = new.overlays.keys().eq(old.overlays.keys());
    keep(!same, "which overlays there are");
    new.node = old.node.clone();
    let accept_unlisted_peers = new.exchange.accept_unlisted_peers;
    new.exchange = crate::Exchange { accept_unlisted_peers, ..old.exchange.clone() };
    new.overlays.retain(|vni, _| old.overlays.contains_key(vni));
    for (vni, overlay) in &old.overlays {
        new.overlays.entry(*vni).or_insert_with(|| overlay.clone());
    }
    let overlays = &new.overlays;
    for peer in &mut new.peers {
        peer.overlays.retain(|vni| overlays.contains_key(vni));
    }
    // One that only has part in an overlay that is still to come waits for it.
    new.peers.retain(|peer| !peer.overlays.is_empty() && peer.name != old.node);
    new
}
