//! A scenario: a network, its policies, what goes wrong, and what is expected, as a YAML file says it.
//!
//! ```yaml
//! name: a line of four loses its middle
//! topology: { line: 4 }
//! links: { delay: 5ms }
//! faults:
//!   - { at: 30s, do: { cut: { link: [c01, c02], for: 60s } } }
//! duration: 2m
//! expect:
//!   - { path: { at: c00, to: { cluster: c03 }, is: [c00, c01, c02, c03] } }
//! ```
//!
//! The same type is the head of a recording, so whatever was drawn by chance can be written down.

use std::collections::BTreeMap;
use std::path::Path;

use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::Signing;
use rutter_route::{AnyDestination, ClusterId, Prefix, ServiceName, Tag};
use serde::{Deserialize, Serialize};

use crate::faults::{Between, Chances, Lie, Planned};
use crate::span::Span;
use crate::topology::Topology;

/// What is simulated. One today; a scenario lists those that are to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Signed path-vector.
    #[default]
    PathVector,
}

impl Protocol {
    /// Its name in reports and plots.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PathVector => "path_vector",
        }
    }
}

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What people call it.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// By which protocols it is played.
    pub protocols: Vec<Protocol>,
    /// What everything that is left to chance comes from.
    pub seed: u64,
    /// Who has a link with whom.
    pub topology: Topology,
    /// Of all links.
    pub links: LinkSpec,
    /// Of single links, in place of that.
    pub link: Vec<OneLink>,
    /// Of all clusters that don't stand in `clusters`.
    pub cluster: ClusterSpec,
    /// Of single clusters, in place of that.
    pub clusters: BTreeMap<ClusterId, ClusterSpec>,
    /// How they sign, and what they refuse.
    pub security: SecuritySpec,
    /// What goes wrong.
    pub faults: Vec<Planned>,
    /// More that goes wrong, drawn by chance.
    pub chances: Option<Chances>,
    /// How many rounds of faults and rest.
    pub rounds: u32,
    /// How long a round's faults go on; then all that is broken is mended, and the network has to come
    /// to rest.
    pub duration: Span,
    /// Within that time after the end of all faults.
    pub rest_within: Span,
    /// What has to be so at the end.
    pub expect: Vec<Expect>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            protocols: vec![Protocol::PathVector],
            seed: 1,
            topology: Topology::default(),
            links: LinkSpec::default(),
            link: Vec::new(),
            cluster: ClusterSpec::default(),
            clusters: BTreeMap::new(),
            security: SecuritySpec::default(),
            faults: Vec::new(),
            chances: None,
            rounds: 1,
            duration: Span::secs(60),
            rest_within: Span::secs(120),
            expect: Vec::new(),
        }
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSpec {
    /// How long a frame takes one way.
    pub delay: Span,
    /// By how much more it may.
    pub jitter: Span,
    /// How many connections carry it.
    pub connections: u8,
    /// What it costs.
    pub cost: u32,
    /// Its bandwidth; 0: not known.
    pub bandwidth_kbps: u32,
}

impl Default for LinkSpec {
    fn default() -> Self {
        Self { delay: Span(5), jitter: Span(0), connections: 1, cost: 0, bandwidth_kbps: 0 }
    }
}

/// A link that is unlike the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneLink {
    /// Which.
    pub between: Between,
    /// What of it.
    #[serde(default)]
    pub is: LinkSpec,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSpec {
    /// Its policy, as the configuration of a real one has it.
    pub policy: FabricPolicy,
    /// Tags of its own claim.
    pub tags: Vec<Tag>,
    /// Services that it originates; carried only where policies `carry` the scope `services`.
    pub services: Vec<ServiceName>,
    /// Prefixes that it originates, in the scope `overlay/1`.
    pub prefixes: Vec<Prefix>,
    /// How it lies.
    pub lies: Vec<Lie>,
    /// By how many parts a million its clock runs fast.
    pub drift_ppm: i64,
    /// By how many milliseconds its wall's clock is ahead.
    pub wall_ahead_ms: i64,
    /// The least time between two advertisements of one destination to a neighbour.
    pub pacing: Span,
    /// How many paths it tells and wants to be told.
    pub paths: u8,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            policy: FabricPolicy::default(),
            tags: Vec::new(),
            services: Vec::new(),
            prefixes: Vec::new(),
            lies: Vec::new(),
            drift_ppm: 0,
            wall_ahead_ms: 0,
            pacing: Span(0),
            paths: 1,
        }
    }
}

/// How clusters sign, and what they refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecuritySpec {
    /// Whether anything has to be signed; off is the seed's `profile: open`.
    pub required: bool,
    /// How what is said is signed.
    pub signing: Signing,
    /// How long a claim counts.
    pub claim_life: Span,
    /// How long an old key counts after a rotation.
    pub key_overlap: Span,
    /// By how much wall clocks may differ.
    pub skew: Span,
}

impl Default for SecuritySpec {
    fn default() -> Self {
        Self {
            required: true,
            signing: Signing::Batch,
            claim_life: Span::secs(24 * 3600),
            key_overlap: Span::secs(60),
            skew: Span::secs(300),
        }
    }
}

/// What has to be so at the end, beside the invariants, which have to hold always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// The selected path, the cluster itself first; empty: there is none.
    Path {
        /// Where.
        at: ClusterId,
        /// To what.
        to: AnyDestination,
        /// Which.
        is: Vec<ClusterId>,
    },
    /// A cluster never has a usable route to that at all, at no time.
    Never {
        /// Where.
        at: ClusterId,
        /// To what.
        to: AnyDestination,
    },
    /// Something that a neighbour said stands barred, or was refused, for this reason (a part of
    /// what `explain` says, or the name of a refusal).
    Refused {
        /// Where.
        at: ClusterId,
        /// Which neighbour's word.
        from: ClusterId,
        /// Of what.
        to: AnyDestination,
        /// Why.
        why: String,
    },
    /// The policies are a dispute wheel over that: it never comes to rest, stays within this many
    /// announcements a second and directed link, and `explain` names it.
    Wheel {
        /// What they dispute.
        over: AnyDestination,
        /// Announcements a second and directed link.
        at_most: u32,
    },
}

/// What is wrong with a scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file: where, and what was expected.
    #[error(transparent)]
    File(#[from] rutter_yaml::ConfigError),
    /// It contradicts itself.
    #[error("scenario: {0}")]
    Contradicts(String),
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, isn't a scenario, or names clusters and links that aren't there.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = rutter_yaml::read(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a text; `name` is what its mistakes are shown under.
    ///
    /// # Errors
    /// As [`Scenario::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let parsed = rutter_yaml::parse::<Self>(text, rutter_yaml::Dialect::Strict);
        let scenario =
            parsed.map_err(|problem| rutter_yaml::ConfigError::new(name, text, vec![problem]))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// What is said of a cluster.
    pub fn of(&self, cluster: &ClusterId) -> &ClusterSpec {
        self.clusters.get(cluster).unwrap_or(&self.cluster)
    }

    /// What is said of a link.
    pub fn link_of(&self, a: &ClusterId, b: &ClusterId) -> &LinkSpec {
        let same = |one: &&OneLink| {
            let (x, y) = &one.between;
            (x == a && y == b) || (x == b && y == a)
        };
        self.link.iter().find(same).map_or(&self.links, |one| &one.is)
    }

    /// Whether all that it names is there.
    ///
    /// # Errors
    /// What isn't.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let (names, links) = self.topology.build(self.seed);
        let wrong = |what: String| Err(ScenarioError::Contradicts(what));
        if names.len() < 2 {
            return wrong("`topology`: expected at least two clusters".into());
        }
        let place = |name: &ClusterId| names.iter().position(|n| n == name);
        for name in self.clusters.keys() {
            if place(name).is_none() {
                return wrong(format!("`clusters.{name}`: there is no such cluster"));
            }
        }
        let is_link = |(a, b): &Between| {
            let ends = place(a).zip(place(b));
            ends.is_some_and(|(a, b)| links.contains(&(a.min(b), a.max(b))))
        };
        for one in &self.link {
            if !is_link(&one.between) {
                let (a, b) = &one.between;
                return wrong(format!("`link`: there is no link between {a} and {b}"));
            }
        }
        for (at, planned) in self.faults.iter().enumerate() {
            let (clusters, link) = planned.fault.names();
            if let Some(missing) = clusters.iter().find(|name| place(name).is_none()) {
                return wrong(format!("`faults[{at}]`: there is no cluster {missing}"));
            }
            if let Some((a, b)) = link.filter(|link| !is_link(link)) {
                return wrong(format!("`faults[{at}]`: there is no link between {a} and {b}"));
            }
        }
        if self.links.connections == 0 || self.protocols.is_empty() {
            return wrong("`links.connections` and `protocols`: expected at least one".into());
        }
        Ok(())
    }
}
