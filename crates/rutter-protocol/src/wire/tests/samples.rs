//! Frames and messages of all shapes, drawn by chance.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use rutter_route::{
    AnyDestination, ClusterId, DestinationKind, PathId, Prefix, Service, Standing, Tag, Tags, Wall,
};

use crate::claims::Claim;
use crate::keys::{KeyId, KeySet, PublicKey};
use crate::wire::{
    Announced, Announcement, Batch, Close, Frame, MAX_FRAME, Message, Metrics, Open, Scope,
    Signature, Signed, Withdrawal, Withdrawn,
};

/// Few names, so that what may be left out on the wire often is.
pub(super) fn cluster() -> impl Strategy<Value = ClusterId> {
    "(a|b|eu-west-1|a-rather-long-name-of-a-cluster:x)".prop_map(|text| text.parse().unwrap())
}

fn scope() -> impl Strategy<Value = Scope> {
    "(fabric|services|overlay/1[0-9]{0,2})".prop_map(|text| text.parse().unwrap())
}

fn tags() -> impl Strategy<Value = Tags> {
    vec("(gold|prod|env=[a-z]{1,3})", 0..4).prop_map(|list| {
        let list: Vec<Tag> = list.iter().map(|text| text.parse().unwrap()).collect();
        Tags::try_from(list).unwrap()
    })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let v4 = (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(a, n)| Prefix::truncated(a.into(), n));
    let v6 = (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(a, n)| Prefix::truncated(a.into(), n));
    prop_oneof![v4, v6].prop_filter_map("IPv4-mapped", Result::ok)
}

fn service() -> impl Strategy<Value = Service> {
    "(tcp:|udp:)?(\\*\\.)?[a-c]{1,3}(\\.example)?(@(10\\.0\\.0\\.1)?:[1-9][0-9])?"
        .prop_map(|text| text.parse().unwrap())
}

pub(super) fn destination() -> impl Strategy<Value = AnyDestination> {
    prop_oneof![
        prefix().prop_map(AnyDestination::Prefix),
        service().prop_map(AnyDestination::Service),
        "[a-c]{1,2}(/[a-z]{1,3}){1,2}".prop_map(|t| AnyDestination::Service(t.parse().unwrap())),
        cluster().prop_map(AnyDestination::Cluster),
    ]
}

fn path_id() -> impl Strategy<Value = PathId> {
    "(|neighbour/a|neighbour/b/x|ü)".prop_map(|text| text.parse().unwrap())
}

fn signature() -> impl Strategy<Value = Signature> {
    vec(any::<u8>(), 64).prop_map(|bytes| Signature(bytes.try_into().unwrap()))
}

fn key_id() -> impl Strategy<Value = KeyId> {
    any::<[u8; 8]>().prop_map(KeyId)
}

fn instant() -> impl Strategy<Value = Wall> {
    any::<u64>().prop_map(Wall)
}

pub(super) fn claim() -> impl Strategy<Value = Claim> {
    let what = (cluster(), destination(), tags(), any::<bool>());
    let version = (any::<u64>(), 0..300_u64, instant());
    (what, version, key_id(), signature()).prop_map(|(what, version, key, signature)| {
        let (originator, destination, tags, withdrawn) = what;
        let (incarnation, sequence, not_after) = version;
        Claim {
            originator,
            destination,
            tags,
            incarnation,
            sequence,
            not_after,
            withdrawn,
            key,
            signature,
        }
    })
}

fn metrics() -> impl Strategy<Value = Metrics> {
    (any::<u16>(), any::<u32>(), 0..300_u32, any::<u32>(), any::<u32>()).prop_map(
        |(hops, latency_us, bandwidth_kbps, reliability_ppm, cost)| Metrics {
            hops,
            latency_us,
            bandwidth_kbps,
            reliability_ppm,
            cost,
        },
    )
}

fn announcement() -> impl Strategy<Value = Announcement> {
    let route = (destination(), path_id(), option::of(claim()), any::<bool>()).prop_map(
        |(destination, path_id, mut claim, mostly)| {
            if let Some(claim) = claim.as_mut().filter(|_| mostly) {
                claim.destination = destination.clone();
            }
            Announced { destination, path_id, claim }
        },
    );
    let standing = prop::sample::select(&Standing::ALL[..4]);
    (scope(), vec(cluster(), 0..5), metrics(), tags(), standing, vec(route, 0..4)).prop_map(
        |(scope, path, metrics, tags, standing, routes)| Announcement {
            scope,
            path: path.into(),
            metrics,
            tags,
            standing,
            routes,
        },
    )
}

fn withdrawal() -> impl Strategy<Value = Withdrawal> {
    let route = (destination(), path_id(), option::of(claim()))
        .prop_map(|(destination, path_id, claim)| Withdrawn { destination, path_id, claim });
    (scope(), vec(route, 0..4)).prop_map(|(scope, routes)| Withdrawal { scope, routes })
}

fn keys() -> impl Strategy<Value = KeySet> {
    let list = btree_map(any::<[u8; 32]>(), option::of(instant()), 0..4);
    let ids = (key_id(), key_id());
    (cluster(), any::<(u64, u64)>(), ids, list, signature()).prop_map(
        |(cluster, version, (primary, key), list, signature)| KeySet {
            cluster,
            version,
            primary,
            keys: list.into_iter().map(|(key, ends)| (PublicKey(key), ends)).collect(),
            key,
            signature,
        },
    )
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => announcement().prop_map(Message::Announce),
        2 => withdrawal().prop_map(Message::Withdraw),
        1 => (scope(), claim()).prop_map(|(scope, claim)| Message::Renew(scope, claim)),
        1 => (scope(), claim()).prop_map(|(scope, claim)| Message::Held(scope, claim)),
        1 => keys().prop_map(Message::Keys),
        1 => scope().prop_map(Message::BeginRefresh),
        1 => scope().prop_map(Message::EndOfRefresh),
        1 => scope().prop_map(Message::Refresh),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let kinds = [DestinationKind::Prefix, DestinationKind::Service, DestinationKind::Cluster];
    let scopes = btree_map(scope(), prop::sample::select(kinds.to_vec()), 0..4);
    let who = (cluster(), cluster(), any::<u64>(), any::<[u8; 16]>());
    (any::<u32>(), who, scopes, any::<u8>(), "(|10\\.0\\.0\\.1:443)").prop_map(
        |(revision, (cluster, to, incarnation, nonce), scopes, paths, gateway)| Open {
            revision,
            cluster,
            to,
            incarnation,
            nonce,
            scopes,
            paths,
            gateway,
        },
    )
}

fn batch() -> impl Strategy<Value = Batch> {
    let signed = (0..3, key_id(), vec(signature(), 4));
    let messages = vec(message().prop_map(|message| message.to_bytes()), 1..3);
    (any::<u64>(), any::<u64>(), messages, signed).prop_map(
        |(stream, number, messages, (how, key, mut signatures))| {
            signatures.truncate(messages.len());
            let signed = match how {
                0 => Signed::Not,
                1 => Signed::Batch(key, signatures[0]),
                _ => Signed::Each(key, signatures),
            };
            Batch { stream, number, messages, signed }
        },
    )
}

pub(super) fn frame() -> impl Strategy<Value = Frame> {
    let close = prop_oneof![
        Just(Close::Goodbye),
        any::<u64>().prop_map(|ms| Close::Restart(Duration::from_millis(ms))),
        "[a-zü]{0,8}".prop_map(Close::Refused),
    ];
    prop_oneof![
        1 => open().prop_map(Frame::Open),
        6 => batch().prop_map(Frame::Batch),
        1 => close.prop_map(Frame::Close),
    ]
}

/// What no honest end sends.
pub(super) fn too_long() -> Bytes {
    Bytes::from(vec![0; MAX_FRAME + 1])
}
