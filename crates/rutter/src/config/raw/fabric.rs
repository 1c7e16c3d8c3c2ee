//! The section of the fabric role.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::Signing;
use rutter_route::{ClusterId, NextHop, TableName};
use serde::{Deserialize, Serialize};

use crate::config::Period;
use crate::config::section::{Described, Shape, section};

section! {
    /// The fabric: tells neighbouring clusters which clusters, services and prefixes are reached
    /// through this one, and hears the same of them. Its tables stand with the controller's, where
    /// there is one. It needs a name of its own, the file's `cluster`.
    Fabric {
        /// Where neighbours are taken: `rutter.v1` over TLS, in which both ends show a key of their
        /// cluster.
        listen: SocketAddr = Is("0.0.0.0:7072"),
        /// Where this cluster's gateway takes what neighbours forward, as they reach it: `HOST:PORT`.
        gateway: String = Says("`listeners.gateway.fabric`, where that names one address; else nothing is forwarded to this cluster"),
        /// Tags of this cluster's own claim on itself, which travel with it wherever it is told.
        tags: Vec<String> = Is("[]"),
        /// Whom it speaks with, by their clusters' names. Nobody else is listened to.
        neighbours: BTreeMap<ClusterId, FabricNeighbour> = Says("none"),
        /// `signed`: what neighbours say and what clusters claim has to be signed. `open`: nothing is
        /// signed and nothing has to be, as MPREG's defaults. Each switch of `security` counts before it.
        profile: FabricProfile = Is("signed"),
        /// What has to be signed.
        security: FabricSecurity = Says("by `profile`"),
        /// What may enter and leave, who may originate what, and which tables are carried beside
        /// `fabric`.
        policy: FabricPolicy = Says("every cluster is heard of and told; no other table is carried"),
        /// Under which table a scope stands here, where that isn't its name: neighbours must call it
        /// alike, such as `{overlay/100: overlay/7}`.
        scopes: BTreeMap<TableName, TableName> = Says("by their own names"),
        /// When a neighbour that doesn't answer is lost.
        liveness: FabricLiveness = Says("as below"),
        /// How what was measured of links counts.
        links: FabricLinks = Says("as below"),
        /// The key of this cluster, PKCS #8 in PEM form; it is made where it isn't there.
        key: PathBuf = Says("`fabric/key.pem` in `data`"),
        /// A command that signs in the key file's place: it gets the bytes on its standard input and
        /// prints the signature in hexadecimal digits. TLS shows that key too.
        sign_command: Vec<String> = Says("`key` signs"),
        /// The public key that `sign_command` signs by, 64 hexadecimal digits.
        sign_key: String = Says("needed with `sign_command`"),
        /// Where keys of other clusters come from.
        keys: FabricKeys = Says("as below"),
        /// In what time this cluster means to be back when it is restarted: neighbours keep its
        /// routes that long, as stale.
        restart: Period = Is("30s"),
        /// The longest that a neighbour's announced restart is waited for.
        max_restart: Period = Is("2m"),
        /// How long the routes of a lost neighbour are shown as offline before they are forgotten.
        forget: Period = Is("10m"),
        /// Where a request for a cluster goes that no path leads to: nowhere (`off`), or to the first
        /// neighbour that hasn't had it (`neighbour`).
        fallback: FabricFallback = Is("off")
    }
}

section! {
    /// A neighbour.
    FabricNeighbour {
        /// Where it is reached, `HOST:PORT`, each for a connection of its own; it is lost when the
        /// last is.
        addresses: Vec<String> = Says("it dials"),
        /// Keys of it that are known beforehand, 64 hexadecimal digits each: without one, or a
        /// provider in `fabric.keys`, nobody is taken for it.
        keys: Vec<String> = Is("[]"),
        /// Where packets to prefixes behind it are sent: an address, for the kernel.
        next_hop: NextHop = Says("`cluster:NAME`, which the gateway knows"),
        /// Tags by which policy knows it.
        tags: Vec<String> = Is("[]"),
        /// The most routes that are taken of it, a table.
        max_routes: usize = Is("1000000"),
        /// At which share of that a warning is given, in percent.
        warn_percent: u32 = Is("80"),
        /// The least time between two advertisements of one destination to it; withdrawals and first
        /// routes go at once.
        pacing: Period = Is("100ms"),
        /// How many paths of a destination it is told.
        paths: u32 = Is("1"),
        /// What its link costs, as far as nothing was measured.
        link: FabricLink = Says("as below")
    }
}

section! {
    /// What a link costs.
    FabricLink {
        /// One way.
        latency: Period = Is("0s"),
        /// In kbit/s; 0: not known.
        bandwidth_kbps: u32 = Is("0"),
        /// What arrives, in parts a million.
        reliability_ppm: u32 = Is("1000000"),
        /// In any unit that the fabric agrees on.
        cost: u32 = Is("0")
    }
}

section! {
    /// What has to be signed, each by its own switch.
    FabricSecurity {
        /// What neighbours say has to be signed by them.
        require_signatures: bool = Says("`true`; with `profile: open` `false`"),
        /// What clusters claim has to be signed by them.
        require_claims: bool = Says("`true`; with `profile: open` `false`"),
        /// How this cluster signs: one signature a `batch`, one for `each` message, or `off`.
        sign: Signing = Says("`batch`; with `profile: open` `off`"),
        /// By how much two clusters' clocks may differ.
        clock_skew: Period = Is("5m"),
        /// How long a claim of this cluster counts; it is signed again at a third.
        claim_life: Period = Is("24h"),
        /// How long after a rotation the key before still counts.
        key_overlap: Period = Is("60s")
    }
}

section! {
    /// When a neighbour that doesn't answer is lost.
    FabricLiveness {
        /// How often each end says something.
        interval: Period = Is("250ms"),
        /// So many intervals without a word end a connection.
        misses: u32 = Is("3")
    }
}

section! {
    /// How what was measured of links counts. What counts stays while what is measured stays close.
    FabricLinks {
        /// Whether measurements count; otherwise what is configured does.
        measure: bool = Is("true"),
        /// Latency has to move by more than this share, in percent,
        latency_band_percent: u32 = Is("25"),
        /// ... and by more than this,
        latency_band: Period = Is("1ms"),
        /// or reliability by more than so many parts a million,
        reliability_band_ppm: u32 = Is("20000"),
        /// ... for so long.
        hold: Period = Is("5s")
    }
}

section! {
    /// Where keys of clusters come from, beside those of neighbours that stand in this file. Each
    /// gives MPREG's snapshot, or lines `CLUSTER KEY`. One that fails changes nothing that is known.
    FabricKeys {
        /// Files, which are watched.
        files: Vec<PathBuf> = Is("[]"),
        /// Directories with a file a cluster, which are watched.
        directories: Vec<PathBuf> = Is("[]"),
        /// A command that prints them, with its arguments.
        command: Vec<String> = Says("none"),
        /// `https://` only.
        urls: Vec<String> = Is("[]"),
        /// How often they are asked.
        refresh: Period = Is("60s")
    }
}

/// Which defaults the switches of security have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FabricProfile {
    /// Everything is signed.
    #[default]
    Signed,
    /// Nothing is.
    Open,
}

/// Where a request goes that no path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FabricFallback {
    /// Nowhere.
    #[default]
    Off,
    /// To a neighbour.
    Neighbour,
}

macro_rules! words {
    ($($type:ty: $words:literal),+ $(,)?) => {
        $(impl Described for $type {
            fn shape() -> Shape {
                Shape::Value($words)
            }
        })+
    };
}

words! {
    FabricProfile: "`signed` or `open`",
    Signing: "`batch`, `each` or `off`",
    FabricFallback: "`off` or `neighbour`",
    FabricPolicy: "policy of the fabric, see below",
    NextHop: "next hop",
    BTreeMap<TableName, TableName>: "tables by scope",
}

impl Described for BTreeMap<ClusterId, FabricNeighbour> {
    fn shape() -> Shape {
        Shape::Named("CLUSTER", FabricNeighbour::section())
    }

    fn nothing() -> Option<Self> {
        Some(Self::new())
    }
}
