//! A host of overlays as this file says it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rutter_overlay as overlay;
use rutter_overlay::{OverlayConfig, Peer, PeerName, Vni};
use rutter_route::ParseError;

use super::Problems;
use crate::config::raw;

const MIB: usize = 1024 * 1024;

/// Fills in the defaults and checks everything; `None` after a problem that leaves nothing to check.
pub(super) fn resolve(raw: &raw::Overlay, to: &mut Problems) -> Option<OverlayConfig> {
    let before = to.len();
    let Some(node) = &raw.node else {
        to.at("overlay", "the overlay has neither a `node` nor a file of n-netman's (`netman`)");
        return None;
    };
    let node: PeerName = parsed("overlay.node", node, to)?;
    let overlays = overlays(raw, to);
    let peers = peers(raw, &node, &overlays, to);
    let mib = raw.max_message_mib.unwrap_or(16);
    to.unless((16..=1024).contains(&mib), "overlay.max_message_mib", "expected 16 to 1024");
    let max_prefixes = raw.max_prefixes.map_or(overlay::MAX_PREFIXES, |n| n as usize);
    to.unless(max_prefixes > 0, "overlay.max_prefixes", "expected at least 1");
    let config = OverlayConfig {
        node,
        overlays,
        peers,
        exchange: overlay::Exchange {
            listen: raw.listen.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9898))),
            identity: identity(raw, to),
            accept_unlisted_peers: raw.accept_unlisted_peers.unwrap_or(false),
            max_message: usize::try_from(mib).unwrap_or_default() * MIB,
        },
        topology: topology(raw, to),
        max_prefixes,
        bridges: bridges(raw, to),
        netplan: overlay::Netplan {
            enabled: true,
            paths: raw.netplan.clone().unwrap_or_else(|| vec![PathBuf::from("/etc/netplan")]),
            interfaces: Vec::new(),
            prefers_v6: false,
        },
        // Logs are the whole process's.
        observe: overlay::Observe {
            level: "info".to_owned(),
            json: false,
            metrics: raw.metrics,
            health: raw.health,
        },
    };
    (to.len() == before).then_some(config)
}

fn parsed<T: FromStr<Err = ParseError>>(at: &str, text: &str, to: &mut Problems) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            to.at(at, error.to_string());
            None
        }
    }
}

fn identity(raw: &raw::Overlay, to: &mut Problems) -> overlay::Identity {
    let insecure = raw.insecure.unwrap_or(false);
    let Some(files) = &raw.certificates else {
        return if insecure { overlay::Identity::Insecure } else { overlay::Identity::Unproven };
    };
    to.unless(
        !insecure,
        "overlay.insecure",
        "peers prove who they are: leave this or `certificates` out",
    );
    let mut file = |key: &str, file: &Option<PathBuf>| match file {
        Some(file) => file.clone(),
        None => {
            to.at("overlay.certificates", format!("the key `{key}` is missing"));
            PathBuf::new()
        }
    };
    overlay::Identity::Certificates(overlay::CertificateFiles {
        certificate: file("chain", &files.chain),
        key: file("key", &files.key),
        ca: file("ca", &files.ca),
    })
}

fn topology(raw: &raw::Overlay, to: &mut Problems) -> overlay::Topology {
    let mut names = |key: &str, names: &Option<Vec<String>>| -> Vec<PeerName> {
        let names = names.iter().flatten().enumerate();
        names.filter_map(|(n, name)| parsed(&format!("overlay.{key}.{n}"), name, to)).collect()
    };
    let (allowed, denied) =
        (names("transit_for", &raw.transit_for), names("transit_not_for", &raw.transit_not_for));
    overlay::Topology {
        mode: match raw.topology.unwrap_or(raw::OverlayTopology::DirectPreferred) {
            raw::OverlayTopology::DirectPreferred => overlay::TopologyMode::DirectPreferred,
            raw::OverlayTopology::FullMesh => overlay::TopologyMode::FullMesh,
            raw::OverlayTopology::HubSpoke => overlay::TopologyMode::HubSpoke,
            raw::OverlayTopology::Static => overlay::TopologyMode::Static,
        },
        relay_fallback: raw.relay_fallback.unwrap_or(true),
        transit: match raw.transit.unwrap_or(raw::OverlayTransit::Deny) {
            raw::OverlayTransit::Deny => overlay::Transit::Deny,
            raw::OverlayTransit::Allow => overlay::Transit::Allow,
        },
        allowed,
        denied,
    }
}

fn overlays(raw: &raw::Overlay, to: &mut Problems) -> BTreeMap<Vni, overlay::Overlay> {
    let mut overlays = BTreeMap::new();
    let all = raw.networks.clone().unwrap_or_default();
    to.unless(!all.is_empty(), "overlay", "it has no overlay: write one in `networks`");
    let (mut names, mut tables) = (BTreeSet::new(), BTreeSet::new());
    for (n, raw) in all.iter().enumerate() {
        let at = format!("overlay.networks.{n}");
        let Some((vni, overlay)) = network(&at, raw, to) else { continue };
        for name in [&overlay.vxlan.name, &overlay.bridge.name] {
            to.unless(
                names.insert(name.clone()),
                &at,
                &format!("`{name}` is another link's name too"),
            );
        }
        let table = overlay.install.table;
        let own = tables.insert(table);
        to.unless(own, &at, &format!("table {table} is another overlay's too"));
        let only = overlays.insert(vni, overlay).is_none();
        to.unless(only, &at, &format!("VNI {vni} is another overlay's too"));
    }
    overlays
}

fn network(
    at: &str,
    raw: &raw::OverlayNetwork,
    to: &mut Problems,
) -> Option<(Vni, overlay::Overlay)> {
    let of = |key: &str| format!("{at}.{key}");
    let Some(vni) = raw.vni.and_then(Vni::new) else {
        to.at(at, "an overlay needs a `vni` of 1 to 16777215");
        return None;
    };
    let vxlan = raw.vxlan.clone().unwrap_or_else(|| format!("vxlan{vni}"));
    let bridge = raw.bridge.clone().unwrap_or_else(|| format!("br{vni}"));
    let port = raw.port.unwrap_or(4789);
    to.unless((1..=65_535).contains(&port), &of("port"), "expected 1 to 65535");
    let mtu = raw.mtu.unwrap_or(1450);
    to.unless((1280..=9000).contains(&mtu), &of("mtu"), "expected 1280 to 9000");
    let underlay = match &raw.underlay {
        Some(name) => Some(parsed(&of("underlay"), name, to)?),
        None => None,
    };
    let addresses = raw.addresses.iter().flatten().enumerate();
    let addresses = addresses
        .filter_map(|(n, text)| parsed(&format!("{at}.addresses.{n}"), text, to))
        .collect();
    let overlay = overlay::Overlay {
        vxlan: overlay::Vxlan {
            name: parsed(&of("vxlan"), &vxlan, to)?,
            port: u16::try_from(port).ok()?,
            learning: raw.learning.unwrap_or(true),
            mtu,
            underlay,
            flooding: flooding(&of("multicast"), raw.multicast.as_deref(), to),
        },
        bridge: overlay::Bridge { name: parsed(&of("bridge"), &bridge, to)?, addresses },
        export: export(&of("export.metric"), &raw.export.clone().unwrap_or_default(), to),
        import: import(&raw.import.clone().unwrap_or_default()),
        install: install(at, raw, to)?,
    };
    Some((vni, overlay))
}

fn bridges(raw: &raw::Overlay, to: &mut Problems) -> Vec<overlay::BridgeCare> {
    let mut bridges: Vec<overlay::BridgeCare> = Vec::new();
    for (n, raw) in raw.bridges.iter().flatten().enumerate() {
        let at = format!("overlay.bridges.{n}");
        let Some(name) = &raw.name else {
            to.at(&at, "a bridge needs a `name`");
            continue;
        };
        let Some(name) = parsed(&format!("{at}.name"), name, to) else { continue };
        if bridges.iter().any(|bridge| bridge.name == name) {
            to.at(&at, format!("the bridge `{name}` stands twice in the list"));
        }
        let fits = raw.mtu.is_none_or(|mtu| (1280..=9000).contains(&mtu));
        to.unless(fits, &format!("{at}.mtu"), "expected 1280 to 9000");
        let (stp, mtu) = (raw.stp.unwrap_or(false), raw.mtu);
        bridges.push(overlay::BridgeCare { name, stp, mtu, manage: true });
    }
    bridges
}

fn flooding(at: &str, group: Option<&str>, to: &mut Problems) -> overlay::Flooding {
    let Some(text) = group else { return overlay::Flooding::HeadEnd };
    match text.parse::<std::net::IpAddr>().ok().filter(std::net::IpAddr::is_multicast) {
        Some(group) => overlay::Flooding::Multicast(group),
        None => {
            to.at(at, format!("`{text}` is not the address of a multicast group"));
            overlay::Flooding::HeadEnd
        }
    }
}

fn export(at: &str, raw: &raw::OverlayExport, to: &mut Problems) -> overlay::Export {
    let metric = raw.metric.unwrap_or(100);
    to.unless(metric > 0, at, "expected at least 1");
    overlay::Export {
        networks: raw.networks.clone().unwrap_or_default(),
        connected: raw.connected.unwrap_or(false),
        netplan_static: raw.netplan_static.unwrap_or(false),
        all: raw.all.unwrap_or(false),
        metric,
    }
}

fn import(raw: &raw::OverlayImport) -> overlay::Import {
    overlay::Import {
        accept_all: raw.accept_all.unwrap_or(false),
        allow: raw.allow.clone().unwrap_or_default(),
        deny: raw.deny.clone().unwrap_or_default(),
        order: overlay::ImportOrder::DenyFirst,
    }
}

fn install(at: &str, raw: &raw::OverlayNetwork, to: &mut Problems) -> Option<overlay::Install> {
    let table = raw.table.unwrap_or(100);
    let table = u8::try_from(table).ok().and_then(overlay::RoutingTable::new);
    to.unless(table.is_some(), &format!("{at}.table"), "expected 1 to 252");
    let lease: Duration = raw.lease.map_or(Duration::from_secs(30), Into::into);
    to.unless(
        (Duration::from_secs(1)..=Duration::from_secs(7 * 86_400)).contains(&lease),
        &format!("{at}.lease"),
        "expected 1s to 7d",
    );
    Some(overlay::Install {
        table: table?,
        replace_existing: raw.replace_existing.unwrap_or(false),
        flush_on_peer_down: raw.flush_on_peer_down.unwrap_or(true),
        lease,
        lookup: match raw.lookup.unwrap_or(raw::OverlayLookup::Prefix) {
            raw::OverlayLookup::Prefix => Some(overlay::Lookup::Prefix),
            raw::OverlayLookup::Interface => Some(overlay::Lookup::Interface),
            raw::OverlayLookup::Off => None,
        },
    })
}

fn peers(
    raw: &raw::Overlay,
    node: &PeerName,
    overlays: &BTreeMap<Vni, overlay::Overlay>,
    to: &mut Problems,
) -> Vec<Peer> {
    let (mut peers, mut names) = (Vec::new(), BTreeSet::from([node.clone()]));
    for (n, raw) in raw.peers.iter().flatten().enumerate() {
        let at = format!("overlay.peers.{n}");
        let Some(peer) = peer(&at, raw, overlays, to) else { continue };
        let name = peer.name.clone();
        to.unless(names.insert(name.clone()), &at, &format!("`{name}` is another's name too"));
        peers.push(peer);
    }
    peers
}

fn peer(
    at: &str,
    raw: &raw::OverlayPeer,
    overlays: &BTreeMap<Vni, overlay::Overlay>,
    to: &mut Problems,
) -> Option<Peer> {
    let name = parsed(&format!("{at}.name"), raw.name.as_deref().unwrap_or_default(), to);
    let address = raw.address.as_deref().unwrap_or_default().parse().ok();
    to.unless(
        address.is_some(),
        &format!("{at}.address"),
        "a peer needs an IPv4 or IPv6 address, without a port",
    );
    let interface = match &raw.interface {
        Some(name) => Some(parsed(&format!("{at}.interface"), name, to)?),
        None => None,
    };
    let mut part: BTreeSet<Vni> = overlays.keys().copied().collect();
    if let Some(named) = &raw.overlays {
        let named: Option<BTreeSet<Vni>> = named.iter().copied().map(Vni::new).collect();
        let known = named.filter(|named| !named.is_empty() && named.is_subset(&part));
        let what = "expected numbers of overlays of this host";
        to.unless(known.is_some(), &format!("{at}.overlays"), what);
        part = known?;
    }
    let timers = |default: overlay::Timers| overlay::Timers {
        keepalive: raw.keepalive.map_or(default.keepalive, Into::into),
        dead: raw.dead.map_or(default.dead, Into::into),
    };
    let (timers, timers_of_original) =
        (timers(overlay::Timers::RUTTER), timers(overlay::Timers::ORIGINAL));
    for timers in [timers, timers_of_original] {
        let fits = !timers.keepalive.is_zero() && timers.dead > timers.keepalive;
        let what = "a peer would be given up before it is asked again: `dead` must be longer than \
                    `keepalive`";
        to.unless(fits, at, what);
    }
    Some(Peer {
        name: name?,
        address: address?,
        interface,
        overlays: part,
        timers,
        timers_of_original,
    })
}
