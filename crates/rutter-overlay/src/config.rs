//! What a host of overlays is told, with every default filled in.
//!
//! The values are Rutter's own, whatever file they come from, and each says what will happen: two
//! sets of timers where it depends on who the peer is, the set of a peer's overlays where the file
//! left it out. A value of these types is valid by itself; that names and tables stand once is
//! checked by whoever makes an [`OverlayConfig`]. It serializes for people, who look at what holds.

mod names;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rutter_route::Prefix;
use serde::Serialize;

pub use names::{InterfaceAddress, LinkName, PeerName, RoutingTable, Vni};

/// The least limit of a message, in bytes: a peer may send 40,000 routes in one.
pub const MIN_MESSAGE: usize = 16 * 1024 * 1024;

/// The most prefixes of a peer in an overlay, unless something else is said.
pub const MAX_PREFIXES: usize = 200_000;

/// A host of overlays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverlayConfig {
    /// What peers call this host.
    pub node: PeerName,
    /// Its overlays; names, bridges and routing tables are each used once.
    pub overlays: BTreeMap<Vni, Overlay>,
    /// Its peers; names are used once, and none is this host's.
    pub peers: Vec<Peer>,
    /// How it speaks with them.
    pub exchange: Exchange,
    /// Who forwards for whom.
    pub topology: Topology,
    /// The most prefixes of a peer in an overlay, refused ones too.
    pub max_prefixes: usize,
    /// What is said of bridges, the overlays' own and others.
    pub bridges: Vec<BridgeCare>,
    /// Where static routes are read from, if any overlay exports them.
    pub netplan: Netplan,
    /// What people and monitoring see.
    pub observe: Observe,
}

/// One overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlay {
    /// Its VXLAN link.
    pub vxlan: Vxlan,
    /// The bridge that the link is a port of.
    pub bridge: Bridge,
    /// What peers are told.
    pub export: Export,
    /// What of theirs is taken.
    pub import: Import,
    /// What the kernel gets.
    pub install: Install,
}

/// A VXLAN link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vxlan {
    /// The link's name.
    pub name: LinkName,
    /// The UDP port.
    pub port: u16,
    /// The kernel learns addresses from frames.
    pub learning: bool,
    /// The link's MTU.
    pub mtu: u32,
    /// The interface below, whose first address is the link's own.
    pub underlay: Option<LinkName>,
    /// Where frames for everybody go.
    pub flooding: Flooding,
}

/// Where broadcast, unknown and multicast frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flooding {
    /// A copy to each peer that is well.
    HeadEnd,
    /// To a multicast group.
    Multicast(IpAddr),
}

/// An overlay's bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// Its name.
    pub name: LinkName,
    /// Its addresses: next hops of what this host announces.
    pub addresses: Vec<InterfaceAddress>,
}

/// What is said of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BridgeCare {
    /// Its name.
    pub name: LinkName,
    /// Spanning tree.
    pub stp: bool,
    /// The MTU that it keeps.
    pub mtu: Option<u32>,
    /// Whether it is looked after at all.
    pub manage: bool,
}

/// What peers are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// These networks.
    pub networks: Vec<Prefix>,
    /// Networks that are directly connected.
    pub connected: bool,
    /// Static routes of netplan's files.
    pub netplan_static: bool,
    /// All of the kernel's table `main`.
    pub all: bool,
    /// The metric that goes with them.
    pub metric: u32,
}

/// What of the peers' routes is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Import {
    /// Everything, within the order.
    pub accept_all: bool,
    /// What lies in one of these.
    pub allow: Vec<Prefix>,
    /// Nothing that shares an address with one of these; a default route means only itself.
    pub deny: Vec<Prefix>,
    /// What is asked first.
    pub order: ImportOrder,
}

/// What the import policy asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportOrder {
    /// `deny`, then `accept_all`, then `allow`: as n-netman runs.
    #[default]
    DenyFirst,
    /// `accept_all`, then `deny`, then `allow`: as n-netman is documented.
    AcceptAllFirst,
}

/// What the kernel gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Install {
    /// The routing table.
    pub table: RoutingTable,
    /// A route of the operator with the same key gives way.
    pub replace_existing: bool,
    /// A lost peer's routes go at once, not with their lease.
    pub flush_on_peer_down: bool,
    /// How long what is announced stands unless it is said again.
    #[serde(serialize_with = "shown::period")]
    pub lease: Duration,
    /// Which packets are looked up in the table.
    pub lookup: Option<Lookup>,
}

/// Which packets a rule sends to an overlay's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// What comes from or goes to the overlay's bridge.
    Interface,
    /// What goes to a learned prefix.
    Prefix,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its name, which its certificate proves.
    pub name: PeerName,
    /// Where it is, in the underlay.
    pub address: IpAddr,
    /// The interface that leads there, if it is to be that one.
    pub interface: Option<LinkName>,
    /// Which overlays it has part in; never empty.
    pub overlays: BTreeSet<Vni>,
    /// The timers, if it speaks `rutter.v1`.
    pub timers: Timers,
    /// The timers, if it is an original.
    pub timers_of_original: Timers,
}

/// How a peer's life is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timers {
    /// How often it is asked.
    #[serde(serialize_with = "shown::period")]
    pub keepalive: Duration,
    /// How long it may be silent.
    #[serde(serialize_with = "shown::period")]
    pub dead: Duration,
}

impl Timers {
    /// Between two Rutter hosts.
    pub const RUTTER: Self =
        Self { keepalive: Duration::from_millis(300), dead: Duration::from_millis(900) };
    /// Towards an original, where each question is a call of its own.
    pub const ORIGINAL: Self =
        Self { keepalive: Duration::from_secs(1), dead: Duration::from_secs(3) };
}

impl From<Timers> for rutter_link::Pulse {
    fn from(timers: Timers) -> Self {
        Self { keepalive: timers.keepalive, dead: Some(timers.dead) }
    }
}

/// How this host speaks with its peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Where it listens; peers are dialled at the same port.
    pub listen: SocketAddr,
    /// What proves who a caller is.
    pub identity: Identity,
    /// Callers that no peer is configured for may speak.
    pub accept_unlisted_peers: bool,
    /// The largest message, in bytes; [`MIN_MESSAGE`] or more.
    pub max_message: usize,
}

/// What proves who a caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The common name of its certificate.
    Certificates(CertificateFiles),
    /// Nothing does, so nobody is believed.
    Unproven,
    /// Nothing does, and everybody is believed.
    Insecure,
}

/// Files of a certificate, its key, and the CA of the peers' certificates, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA.
    pub ca: PathBuf,
}

/// Who forwards for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Who speaks with whom.
    pub mode: TopologyMode,
    /// A peer that can't be reached is reached through another.
    pub relay_fallback: bool,
    /// What this host does with packets between others.
    pub transit: Transit,
    /// With `allow`: only for these; empty for all.
    pub allowed: Vec<PeerName>,
    /// Never for these.
    pub denied: Vec<PeerName>,
}

/// Who speaks with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopologyMode {
    /// Each with each, others' ways as a reserve.
    DirectPreferred,
    /// Each with each.
    FullMesh,
    /// All with a hub.
    HubSpoke,
    /// As written.
    Static,
}

/// What a host does with packets between others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transit {
    /// It drops and counts them.
    Deny,
    /// It forwards them, and announces the way.
    Allow,
}

/// Where static routes are read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Netplan {
    /// Whether netplan's files are read.
    pub enabled: bool,
    /// Folders and files.
    pub paths: Vec<PathBuf>,
    /// Underlay interfaces, the most wanted first.
    pub interfaces: Vec<LinkName>,
    /// IPv6 goes before IPv4 in the underlay.
    pub prefers_v6: bool,
}

/// What people and monitoring see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observe {
    /// What is logged: a level.
    pub level: String,
    /// Logs are JSON.
    pub json: bool,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where health is served.
    pub health: Option<SocketAddr>,
}
