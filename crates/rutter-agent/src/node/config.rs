//! What a node goes by.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use rutter_route::{Prefix, ServiceName};

use super::ProbeSpec;
use crate::{AgentError, JoinUrl};

/// The most prefixes that a node advertises.
pub const MAX_ADVERTISED: usize = 512;

/// The most probes of a node.
pub const MAX_PROBES: usize = 64;

/// A node, as it was configured.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where it joins. Without a token a person lets it in.
    pub url: JoinUrl,
    /// The name to ask for.
    pub name: ServiceName,
    /// Where its key and its membership are kept; made, mode 0700, if it isn't there.
    pub state_dir: PathBuf,
    /// The networks behind it.
    pub advertised: BTreeSet<Prefix>,
    /// It offers itself as a way to everywhere, for both families.
    pub is_exit_node: bool,
    /// Routes to others' networks go into this host's kernel.
    pub accepts_routes: bool,
    /// By which node this host reaches everywhere else; its name.
    pub exit_node: Option<String>,
    /// Who asks a network behind this host from elsewhere appears there as this host.
    pub masquerade: bool,
    /// Where others send what is for the networks, the first of each family; for the family that has
    /// none here: where the controller sees this host.
    pub addresses: Vec<IpAddr>,
    /// What shows that the networks behind it can be reached.
    pub probes: Vec<ProbeSpec>,
}

impl NodeConfig {
    /// All that it advertises.
    pub fn prefixes(&self) -> BTreeSet<Prefix> {
        let exits = [Prefix::DEFAULT_V4, Prefix::DEFAULT_V6].into_iter();
        let exits = exits.filter(|_| self.is_exit_node);
        self.advertised.iter().copied().chain(exits).collect()
    }

    /// Whether routes of others go into this host's kernel.
    pub(super) fn uses_routes(&self) -> bool {
        self.accepts_routes || self.exit_node.is_some()
    }

    pub(super) fn check(&self) -> Result<(), AgentError> {
        match self.mistake() {
            Some(why) => Err(AgentError::Node(why)),
            None => Ok(()),
        }
    }

    fn mistake(&self) -> Option<String> {
        let n = self.advertised.len();
        if n > MAX_ADVERTISED {
            return Some(format!("a node advertises {MAX_ADVERTISED} prefixes at most, not {n}"));
        }
        if let Some(all) = self.advertised.iter().find(|prefix| prefix.is_default()) {
            return Some(format!(
                "`{all}` is everywhere: a node offers that as an exit node \
                 (--advertise-exit-node, or `advertise_exit_node: true`)"
            ));
        }
        if !self.is_exit_node && !self.uses_routes() && n == 0 {
            return Some(
                "the node neither advertises routes nor takes any: give --advertise-routes \
                 10.1.0.0/24, --advertise-exit-node, --accept-routes or --exit-node NAME"
                    .into(),
            );
        }
        if self.probes.len() > MAX_PROBES {
            return Some(format!("a node has {MAX_PROBES} probes at most"));
        }
        let mut probed = BTreeSet::new();
        self.probes.iter().find_map(|probe| {
            let advertised = self.prefixes().contains(&probe.prefix);
            let why = if !advertised {
                "isn't advertised, so a probe of it tells nobody anything"
            } else if !probed.insert(probe.prefix) {
                "has two probes, and one verdict"
            } else {
                return probe.mistake();
            };
            Some(format!("`{}` {why}", probe.prefix))
        })
    }
}
