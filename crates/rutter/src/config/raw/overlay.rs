//! The section of the overlay role.

use std::net::SocketAddr;
use std::path::PathBuf;

use rutter_route::{Prefix, SinkMode};
use serde::{Deserialize, Serialize};

use crate::config::Period;
use crate::config::section::{Described, Shape, section};

section! {
    /// The overlay: exchanges prefixes with peers, and keeps links, routes and rules of the kernel.
    /// It needs the right to change them (`CAP_NET_ADMIN`). Peers, networks and all that is said of
    /// them stand here, or in a file of n-netman's form (`netman`).
    Overlay {
        /// n-netman's file, version 1 or 2, in the place of all keys from `node` on.
        netman: PathBuf = Says("the keys from `node` on"),
        /// `act`, or `observe`: it takes all routes in and ranks them, logs each difference that it
        /// would act on, and neither announces anything nor touches the kernel.
        mode: SinkMode = Is("act"),
        /// What becomes of the kernel's routes and rules at the end: they are removed (`flush`), stay
        /// for the next start (`adopt`), or stay for good (`leave`).
        at_end: AtEnd = Is("flush"),
        /// Links that were made here are removed at the end; without it they stay, as n-netman's do.
        remove_links: bool = Is("false"),
        /// The protocol number that its routes and rules bear, 5 to 255. Nothing that bears another is
        /// ever changed. 99 is n-netman's, and Open/R's: where that runs too, take another. With 99 `ip
        /// rule` shows no number, as n-netman's rules have none.
        protocol: u32 = Says("99 with `netman`, else 82"),
        /// The kernel's settings that routes need are set at the start, and by `rutter overlay apply`:
        /// forwarding on, a strict reverse path filter of the bridges loose, and with
        /// `next_hop_objects` their compatibility mode off. `rutter overlay doctor` names them.
        sysctl: bool = Is("false"),
        /// Routes name next-hop objects that they share, so that many move in one message; `ip route
        /// flush` doesn't work on such routes, `rutter overlay clean` does.
        next_hop_objects: bool = Says("`false` with `netman`, else `true`"),
        /// What its peers call this host, and its certificate names.
        node: String = Says("needed without `netman`"),
        /// Where peers reach it; they are dialled at the same port.
        listen: SocketAddr = Is("0.0.0.0:9898"),
        /// What proves who it and its peers are; `rutter overlay cert` makes some.
        certificates: PeerCertificates = Says("nobody is believed"),
        /// Without certificates everybody is believed.
        insecure: bool = Is("false"),
        /// Callers that no peer is configured for may speak.
        accept_unlisted_peers: bool = Is("false"),
        /// The largest message, in MiB, 16 to 1024.
        max_message_mib: u32 = Is("16"),
        /// The most prefixes of one peer in one overlay; refused ones count; more are
        /// refused. At four fifths it warns.
        max_prefixes: u32 = Is("200000"),
        /// Who speaks with whom: `direct_preferred` (others' ways are a reserve), `full_mesh`,
        /// `hub_spoke`, `static`.
        topology: Topology = Is("direct_preferred"),
        /// A peer that can't be reached is reached through another.
        relay_fallback: bool = Is("true"),
        /// Packets between other hosts: `deny` drops and counts them, `allow` forwards them and
        /// announces the way.
        transit: Transit = Is("deny"),
        /// With `allow`, only for these peers.
        transit_for: Vec<String> = Says("all"),
        /// With `allow`, never for these.
        transit_not_for: Vec<String> = Is("[]"),
        /// Folders and files of netplan's, for `netplan_static`.
        netplan: Vec<PathBuf> = Is("[/etc/netplan]"),
        /// Where health is told in n-netman's words.
        health: SocketAddr = Says("off"),
        /// Where metrics are served under n-netman's names too.
        metrics: SocketAddr = Says("off"),
        /// Bridges that are looked after beside what overlays need of theirs: set up, and kept as is
        /// said here. Others' bridges are left alone.
        bridges: Vec<OverlayBridge> = Is("[]"),
        /// The overlays: at least one.
        networks: Vec<OverlayNetwork> = Is("[]"),
        /// The peers.
        peers: Vec<OverlayPeer> = Is("[]")
    }
}

section! {
    /// A certificate, its key, and the CA of the peers', in PEM files.
    PeerCertificates {
        /// The certificate, whose common name is `node`.
        chain: PathBuf = Required,
        /// Its key.
        key: PathBuf = Required,
        /// The CA.
        ca: PathBuf = Required
    }
}

section! {
    /// An overlay: a VXLAN, the bridge that it is a port of, and a table of the kernel.
    OverlayNetwork {
        /// Its number, 1 to 16777215; its routes are in the table `overlay/VNI`.
        vni: u32 = Required,
        /// The VXLAN's name.
        vxlan: String = Says("`vxlan` and the number"),
        /// The bridge's name.
        bridge: String = Says("`br` and the number"),
        /// The bridge's addresses, such as `10.100.0.1/24`: next hops of what is announced.
        addresses: Vec<String> = Is("[]"),
        /// The UDP port.
        port: u32 = Is("4789"),
        /// The VXLAN's MTU, 1280 to 9000.
        mtu: u32 = Is("1450"),
        /// The kernel learns addresses from frames; without it each frame goes to every peer.
        learning: bool = Is("true"),
        /// The interface below, whose address packets bear.
        underlay: String = Says("as the kernel routes"),
        /// A multicast group for frames that are for everybody.
        multicast: String = Says("a copy to each peer that is well"),
        /// What peers are told.
        export: OverlayExport = Says("as below"),
        /// What of theirs is taken.
        import: OverlayImport = Says("nothing"),
        /// The kernel's table, 1 to 252.
        table: u32 = Is("100"),
        /// A route of the operator's with the same network and metric gives way, and is put back at the
        /// end. Without it, it stays, and ours is refused.
        replace_existing: bool = Is("false"),
        /// A lost peer's routes go at once, not with their lease.
        flush_on_peer_down: bool = Is("true"),
        /// How long what is announced stands unless it is said again.
        lease: Period = Is("30s"),
        /// Which packets are looked up in the table: `prefix` (those to networks that may be learned),
        /// `interface` (also those from and to the bridge, as n-netman), `off`.
        lookup: Lookup = Is("prefix")
    }
}

section! {
    /// A bridge that is looked after, an overlay's or another that is there.
    OverlayBridge {
        /// Its name.
        name: String = Required,
        /// Spanning tree: a new port then forwards half a minute after it came.
        stp: bool = Is("false"),
        /// The MTU that it keeps, 1280 to 9000.
        mtu: u32 = Says("the one that it has; an overlay's own: the overlay's")
    }
}

section! {
    /// What peers are told.
    OverlayExport {
        /// These networks.
        networks: Vec<Prefix> = Is("[]"),
        /// Networks that are directly connected.
        connected: bool = Is("false"),
        /// Static routes of netplan's files.
        netplan_static: bool = Is("false"),
        /// All of the kernel's table `main`.
        all: bool = Is("false"),
        /// The metric that goes with them.
        metric: u32 = Is("100")
    }
}

section! {
    /// What of the peers' routes is taken: what no list names is refused.
    OverlayImport {
        /// Nothing that shares an address with one of these; a default route means only itself.
        deny: Vec<Prefix> = Is("[]"),
        /// Everything else.
        accept_all: bool = Is("false"),
        /// What lies in one of these.
        allow: Vec<Prefix> = Is("[]")
    }
}

section! {
    /// A peer.
    OverlayPeer {
        /// Its name, which its certificate proves.
        name: String = Required,
        /// Its address in the underlay.
        address: String = Required,
        /// The interface that leads there.
        interface: String = Says("as the kernel routes"),
        /// The numbers of the overlays that it has part in.
        overlays: Vec<u32> = Says("all"),
        /// How often it is asked whether it is there.
        keepalive: Period = Says("`300ms`, an original `1s`"),
        /// How long it may be silent.
        dead: Period = Says("`900ms`, an original `3s`")
    }
}

/// A key whose value is one of a few words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident, $shape:literal { $($(#[$word_doc:meta])* $word:ident),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
            #[serde(rename_all = "snake_case")]
            pub(crate) enum $name {
                $($(#[$word_doc])* $word),+
            }

            impl Described for $name {
                fn shape() -> Shape {
                    Shape::Value($shape)
                }
            }
        )+
    };
}

words! {
    /// Who speaks with whom.
    Topology, "a word" {
        /// Each with each, others' ways as a reserve.
        DirectPreferred,
        /// Each with each.
        FullMesh,
        /// All with a hub.
        HubSpoke,
        /// As written.
        Static,
    }
    /// What becomes of packets between other hosts.
    Transit, "`deny` or `allow`" {
        /// They are dropped and counted.
        Deny,
        /// They are forwarded.
        Allow,
    }
    /// Which packets are looked up in an overlay's table.
    Lookup, "`prefix`, `interface` or `off`" {
        /// Those to networks that may be learned.
        Prefix,
        /// Also those from and to the bridge.
        Interface,
        /// None.
        Off,
    }
}

/// What becomes of the kernel's routes and rules at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtEnd {
    /// They are removed
    #[default]
    Flush,
    /// They stay, and the next start keeps what is right and removes the rest
    Adopt,
    /// They stay, and nothing that was found at the start is removed
    Leave,
}

impl Described for AtEnd {
    fn shape() -> Shape {
        Shape::Value("`flush`, `adopt` or `leave`")
    }
}
