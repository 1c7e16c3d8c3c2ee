//! Changes of network maps on the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use prost::Message;
use rutter_route::NodeId;

use super::destination::{decode_address, decode_prefix, encode_address, encode_prefix};
use super::{Malformed, v1};
use crate::map::{MapChange, MapExit, MapPeer};

pub(crate) fn encode(change: &MapChange) -> Bytes {
    let MapChange { peers, routes, exits } = change;
    let mut wire = v1::MapChange::default();
    for (node, peer) in peers {
        match peer {
            Some(peer) => wire.peers.push(encode_peer(*node, peer)),
            None => wire.peers_gone.push(node.0),
        }
    }
    for (prefix, router) in routes {
        let prefix = encode_prefix(prefix);
        match router {
            Some(node) => wire.routes.push(v1::MapRoute { prefix: Some(prefix), node: node.0 }),
            None => wire.routes_gone.push(prefix),
        }
    }
    for (node, exit) in exits {
        match exit {
            Some(MapExit { v4, v6 }) => {
                wire.exits.push(v1::MapExit { node: node.0, v4: *v4, v6: *v6 });
            }
            None => wire.exits_gone.push(node.0),
        }
    }
    wire.encode_to_vec().into()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<MapChange, Malformed> {
    let wire = v1::MapChange::decode(bytes).map_err(Malformed::at("map.change"))?;
    let peers =
        wire.peers.into_iter().map(|peer| Ok((NodeId(peer.node), Some(decode_peer(peer)?))));
    let peers = peers.chain(wire.peers_gone.into_iter().map(|node| Ok((NodeId(node), None))));
    let routes = wire.routes.iter().map(|route| {
        let prefix = route.prefix.as_ref();
        let prefix =
            prefix.ok_or_else(|| Malformed::new("map.route.prefix", "expected a prefix"))?;
        Ok((decode_prefix(prefix)?, Some(NodeId(route.node))))
    });
    let gone = wire.routes_gone.iter().map(|prefix| Ok((decode_prefix(prefix)?, None)));
    let exits = wire
        .exits
        .iter()
        .map(|exit| (NodeId(exit.node), Some(MapExit { v4: exit.v4, v6: exit.v6 })));
    let exits = exits.chain(wire.exits_gone.iter().map(|node| (NodeId(*node), None)));
    Ok(MapChange {
        peers: peers.collect::<Result<BTreeMap<_, _>, Malformed>>()?,
        routes: routes.chain(gone).collect::<Result<BTreeMap<_, _>, Malformed>>()?,
        exits: exits.collect(),
    })
}

fn encode_peer(node: NodeId, peer: &MapPeer) -> v1::MapPeer {
    let bytes = |addresses: &[IpAddr]| addresses.iter().map(|a| encode_address(*a)).collect();
    v1::MapPeer {
        node: node.0,
        name: peer.name.clone(),
        addresses: bytes(&peer.addresses),
        endpoints: bytes(&peer.endpoints),
    }
}

fn decode_peer(wire: v1::MapPeer) -> Result<MapPeer, Malformed> {
    let all = |field, wire: &[Vec<u8>]| -> Result<Vec<IpAddr>, Malformed> {
        wire.iter().map(|bytes| decode_address(field, bytes)).collect()
    };
    Ok(MapPeer {
        addresses: all("map.peer.addresses", &wire.addresses)?,
        endpoints: all("map.peer.endpoints", &wire.endpoints)?,
        name: wire.name,
    })
}
