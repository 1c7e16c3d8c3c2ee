//! Maps and their differences, as the link carries them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rutter_link::{MapChange, MapExit, MapPeer};

use crate::map::{Delta, Exit, NetworkMap, Peer};

/// The peers, prefixes or exits in one part of a snapshot: some 256 KiB, so that a map of any size
/// goes through a link.
const AT_ONCE: usize = 4096;

/// A whole map: at least one part.
pub(super) fn snapshot(map: &NetworkMap) -> Arc<[Bytes]> {
    let delta = NetworkMap::default().delta_to(map);
    parts(change(delta)).iter().map(MapChange::encode).collect()
}

/// A difference. One that is larger than a link carries would be dropped by the board for the
/// snapshot, since it is larger than that.
pub(super) fn delta(delta: &Delta) -> Bytes {
    change(delta.clone()).encode()
}

fn change(Delta { peers, routes, exits }: Delta) -> MapChange {
    let peer = |peer: Peer| MapPeer {
        name: peer.name.to_string(),
        addresses: peer.addresses,
        endpoints: peer.endpoints,
    };
    let exit = |Exit { v4, v6 }: Exit| MapExit { v4, v6 };
    MapChange {
        peers: peers.into_iter().map(|(id, new)| (id, new.map(peer))).collect(),
        routes,
        exits: exits.into_iter().map(|(id, new)| (id, new.map(exit))).collect(),
    }
}

fn parts(change: MapChange) -> Vec<MapChange> {
    let MapChange { peers, routes, exits } = change;
    let peers = chunks(peers).into_iter().map(|peers| MapChange { peers, ..MapChange::default() });
    let routes =
        chunks(routes).into_iter().map(|routes| MapChange { routes, ..MapChange::default() });
    let exits = chunks(exits).into_iter().map(|exits| MapChange { exits, ..MapChange::default() });
    let mut parts: Vec<MapChange> = Vec::new();
    for part in peers.chain(routes).chain(exits) {
        match parts.last_mut() {
            Some(last) if last.len() + part.len() <= AT_ONCE => last.then(part),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        parts.push(MapChange::default());
    }
    parts
}

fn chunks<K: Ord, V>(map: BTreeMap<K, V>) -> Vec<BTreeMap<K, V>> {
    let mut chunks = Vec::new();
    let mut rest = map.into_iter().peekable();
    while rest.peek().is_some() {
        chunks.push(rest.by_ref().take(AT_ONCE).collect());
    }
    chunks
}
