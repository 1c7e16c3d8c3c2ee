//! The fabric as it will run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use rutter_fabric::{FabricConfig, Liveness, NeighbourConfig, keys};
use rutter_protocol::keys::PublicKey;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security, Signing};
use rutter_protocol::wire::Metrics;
use rutter_route::{ClusterId, DestinationKind, NextHop, TableName, Tags};
use serde::{Serialize, Serializer};

use crate::config::Period;
use crate::config::raw::FabricFallback;

/// The fabric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fabric {
    pub(crate) listen: SocketAddr,
    pub(crate) gateway: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) neighbours: BTreeMap<ClusterId, FabricNeighbour>,
    pub(crate) security: FabricSecurity,
    pub(crate) policy: FabricPolicy,
    /// Every scope that is carried, the fabric's own among them: which table it is, of what kind.
    pub(crate) scopes: BTreeMap<TableName, FabricScope>,
    pub(crate) liveness: FabricLiveness,
    pub(crate) links: FabricLinks,
    pub(crate) signer: FabricSigner,
    pub(crate) keys: FabricKeys,
    pub(crate) restart: Period,
    pub(crate) max_restart: Period,
    pub(crate) forget: Period,
    pub(crate) fallback: FabricFallback,
}

/// A table that is carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricScope {
    pub(crate) table: TableName,
    pub(crate) kind: DestinationKind,
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricNeighbour {
    pub(crate) addresses: Vec<String>,
    #[serde(serialize_with = "as_text")]
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) next_hop: Option<NextHop>,
    pub(crate) tags: Tags,
    pub(crate) max_routes: usize,
    pub(crate) warn_percent: u8,
    pub(crate) pacing: Period,
    pub(crate) paths: u8,
    pub(crate) link: Metrics,
}

/// What has to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricSecurity {
    pub(crate) require_signatures: bool,
    pub(crate) require_claims: bool,
    pub(crate) sign: Signing,
    pub(crate) clock_skew: Period,
    pub(crate) claim_life: Period,
    pub(crate) key_overlap: Period,
}

/// When a neighbour is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricLiveness {
    pub(crate) interval: Period,
    pub(crate) misses: u32,
}

/// How what was measured counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricLinks {
    pub(crate) measure: bool,
    pub(crate) latency_band_percent: u32,
    pub(crate) latency_band: Period,
    pub(crate) reliability_band_ppm: u32,
    pub(crate) hold: Period,
}

/// By what this cluster signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricSigner {
    /// `None`: in the data directory.
    pub(crate) key: Option<PathBuf>,
    pub(crate) sign_command: Vec<String>,
    #[serde(serialize_with = "as_text")]
    pub(crate) sign_key: Option<PublicKey>,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FabricKeys {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) command: Vec<String>,
    pub(crate) urls: Vec<String>,
    pub(crate) refresh: Period,
}

/// Keys, as they are written in a file.
fn as_text<'a, S, I>(keys: &'a I, s: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    &'a I: IntoIterator<Item = &'a PublicKey>,
{
    s.collect_seq(keys.into_iter().map(ToString::to_string))
}

impl Fabric {
    /// In the fabric's own words; `state` is where it keeps what must last.
    pub(crate) fn config(&self, cluster: &ClusterId, state: PathBuf) -> FabricConfig {
        let scope = |(scope, is): (&TableName, &FabricScope)| ScopeSpec {
            scope: scope.clone(),
            table: is.table.clone(),
            kind: is.kind,
        };
        FabricConfig {
            cluster: cluster.clone(),
            tags: self.tags.clone(),
            listen: self.listen,
            gateway: self.gateway.clone(),
            neighbours: self.neighbours.iter().map(|(n, is)| (n.clone(), is.config())).collect(),
            scopes: self.scopes.iter().map(scope).collect(),
            security: Security {
                require_signatures: self.security.require_signatures,
                require_claims: self.security.require_claims,
                signing: self.security.sign,
                skew: self.security.clock_skew.into(),
                claim_life: self.security.claim_life.into(),
                key_overlap: self.security.key_overlap.into(),
            },
            policy: self.policy.clone(),
            liveness: Liveness {
                interval: self.liveness.interval.into(),
                multiplier: self.liveness.misses,
            },
            links: LinkSettings {
                measure: self.links.measure,
                latency_band_percent: self.links.latency_band_percent,
                latency_band_us: self.links.latency_band.micros(),
                reliability_band_ppm: self.links.reliability_band_ppm,
                hold: self.links.hold.into(),
            },
            signer: self.signer.spec(&state),
            key_sources: self.keys.sources(),
            key_refresh: self.keys.refresh.into(),
            state,
            max_restart: self.max_restart.into(),
            forget: self.forget.into(),
            fallback_neighbour: self.fallback == FabricFallback::Neighbour,
        }
    }
}

impl FabricNeighbour {
    fn config(&self) -> NeighbourConfig {
        NeighbourConfig {
            addresses: self.addresses.clone(),
            keys: self.keys.clone(),
            spec: NeighbourSpec {
                link: self.link,
                next_hop: self.next_hop.clone(),
                tags: self.tags.clone(),
                max_routes: self.max_routes,
                warn_percent: self.warn_percent,
                pacing: self.pacing.into(),
                paths: self.paths,
            },
        }
    }
}

impl FabricSigner {
    fn spec(&self, state: &std::path::Path) -> keys::SignerSpec {
        match self.sign_key {
            Some(key) => keys::SignerSpec::Command { command: self.sign_command.clone(), key },
            None => {
                let usual = || state.join("key.pem");
                keys::SignerSpec::File(self.key.clone().unwrap_or_else(usual))
            }
        }
    }
}

impl FabricKeys {
    fn sources(&self) -> Vec<keys::KeySource> {
        let files = self.files.iter().cloned().map(keys::KeySource::File);
        let directories = self.directories.iter().cloned().map(keys::KeySource::Directory);
        let commands = Some(self.command.clone()).filter(|words| !words.is_empty());
        let commands = commands.into_iter().map(keys::KeySource::Command);
        let urls = self.urls.iter().cloned().map(keys::KeySource::Url);
        files.chain(directories).chain(commands).chain(urls).collect()
    }
}
