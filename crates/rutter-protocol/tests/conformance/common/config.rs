//! Names, the test's clock, and how a speaker is set up.

use std::time::Duration;

use rutter_protocol::claims::ClaimLimits;
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{NeighbourSpec, ScopeSpec, Security, SpeakerConfig};
use rutter_protocol::wire::Scope;
use rutter_rib::{Book, HopKind, Policy, Resolve, TableSpec};
use rutter_route::{
    AnyDestination, ClusterId, Destination, DestinationKind, Now, Service, SourceId, Tag, Tags,
};

/// The wall's clock when a test begins.
pub(crate) const START: u64 = 1_800_000_000_000;

/// The incarnation of every speaker that never restarted.
pub(crate) const BOOT: u64 = 1_000;

/// Both clocks so many milliseconds after the test began.
pub(crate) fn at(ms: u64) -> Now {
    Now::new(1_000_000 + ms, START + ms)
}

pub(crate) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

pub(crate) fn to(name: &str) -> AnyDestination {
    cluster(name).to_any()
}

pub(crate) fn service(name: &str) -> AnyDestination {
    name.parse::<Service>().unwrap().to_any()
}

pub(crate) fn scope(name: &str) -> Scope {
    name.parse().unwrap()
}

pub(crate) fn neighbour(name: &str) -> SourceId {
    format!("neighbour/{name}").parse().unwrap()
}

pub(crate) fn tags(list: &[&str]) -> Tags {
    Tags::try_from(list.iter().map(|t| t.parse().unwrap()).collect::<Vec<Tag>>()).unwrap()
}

/// A scope whose table has the same name.
pub(crate) fn carried(name: &str, kind: DestinationKind) -> ScopeSpec {
    ScopeSpec { scope: scope(name), table: name.parse().unwrap(), kind }
}

pub(crate) fn policy(json: &str) -> FabricPolicy {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// Services are carried, nothing is filtered.
pub(crate) fn open_policy() -> FabricPolicy {
    policy(r#"{"carry":{"services":{"import":{},"export":{}}}}"#)
}

/// A speaker with everything required, scope `fabric` and `services`.
pub(crate) fn config(own: &str, neighbours: &[&str]) -> SpeakerConfig {
    SpeakerConfig {
        cluster: cluster(own),
        incarnation: BOOT,
        scopes: vec![
            carried("fabric", DestinationKind::Cluster),
            carried("services", DestinationKind::Service),
        ],
        neighbours: neighbours.iter().map(|n| (cluster(n), NeighbourSpec::default())).collect(),
        tags: Tags::default(),
        gateway: String::new(),
        security: Security::default(),
        policy: open_policy(),
        links: LinkSettings::default(),
        claims: ClaimLimits {
            total: 10_000,
            per_originator: 1_000,
            max_life_ms: 24 * 3_600_000,
            skew_ms: 300_000,
        },
        max_restart: Duration::from_secs(120),
        forget: Duration::from_secs(600),
        log_routes: true,
        seed: 7,
    }
}

/// The same where nothing is signed and nothing has to be.
pub(crate) fn open_config(own: &str, neighbours: &[&str]) -> SpeakerConfig {
    SpeakerConfig { security: Security::open(), ..config(own, neighbours) }
}

/// The tables that a configuration carries; all but the clusters' own lead through those.
pub(crate) fn book(config: &SpeakerConfig, now: Now) -> Book {
    let table = |spec: &ScopeSpec| TableSpec {
        name: spec.table.clone(),
        kind: spec.kind,
        policy: Policy::default(),
    };
    let through = |spec: &ScopeSpec| Resolve {
        table: spec.table.clone(),
        hops: HopKind::Cluster,
        through: "fabric".parse().unwrap(),
    };
    let tables = config.scopes.iter().map(table).collect();
    let others = config.scopes.iter().filter(|spec| spec.kind != DestinationKind::Cluster);
    let resolves = others.map(through).collect();
    Book::new(config.cluster.clone(), tables, resolves, Vec::new(), now, 7).unwrap()
}
