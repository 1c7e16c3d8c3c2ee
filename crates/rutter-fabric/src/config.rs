//! What the fabric role is told, in Rutter's words.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rutter_protocol::keys::PublicKey;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security};
use rutter_route::{ClusterId, Tags};

use crate::keys::{KeySource, SignerSpec};

/// Which defaults the switches of [`Security`] have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Signatures and claims are required.
    #[default]
    Signed,
    /// The seed's defaults: nothing is signed.
    Open,
}

/// When a neighbour that doesn't answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// How often it is asked.
    pub interval: Duration,
    /// How many unanswered questions in a row end a connection (RFC 5880's detect multiplier).
    pub multiplier: u32,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { interval: Duration::from_millis(250), multiplier: 3 }
    }
}

/// A neighbour and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourConfig {
    /// `HOST:PORT`, each dialled for a connection of its own; none: it dials.
    pub addresses: Vec<String>,
    /// A key of it that is known beforehand.
    pub keys: Vec<PublicKey>,
    /// What the protocol knows of it.
    pub spec: NeighbourSpec,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FabricConfig {
    /// This cluster.
    pub cluster: ClusterId,
    /// Tags of its own claim.
    pub tags: Tags,
    /// Where neighbours are taken.
    pub listen: SocketAddr,
    /// Where this cluster's gateway takes what neighbours forward, as neighbours reach it.
    pub gateway: Option<String>,
    /// Whom it speaks with.
    pub neighbours: BTreeMap<ClusterId, NeighbourConfig>,
    /// The tables that are carried.
    pub scopes: Vec<ScopeSpec>,
    /// What has to be signed.
    pub security: Security,
    /// The policy.
    pub policy: FabricPolicy,
    /// When a neighbour is lost.
    pub liveness: Liveness,
    /// How links are measured.
    pub links: LinkSettings,
    /// By what this cluster signs.
    pub signer: SignerSpec,
    /// Where keys of clusters come from.
    pub key_sources: Vec<KeySource>,
    /// How often these are asked (60 s in the original).
    pub key_refresh: Duration,
    /// Where keys and the last incarnation are kept.
    pub state: PathBuf,
    /// The longest that an announced restart is waited for.
    pub max_restart: Duration,
    /// How long a lost neighbour's routes are kept as offline.
    pub forget: Duration,
    /// Whether `next_hop` may name a neighbour that only might know a way.
    pub fallback_neighbour: bool,
}
