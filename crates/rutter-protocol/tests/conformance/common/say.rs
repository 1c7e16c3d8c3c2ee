//! Clusters, keys, configurations and messages, briefly.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rutter_protocol::claims::{Claim, ClaimLimits};
use rutter_protocol::keys::{KeyId, KeyRecord, KeyRegistry, PublicKey};
use rutter_protocol::link::LinkSettings;
use rutter_protocol::policy::FabricPolicy;
use rutter_protocol::speaker::{Check, NeighbourSpec, ScopeSpec, Security, SpeakerConfig};
use rutter_protocol::wire::{
    Announced, Announcement, Message, Metrics, Scope, Signature, Withdrawal, Withdrawn, sign,
};
use rutter_rib::{Book, Policy, TableSpec};
use rutter_route::{
    AnyDestination, ClusterId, DestinationKind, Now, PathId, SourceId, Standing, Tag, Tags, Wall,
};

/// The wall's clock when a test begins.
pub(crate) const START: u64 = 1_800_000_000_000;

/// The incarnation of every speaker that never restarted.
pub(crate) const BOOT: u64 = 1_000;

pub(crate) fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

pub(crate) fn to(name: &str) -> AnyDestination {
    AnyDestination::Cluster(cluster(name))
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

/// Both clocks so many milliseconds after the test began.
pub(crate) fn at(ms: u64) -> Now {
    Now::new(1_000_000 + ms, START + ms)
}

/// A cluster's key: of its name, and a number that rises with rotations.
pub(crate) fn key(name: &str, number: u8) -> SigningKey {
    let mut seed = [number; 32];
    name.bytes().zip(&mut seed).for_each(|(byte, place)| *place = byte);
    SigningKey::from_bytes(&seed)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

pub(crate) fn key_id(key: &SigningKey) -> KeyId {
    public(key).id()
}

pub(crate) fn signature(key: &SigningKey, bytes: &[u8]) -> Signature {
    Signature(key.sign(bytes).to_bytes())
}

/// The one rule of verification.
pub(crate) fn is_good(check: &Check) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&check.key.0) else { return false };
    key.verify_strict(&check.bytes, &ed25519_dalek::Signature::from_bytes(&check.signature.0))
        .is_ok()
}

pub(crate) fn record(key: &SigningKey) -> KeyRecord {
    KeyRecord { key: public(key), added_at: Wall(START), expires_at: None }
}

/// A registry that knows the first key of each.
pub(crate) fn registry(names: &[&str]) -> KeyRegistry {
    let mut keys = KeyRegistry::default();
    for name in names {
        keys.provide(at(0), &cluster(name), vec![record(&key(name, 0))]);
    }
    keys
}

/// A speaker with everything required, scope `fabric` and `services`.
pub(crate) fn config(own: &str, neighbours: &[&str]) -> SpeakerConfig {
    let spec = |name: &str, kind| ScopeSpec { scope: scope(name), table: scope(name), kind };
    SpeakerConfig {
        cluster: cluster(own),
        incarnation: BOOT,
        scopes: vec![
            spec("fabric", DestinationKind::Cluster),
            spec("services", DestinationKind::Service),
        ],
        neighbours: neighbours.iter().map(|n| (cluster(n), NeighbourSpec::default())).collect(),
        tags: Tags::default(),
        gateway: String::new(),
        security: Security::default(),
        policy: FabricPolicy::default(),
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

/// The tables that a configuration carries.
pub(crate) fn book(config: &SpeakerConfig, now: Now) -> Book {
    let table = |s: &ScopeSpec| TableSpec {
        name: s.table.clone(),
        kind: s.kind,
        policy: Policy::default(),
    };
    let tables = config.scopes.iter().map(table).collect();
    Book::new(config.cluster.clone(), tables, Vec::new(), Vec::new(), now, 7).unwrap()
}

/// A claim of a cluster on itself, signed by its first key, of the given version in its first boot.
pub(crate) fn claim(of: &str, sequence: u64) -> Claim {
    claim_on(of, to(of), sequence, &[])
}

pub(crate) fn claim_on(of: &str, on: AnyDestination, sequence: u64, tags_: &[&str]) -> Claim {
    let claim = Claim {
        originator: cluster(of),
        destination: on,
        tags: tags(tags_),
        incarnation: BOOT,
        sequence,
        not_after: Wall(START + 24 * 3_600_000),
        withdrawn: false,
        key: key_id(&key(of, 0)),
        signature: Signature([0; 64]),
    };
    signed("fabric", claim, &key(of, 0))
}

/// Signs a claim, as it is.
pub(crate) fn signed(in_: &str, mut claim: Claim, by: &SigningKey) -> Claim {
    claim.key = key_id(by);
    claim.signature = signature(by, &sign::claim_bytes(&scope(in_), &claim));
    claim
}

/// The end of what a cluster claims on itself.
pub(crate) fn tombstone(of: &str, sequence: u64) -> Claim {
    let claim = Claim { withdrawn: true, ..claim(of, sequence) };
    signed("fabric", claim, &key(of, 0))
}

/// An announcement of one cluster, being put together.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) said: Announcement,
}

/// A route to the last of the path, said by the first, with the claim's first version.
pub(crate) fn route(path: &[&str]) -> Say {
    let last = path.last().copied().unwrap_or("nobody");
    let announced = Announced {
        destination: to(last),
        path_id: PathId::default(),
        claim: Some(claim(last, 1)),
    };
    let metrics = Metrics { hops: path.len().saturating_sub(1) as u16, ..Metrics::default() };
    Say {
        said: Announcement {
            scope: scope("fabric"),
            path: path.iter().map(|c| cluster(c)).collect(),
            metrics,
            tags: Tags::default(),
            standing: Standing::Eligible,
            routes: vec![announced],
        },
    }
}

impl Say {
    pub(crate) fn latency(mut self, ms: u32) -> Self {
        self.said.metrics.latency_us = ms * 1000;
        self
    }

    pub(crate) fn tags(mut self, list: &[&str]) -> Self {
        self.said.tags = tags(list);
        self
    }

    pub(crate) fn claim(mut self, claim: Option<Claim>) -> Self {
        self.said.routes[0].claim = claim;
        self
    }

    pub(crate) fn path_id(mut self, id: &str) -> Self {
        self.said.routes[0].path_id = id.parse().unwrap();
        self
    }

    pub(crate) fn to(mut self, destination: AnyDestination) -> Self {
        self.said.routes[0].destination = destination;
        self
    }
}

impl From<Say> for Message {
    fn from(say: Say) -> Self {
        Self::Announce(say.said)
    }
}

/// A withdrawal of the way to a cluster.
pub(crate) fn gone(destination: &str) -> Message {
    gone_with(destination, None)
}

pub(crate) fn gone_with(destination: &str, claim: Option<Claim>) -> Message {
    let withdrawn = Withdrawn { destination: to(destination), path_id: PathId::default(), claim };
    Message::Withdraw(Withdrawal { scope: scope("fabric"), routes: vec![withdrawn] })
}
