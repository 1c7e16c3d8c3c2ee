//! What follows how peers are: the kernel's leftovers, the links, and what people see.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rutter_api::{PeerLife, PeerStanding};
use rutter_book::{Clock, SystemClock};
use rutter_kernel::vxlan::LinksSpec;
use rutter_overlay::{Lives, PeerName, PeerStatus, Protocol, Speaker};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, links};

/// Waits until each peer is there and has told what it has, but no longer than what a process before
/// this one had learned could stand, its lease; then says so. Whoever is away at a restart keeps its
/// routes that long, and all others' are exchanged without a gap.
pub(super) async fn become_whole(speaker: Arc<Speaker>, whole: CancellationToken) {
    let config = speaker.config();
    let leases = config.overlays.values().map(|overlay| overlay.install.lease);
    let bound = leases.max().unwrap_or_default();
    let mut lives = speaker.lives();
    let all_there = async {
        for peer in &config.peers {
            let there = |lives: &Lives| lives.get(&peer.name).is_some_and(|life| life.there);
            let protocol = match lives.wait_for(there).await {
                Ok(seen) => seen.get(&peer.name).and_then(|life| life.protocol),
                Err(_) => return,
            };
            // What it tells comes with its first words, or right after them.
            let soon = match protocol {
                Some(Protocol::Rutter) => peer.timers.keepalive,
                _ => peer.timers_of_original.keepalive,
            };
            tokio::time::sleep(soon).await;
        }
    };
    if tokio::time::timeout(bound, all_there).await.is_err() {
        tracing::info!(?bound, "not all peers are there: what they told a process before goes");
    }
    whole.cancel();
}

/// How long what a process before had of a fabric's neighbours waits for them to tell it again.
const FABRIC_TELLS: Duration = Duration::from_secs(10);

/// Has the kernel's leftovers go when the peers have told all they have, and where a fabric carries
/// the tables, its neighbours have had the time to.
pub(super) async fn and_fabric(
    peers: CancellationToken,
    in_fabric: bool,
    kernel: CancellationToken,
) {
    peers.cancelled().await;
    if in_fabric {
        tokio::time::sleep(FABRIC_TELLS).await;
    }
    kernel.cancel();
}

/// Has frames for everybody go to the peers that are well, once it is known who is (`whole`), until
/// nobody wants them any more.
pub(super) async fn flood_to_the_well(
    speaker: Arc<Speaker>,
    whole: CancellationToken,
    wanted: watch::Sender<LinksSpec>,
) {
    whole.cancelled().await;
    let mut lives = speaker.lives();
    loop {
        let away: BTreeSet<PeerName> = {
            let lives = lives.borrow_and_update();
            let away = lives.iter().filter(|(_, life)| !life.there);
            away.map(|(name, _)| name.clone()).collect()
        };
        match links::spec(&speaker.config(), &away) {
            Ok(spec) => drop(wanted.send_if_modified(|before| {
                let differs = *before != spec;
                *before = spec;
                differs
            })),
            // It was made of the same names before.
            Err(error) => tracing::error!(%error, "the links' peers"),
        }
        tokio::select! {
            changed = lives.changed() => if changed.is_err() { return },
            () = wanted.closed() => return,
        }
    }
}

/// How each peer stands.
pub(super) async fn standings(shared: &Shared) -> Vec<PeerStanding> {
    let Some(speaker) = shared.speaker.get() else {
        let peers = shared.config.peers.iter();
        let mut peers: Vec<_> = peers.map(|peer| unseen(&peer.name, peer.address)).collect();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        return peers;
    };
    // A book that is closed is one whose program is ending: it shows nothing.
    let statuses = speaker.statuses().await.unwrap_or_default();
    statuses.into_iter().map(standing).collect()
}

/// A peer that nobody has asked yet.
fn unseen(name: &PeerName, address: std::net::IpAddr) -> PeerStanding {
    PeerStanding {
        name: name.to_string(),
        address: address.to_string(),
        protocol: None,
        life: PeerLife::Unknown,
        since_ms: None,
        last_heard_ms: None,
        routes: 0,
        error: None,
    }
}

fn standing(status: PeerStatus) -> PeerStanding {
    let now = SystemClock.now().wall.0;
    let ago = |ago: Duration| now.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(now));
    PeerStanding {
        protocol: status.protocol.map(|protocol| protocol.to_string()),
        life: match status.protocol {
            None => PeerLife::Unknown,
            Some(_) if status.there => PeerLife::There,
            Some(_) => PeerLife::Away,
        },
        since_ms: Some(ago(status.since)),
        last_heard_ms: status.heard.map(ago),
        routes: status.n_accepted + status.n_refused,
        error: status.error,
        ..unseen(&status.name, status.address.ip())
    }
}
