//! A boot: a book, a speaker, and what is originated.

use std::collections::BTreeMap;

use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::keys::{KeyRecord, KeyRegistry};
use rutter_protocol::link::LinkSettings;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security, Signing};
use rutter_protocol::wire::{Metrics, Scope};
use rutter_protocol::{Engine, Speaker, SpeakerConfig};
use rutter_rib::{Book, HopKind, Policy, Resolve, TableSpec};
use rutter_route::{
    Advertisement, AnyDestination, Attributes, ClusterId, Destination, DestinationKind,
    Incarnation, NextHop, Now, Session, SourceId, SourceInfo, SourceKind, SourceState, TableName,
};

use super::{Node, kind_of, table_of};
use crate::clock::Clock;
use crate::scenario::{LinkSpec, Scenario, SecuritySpec};

/// What a cluster is told of its neighbours.
pub(crate) type Neighbourhood = BTreeMap<ClusterId, LinkSpec>;

/// The kinds that are carried, the fabric's first.
const KINDS: [DestinationKind; 3] =
    [DestinationKind::Cluster, DestinationKind::Service, DestinationKind::Prefix];

impl Node {
    /// Starts its speaker; `keys` is what its provider gives of every cluster.
    pub(crate) fn start(
        &mut self,
        at: u64,
        scenario: &Scenario,
        neighbours: &Neighbourhood,
        keys: &BTreeMap<ClusterId, Vec<KeyRecord>>,
    ) -> Result<(), String> {
        self.boot += 1;
        self.wake = None;
        self.clock = Clock::boot(at, self.spec.drift_ppm, self.wall_ahead);
        let now = self.clock.at(at);
        // As the program does: past the last one that is known, and past the wall's seconds.
        let wall = now.wall.0 / 1000;
        let incarnation = self.incarnation.map_or(wall, |last| wall.max(last + 1));
        self.incarnation = Some(incarnation);
        let mut registry = self.kept_keys.take().unwrap_or_default();
        self.provide(now, &mut registry, keys);
        let mut book = self.book(now, scenario.seed)?;
        let config = self.config(scenario, neighbours, incarnation)?;
        let speaker =
            Speaker::new(now, config, registry, &mut book).map_err(|why| why.to_string())?;
        self.kept_keys = Some(speaker.keys().clone());
        self.engine = Some(Engine { book, speaker });
        let own: Vec<_> = self.own.iter().cloned().collect();
        self.originate_all(now, &own);
        Ok(())
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

    fn book(&self, now: Now, seed: u64) -> Result<Book, String> {
        let mut tables = Vec::new();
        let mut resolves = Vec::new();
        for kind in KINDS {
            let name: TableName = scope_of(kind).ok_or("a table's name")?;
            let policy = Policy::default();
            tables.push(TableSpec { name: name.clone(), kind, policy });
            if kind != DestinationKind::Cluster {
                let through = scope_of(DestinationKind::Cluster).ok_or("a table's name")?;
                resolves.push(Resolve { table: name, hops: HopKind::Cluster, through });
            }
        }
        Book::new(self.name.clone(), tables, resolves, Vec::new(), now, seed)
            .map_err(|why| why.to_string())
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
            max_restart: crate::span::Span::secs(120).duration(),
            forget: crate::span::Span::secs(600).duration(),
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

    fn originate_all(&mut self, now: Now, own: &[AnyDestination]) {
        for destination in own {
            self.originate(now, destination);
        }
    }

    /// Puts an own destination into its table. The speaker has to be stepped then.
    pub(crate) fn originate(&mut self, now: Now, destination: &AnyDestination) {
        match kind_of(destination) {
            DestinationKind::Service => self.advertise::<rutter_route::Service>(now, destination),
            DestinationKind::Prefix => self.advertise::<rutter_route::Prefix>(now, destination),
            DestinationKind::Cluster => {}
        }
    }

    fn advertise<D: rutter_rib::Kind + Destination>(&mut self, now: Now, what: &AnyDestination) {
        let (Some(session), Some(scope)) = (app(self.boot), scope_of(D::KIND)) else { return };
        let Some(engine) = &mut self.engine else { return };
        let Some(table) = engine.book.table_mut::<D>(&scope) else { return };
        let Some(destination) = D::from_any(what) else { return };
        let up = SourceState::Up(SourceInfo::default());
        if table.source(now, &session, up).is_err() {
            return;
        }
        let attributes = Attributes::via(NextHop::Discard);
        table.advertise(now, &session, Advertisement::new(destination, attributes));
    }

    /// Takes an own destination out of its table. The speaker has to be stepped then.
    pub(crate) fn withdraw(&mut self, now: Now, destination: &AnyDestination) {
        match kind_of(destination) {
            DestinationKind::Service => self.take_back::<rutter_route::Service>(now, destination),
            DestinationKind::Prefix => self.take_back::<rutter_route::Prefix>(now, destination),
            DestinationKind::Cluster => {}
        }
    }

    fn take_back<D: rutter_rib::Kind + Destination>(&mut self, now: Now, what: &AnyDestination) {
        let (Some(session), Some(scope)) = (app(self.boot), scope_of(D::KIND)) else { return };
        let Some(engine) = &mut self.engine else { return };
        let Some(table) = engine.book.table_mut::<D>(&scope) else { return };
        if let Some(destination) = D::from_any(what) {
            table.withdraw(now, &session, &destination, &rutter_route::PathId::default());
        }
    }
}

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

/// The table, and the scope, of a kind.
pub(crate) fn scope_of(kind: DestinationKind) -> Option<Scope> {
    table_of(kind).parse().ok()
}

/// The source of what a cluster originates itself.
fn app(boot: u32) -> Option<Session> {
    let source = SourceId::new(SourceKind::Agent, "app").ok()?;
    Some(Session { source, incarnation: Incarnation(u64::from(boot)) })
}
