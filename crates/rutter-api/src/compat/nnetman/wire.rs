//! The body of `/status`.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::overlay::{OverlayStatus, PeerLife, PeerStanding};

#[derive(Debug, Serialize)]
pub(super) struct Status {
    node_id: String,
    uptime: String,
    peers: BTreeMap<String, Peer>,
    routes: Routes,
}

#[derive(Debug, Serialize)]
struct Peer {
    id: String,
    endpoint: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    routes: usize,
}

#[derive(Debug, Serialize)]
struct Routes {
    exported: usize,
    installed: usize,
}

impl Status {
    pub(super) fn of(status: &OverlayStatus) -> Self {
        let kernels = status.overlays.iter().filter_map(|overlay| overlay.kernel.as_ref());
        Self {
            node_id: status.node.clone(),
            uptime: uptime(status.uptime_ms / 1000),
            peers: status.peers.iter().map(|peer| (peer.name.clone(), Peer::of(peer))).collect(),
            routes: Routes {
                exported: status.overlays.iter().map(|overlay| overlay.announced).sum(),
                installed: kernels.map(|kernel| kernel.routes).sum(),
            },
        }
    }
}

impl Peer {
    fn of(peer: &PeerStanding) -> Self {
        let status = match peer.life {
            PeerLife::There => "healthy",
            PeerLife::Away => "unhealthy",
            PeerLife::Unknown if peer.error.is_some() => "disconnected",
            PeerLife::Unknown => "unknown",
        };
        Self {
            id: peer.name.clone(),
            endpoint: peer.address.clone(),
            status,
            last_seen: peer.last_heard_ms.and_then(moment),
            routes: peer.routes,
        }
    }
}

fn moment(ms: u64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()?;
    moment.format(&Rfc3339).ok()
}

/// As Go writes a duration of whole seconds: `1h2m3s`, `1m3s`, `3s`.
fn uptime(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, m) => format!("{m}m{s}s"),
        (h, m) => format!("{h}h{m}m{s}s"),
    }
}
