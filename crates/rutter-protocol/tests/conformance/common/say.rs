//! Claims and messages, briefly.

use ed25519_dalek::SigningKey;
use rutter_protocol::claims::Claim;
use rutter_protocol::wire::{
    Announced, Announcement, Message, Metrics, Open, Signature, Withdrawal, Withdrawn, sign,
};
use rutter_route::{AnyDestination, DestinationKind, PathId, Standing, Tags, Wall};

use super::config::*;
use super::keys::*;

/// What a neighbour says first, in scope `fabric` and `services`.
pub(crate) fn open_of(name: &str, to: &str, nonce: u8) -> Open {
    let scopes = [("fabric", DestinationKind::Cluster), ("services", DestinationKind::Service)];
    Open {
        revision: rutter_protocol::wire::REVISION,
        cluster: cluster(name),
        to: cluster(to),
        incarnation: BOOT,
        nonce: [nonce; 16],
        scopes: scopes.into_iter().map(|(name, kind)| (scope(name), kind)).collect(),
        paths: 1,
        gateway: String::new(),
    }
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
