//! A boot: a book, a speaker, and what is originated.

use std::collections::BTreeMap;

use rutter_protocol::SpeakerConfig;
use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::{KeyRecord, KeyRegistry};
use rutter_protocol::link::LinkSettings;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security, Signing};
use rutter_protocol::wire::Metrics;
use rutter_route::{ClusterId, Now};

use super::Node;
use super::engine::{KINDS, scope_of};
use crate::clock::Clock;
use crate::invariants::Flaps;
use crate::record::Boot;
use crate::scenario::{LinkSpec, Scenario, SecuritySpec};
use crate::span::Span;

/// What a cluster is told of its neighbours.
pub(crate) type Neighbourhood = BTreeMap<ClusterId, LinkSpec>;

impl Node {
    /// Starts its speaker, and says with what; `keys` is what its provider gives of every cluster.
    pub(crate) fn start(
        &mut self,
        at: u64,
        scenario: &Scenario,
        neighbours: &Neighbourhood,
        keys: &BTreeMap<ClusterId, Vec<KeyRecord>>,
    ) -> Result<Boot, String> {
        self.boot += 1;
        self.wake = None;
        self.clock = Clock::boot(at, self.spec.drift_ppm, self.wall_ahead);
        let now = self.clock.at(at);
        // As the program does: past the last one that is known, and past the wall's seconds.
        let wall = now.wall.0 / 1000;
        let incarnation = self.incarnation.map_or(wall, |last| wall.max(last + 1));
        self.incarnation = Some(incarnation);
        let kept = self.kept_keys.take();
        let registry = kept.map(|kept| KeyRegistry::from_kept(now, &kept));
        let mut registry = registry.transpose().map_err(|why| why.to_string())?.unwrap_or_default();
        self.provide(now, &mut registry, keys);
        let config = self.config(scenario, neighbours, incarnation)?;
        let own = self.own.iter().cloned().collect();
        let kept = registry.to_kept();
        self.kept_keys = Some(kept.clone());
        let boot = Boot::of(&config, now, kept, own, self.boot);
        self.engine = Some(boot.start()?);
        self.flaps = Flaps::default();
        self.back_by.clear();
        Ok(boot)
    }

    /// The provider's keys of those of whom nothing newer is known.
    fn provide(
        &self,
        now: Now,
        registry: &mut KeyRegistry,
        keys: &BTreeMap<ClusterId, Vec<KeyRecord>>,
    ) {
        for (cluster, records) in keys {
            if registry.active(now, cluster).is_empty() || *cluster == self.name {
                registry.provide(now, cluster, records.clone());
            }
        }
    }

    fn config(
        &self,
        scenario: &Scenario,
        neighbours: &Neighbourhood,
        incarnation: u64,
    ) -> Result<SpeakerConfig, String> {
        let scopes = KINDS
            .into_iter()
            .filter_map(|kind| {
                let scope = scope_of(kind)?;
                Some(ScopeSpec { scope: scope.clone(), table: scope, kind })
            })
            .collect();
        let neighbours =
            neighbours.iter().map(|(name, link)| (name.clone(), self.neighbour(link))).collect();
        let tags = rutter_route::Tags::try_from(self.spec.tags.clone());
        Ok(SpeakerConfig {
            cluster: self.name.clone(),
            incarnation,
            scopes,
            neighbours,
            tags: tags.map_err(|why| why.to_string())?,
            gateway: format!("{}:443", self.name),
            security: security(&scenario.security),
            policy: self.spec.policy.clone(),
            links: LinkSettings::default(),
            claims: ClaimLimits {
                total: 100_000,
                per_originator: 10_000,
                max_life_ms: scenario.security.claim_life.0,
                skew_ms: scenario.security.skew.0,
            },
            max_restart: MAX_RESTART.duration(),
            forget: FORGET.duration(),
            log_routes: true,
            seed: scenario.seed,
        })
    }

    /// What is configured of a neighbour behind a link.
    pub(crate) fn neighbour(&self, link: &LinkSpec) -> NeighbourSpec {
        let latency = link.delay.0.saturating_mul(1000);
        NeighbourSpec {
            link: Metrics {
                hops: 1,
                latency_us: u32::try_from(latency).unwrap_or(u32::MAX),
                bandwidth_kbps: link.bandwidth_kbps,
                cost: link.cost,
                ..Metrics::default()
            },
            pacing: self.spec.pacing.duration(),
            paths: self.spec.paths,
            ..NeighbourSpec::default()
        }
    }
}

/// The longest that an announced restart is waited for.
pub(crate) const MAX_RESTART: Span = Span::secs(120);

/// How long routes of a lost neighbour are kept as offline.
pub(crate) const FORGET: Span = Span::secs(600);

fn security(spec: &SecuritySpec) -> Security {
    if !spec.required {
        return Security { skew: spec.skew.duration(), ..Security::open() };
    }
    Security {
        require_signatures: true,
        require_claims: true,
        signing: if spec.signing == Signing::Off { Signing::Batch } else { spec.signing },
        skew: spec.skew.duration(),
        claim_life: spec.claim_life.duration(),
        key_overlap: spec.key_overlap.duration(),
    }
}
