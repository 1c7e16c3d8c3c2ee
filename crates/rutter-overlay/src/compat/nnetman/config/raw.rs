//! What was written: every key that the original reads, and Rutter's own section.
//!
//! Each key may be left out or have nothing behind it. Numbers are as wide as YAML's, so that one
//! out of range is told as such and at its place.

use std::fmt;

use rutter_yaml::Known;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A type that says which keys may stand in it.
pub(super) trait HasKeys {
    fn keys() -> Known;
}

macro_rules! plain {
    ($($type:ty),+) => {
        $(impl HasKeys for $type {
            fn keys() -> Known {
                Known::Anything
            }
        })+
    };
}
plain!(String, bool, i64);

impl<T: HasKeys> HasKeys for Vec<T> {
    fn keys() -> Known {
        Known::Each(Box::new(T::keys()))
    }
}

/// Makes of lists of keys the types that are read and what is known of their keys, so that neither
/// can have a key that the other lacks.
macro_rules! sections {
    ($( $name:ident { $( $key:ident : $type:ty ),+ $(,)? } )+) => {
        $(
            #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
            #[serde(default)]
            pub(super) struct $name {
                $( pub(super) $key: Option<$type>, )+
            }

            impl HasKeys for $name {
                fn keys() -> Known {
                    Known::Keys(vec![ $( (stringify!($key), <$type>::keys()) ),+ ])
                }
            }
        )+
    };
}

sections! {
    File {
        version: i64,
        node: Node,
        netplan: Netplan,
        kvm: Kvm,
        overlay: OverlayV1,
        overlays: Vec<Overlay>,
        peers: Vec<Peer>,
        routing: Routing,
        topology: Topology,
        security: Security,
        observability: Observability,
        rutter: Rutter,
    }

    Node { id: String, hostname: String, tags: Vec<String> }

    Netplan { enabled: bool, config_paths: Vec<String>, underlay: NetplanUnderlay }
    NetplanUnderlay { prefer_interfaces: Vec<String>, prefer_address_families: Vec<String> }

    Kvm {
        enabled: bool,
        provider: String,
        libvirt: Libvirt,
        bridges: Vec<KvmBridge>,
        attach: Attach,
    }
    Libvirt { uri: String, mode: String, network: LibvirtNetwork }
    LibvirtNetwork { name: String, autostart: bool, forward_mode: String }
    KvmBridge { name: String, stp: bool, mtu: i64, manage: bool }
    Attach { enabled: bool, strategy: String, targets: Vec<AttachTarget> }
    AttachTarget { vm: String, bridge: String, model: String }

    OverlayV1 { vxlan: VxlanV1, peers: Vec<Peer> }
    VxlanV1 {
        vni: i64,
        name: String,
        dstport: i64,
        learning: bool,
        mtu: i64,
        bridge: Bridge,
        bum: Bum,
    }

    Overlay {
        vni: i64,
        name: String,
        dstport: i64,
        learning: bool,
        mtu: i64,
        bridge: Bridge,
        underlay_interface: String,
        bum: Bum,
        routing: OverlayRouting,
    }
    Bum { mode: String, group: String }
    OverlayRouting { export: Export, import: Import }

    Routing { enabled: bool, export: Export, import: Import }
    Export {
        export_all: bool,
        networks: Vec<String>,
        include_connected: bool,
        include_netplan_static: bool,
        metric: i64,
    }
    Import { accept_all: bool, allow: Vec<String>, deny: Vec<String>, install: Install }
    Install {
        table: i64,
        replace_existing: bool,
        flush_on_peer_down: bool,
        route_lease_seconds: i64,
        lookup_rules: LookupRules,
    }
    LookupRules { enabled: bool, mode: String }

    Peer { id: String, endpoint: Endpoint, auth: Auth, health: Health, vnis: Vec<i64> }
    Endpoint { address: String, via_interface: String }
    Auth { mode: String, psk_ref: String }
    Health { keepalive_interval_ms: i64, dead_after_ms: i64 }

    Topology {
        mode: String,
        relay_fallback: bool,
        transit: String,
        transit_policy: TransitPolicy,
    }
    TransitPolicy { allowed_transit_peers: Vec<String>, denied_transit_peers: Vec<String> }

    Security { control_plane: ControlPlane }
    ControlPlane { transport: String, listen: ListenAt, tls: Tls }
    ListenAt { address: String, port: i64 }
    Tls { enabled: bool, cert_file: String, key_file: String, ca_file: String }

    Observability { logging: Logging, metrics: Metrics, healthcheck: Metrics }
    Logging { level: String, format: String }
    Metrics { enabled: bool, listen: String }

    Rutter {
        insecure: bool,
        accept_unlisted_peers: bool,
        import_order: String,
        max_message_mib: i64,
    }
}

/// The keys of a file.
pub(super) fn known() -> Known {
    File::keys()
}

/// A bridge: its name, or its name and addresses.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bridge(pub(super) NamedBridge);

sections! {
    NamedBridge { name: String, ipv4: String, ipv6: String }
}

impl HasKeys for Bridge {
    fn keys() -> Known {
        NamedBridge::keys()
    }
}

impl<'de> Deserialize<'de> for Bridge {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Bridge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bridge's name, or `name`, `ipv4` and `ipv6`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Bridge, E> {
                Ok(Bridge(NamedBridge { name: Some(name.to_owned()), ..Default::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bridge, A::Error> {
                NamedBridge::deserialize(MapAccessDeserializer::new(map)).map(Bridge)
            }
        }
        d.deserialize_any(Either)
    }
}
