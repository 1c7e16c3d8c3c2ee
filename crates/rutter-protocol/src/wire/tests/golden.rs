//! The bytes themselves: whoever writes a second implementation begins here. They don't change
//! within a revision.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rutter_route::{AnyDestination, DestinationKind, PathId, Standing, Tags, Wall};
use smallvec::smallvec;

use crate::claims::Claim;
use crate::hex;
use crate::keys::{KeyId, KeySet, PublicKey};
use crate::wire::sign::{self, SessionId};
use crate::wire::{
    Announced, Announcement, Batch, Close, Frame, Message, Metrics, Open, Signature, Signed,
    Withdrawal, Withdrawn, root,
};

fn open(cluster: &str, to: &str, nonce: u8) -> Open {
    Open {
        revision: 1,
        cluster: cluster.parse().unwrap(),
        to: to.parse().unwrap(),
        incarnation: 1_700_000_000,
        nonce: [nonce; 16],
        scopes: BTreeMap::from([
            ("fabric".parse().unwrap(), DestinationKind::Cluster),
            ("overlay/100".parse().unwrap(), DestinationKind::Prefix),
        ]),
        paths: 1,
        gateway: "gw.a:8444".into(),
    }
}

fn claim() -> Claim {
    Claim {
        originator: "c".parse().unwrap(),
        destination: AnyDestination::Prefix("10.8.0.0/13".parse().unwrap()),
        tags: Tags::try_from(vec!["gold".parse().unwrap()]).unwrap(),
        incarnation: 1_700_000_000,
        sequence: 7,
        not_after: Wall(1_700_086_400_000),
        withdrawn: false,
        key: KeyId([0xaa; 8]),
        signature: Signature([0xbb; 64]),
    }
}

fn announcement() -> Message {
    let prefix = |text: &str| AnyDestination::Prefix(text.parse().unwrap());
    let announced = |destination, path_id: &str, claim| Announced {
        destination,
        path_id: path_id.parse().unwrap(),
        claim,
    };
    let second = Claim { destination: prefix("2001:db8::/32"), sequence: 8, ..claim() };
    Message::Announce(Announcement {
        scope: "overlay/100".parse().unwrap(),
        path: smallvec!["a".parse().unwrap(), "c".parse().unwrap()],
        metrics: Metrics {
            hops: 2,
            latency_us: 5000,
            bandwidth_kbps: 1_000_000,
            reliability_ppm: 999_000,
            cost: 3,
        },
        tags: Tags::try_from(vec!["via-a".parse().unwrap()]).unwrap(),
        standing: Standing::Stale,
        routes: vec![
            announced(prefix("10.8.0.0/13"), "", Some(claim())),
            announced(second.destination.clone(), "neighbour/c", Some(second)),
            announced(prefix("0.0.0.0/0"), "", None),
        ],
    })
}

fn withdrawal() -> Message {
    let none = PathId::default();
    let withdrawn = Claim { withdrawn: true, sequence: 9, ..claim() };
    let service = AnyDestination::Service("tcp:db@:5432".parse().unwrap());
    Message::Withdraw(Withdrawal {
        scope: "overlay/100".parse().unwrap(),
        routes: vec![
            Withdrawn {
                destination: withdrawn.destination.clone(),
                path_id: none.clone(),
                claim: Some(withdrawn),
            },
            Withdrawn { destination: service, path_id: none, claim: None },
        ],
    })
}

fn key_set() -> KeySet {
    KeySet {
        cluster: "c".parse().unwrap(),
        version: (1_700_000_000, 2),
        primary: KeyId([0xcc; 8]),
        keys: vec![(PublicKey([1; 32]), Some(Wall(1_700_000_060_000))), (PublicKey([2; 32]), None)],
        key: KeyId([0xaa; 8]),
        signature: Signature([0xbb; 64]),
    }
}

/// Each with a name, and its bytes as hex digits.
fn all() -> String {
    let (a, b) = (open("a", "b", 0x11), open("b", "a", 0x22));
    let session = SessionId::of(&a, &b);
    let messages = vec![announcement().to_bytes(), withdrawal().to_bytes()];
    let hash = root(&messages);
    let batch = |signed| Batch { stream: 1, number: 300, messages: messages.clone(), signed };
    let (key, signature) = (KeyId([0xaa; 8]), Signature([0xbb; 64]));
    let scope = || "fabric".parse().unwrap();
    let bytes = |frame: Frame| frame.encode();
    let lines: Vec<(&str, Bytes)> = vec![
        ("open", bytes(Frame::Open(a.clone()))),
        ("batch, not signed", bytes(Frame::Batch(batch(Signed::Not)))),
        ("batch, signed", bytes(Frame::Batch(batch(Signed::Batch(key, signature))))),
        ("batch, each signed", {
            bytes(Frame::Batch(batch(Signed::Each(key, vec![signature, signature]))))
        }),
        ("goodbye", bytes(Frame::Close(Close::Goodbye))),
        ("restart", bytes(Frame::Close(Close::Restart(Duration::from_secs(120))))),
        ("refused", bytes(Frame::Close(Close::Refused("no key".into())))),
        ("announce", announcement().to_bytes()),
        ("withdraw", withdrawal().to_bytes()),
        ("renew", Message::Renew(scope(), claim()).to_bytes()),
        ("held", Message::Held(scope(), claim()).to_bytes()),
        ("keys", Message::Keys(key_set()).to_bytes()),
        ("begin of refresh", Message::BeginRefresh(scope()).to_bytes()),
        ("end of refresh", Message::EndOfRefresh(scope()).to_bytes()),
        ("refresh", Message::Refresh(scope()).to_bytes()),
        ("root", Bytes::copy_from_slice(&hash)),
        ("session", Bytes::copy_from_slice(&session.0)),
        ("signed of a batch", {
            sign::batch_bytes(&a.cluster, &b.cluster, &session, 1, 300, 2, &hash).into()
        }),
        ("signed of a message", {
            sign::message_bytes(&a.cluster, &b.cluster, &session, 1, 300, 1, &messages[1]).into()
        }),
        ("signed of a claim", sign::claim_bytes(&scope(), &claim()).into()),
        ("signed of keys", sign::keys_bytes(&key_set()).into()),
    ];
    let line = |(name, bytes): &(&str, Bytes)| format!("{name}: {}\n", hex::encode(bytes));
    lines.iter().map(line).collect()
}

#[test]
fn the_bytes_of_revision_1_dont_change() {
    insta::assert_snapshot!(all());
}

#[test]
fn a_session_is_the_same_at_both_ends_and_never_the_same_again() {
    let (a, b) = (open("a", "b", 0x11), open("b", "a", 0x22));
    assert_eq!(SessionId::of(&a, &b), SessionId::of(&b, &a));
    assert_ne!(SessionId::of(&a, &b), SessionId::of(&a, &open("b", "a", 0x23)));
    assert_ne!(SessionId::of(&a, &b), SessionId::of(&open("a", "b", 0x12), &b));
}

/// What differs in anything that is said differs in what is signed.
#[test]
fn every_word_of_a_claim_is_signed() {
    let scope = "fabric".parse().unwrap();
    let other = |change: fn(&mut Claim)| {
        let mut claim = claim();
        change(&mut claim);
        sign::claim_bytes(&scope, &claim)
    };
    let all = [
        other(|_| {}),
        other(|c| c.originator = "d".parse().unwrap()),
        other(|c| c.destination = AnyDestination::Prefix("10.8.0.0/14".parse().unwrap())),
        other(|c| c.destination = AnyDestination::Cluster("c".parse().unwrap())),
        other(|c| c.tags = Tags::default()),
        other(|c| c.incarnation += 1),
        other(|c| c.sequence += 1),
        other(|c| c.not_after.0 += 1),
        other(|c| c.withdrawn = true),
        other(|c| c.key.0[0] += 1),
        sign::claim_bytes(&"services".parse().unwrap(), &claim()),
    ];
    let n = all.len();
    assert_eq!(std::collections::BTreeSet::from(all).len(), n);
    // The signature itself is over all else.
    assert_eq!(other(|_| {}), other(|c| c.signature.0[0] += 1));
}
