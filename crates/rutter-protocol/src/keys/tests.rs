//! The registry of keys: each rule by name, and who may say what.

use std::time::Duration;

use proptest::prelude::*;
use rutter_route::{ClusterId, Now, Wall};

use super::*;
use crate::wire::Signature;

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

/// The wall at that second.
fn at(seconds: u64) -> Now {
    Now::new(seconds * 1_000, seconds * 1_000)
}

fn record(n: u8) -> KeyRecord {
    KeyRecord { key: key(n), added_at: Wall(0), expires_at: None }
}

fn set(version: u64, primary: u8, keys: &[(u8, Option<u64>)], by: u8) -> KeySet {
    let mut keys: Vec<_> =
        keys.iter().map(|(n, end)| (key(*n), end.map(|end| Wall(end * 1_000)))).collect();
    keys.sort();
    KeySet {
        cluster: cluster("west"),
        version: (1, version),
        primary: key(primary).id(),
        keys,
        key: key(by).id(),
        signature: Signature([0; 64]),
    }
}

fn active(registry: &KeyRegistry, now: Now) -> Vec<PublicKey> {
    registry.active(now, &cluster("west")).into_iter().map(|record| record.key).collect()
}

/// A registry whose provider gave west's key 1 at the start.
fn provided() -> KeyRegistry {
    let mut registry = KeyRegistry::default();
    registry.provide(at(0), &cluster("west"), vec![record(1)]);
    registry
}

#[test]
fn case_13_after_a_rotation_the_old_key_counts_for_the_overlap_and_no_longer() {
    let mut registry = provided();
    let west = cluster("west");
    registry.rotate(at(120), &west, key(2), Duration::from_secs(20));
    assert_eq!(active(&registry, at(130)), [key(2), key(1)], "the primary first");
    assert_eq!(registry.find(at(130), &west, &key(1).id()), Some(key(1)));
    assert_eq!(registry.find(at(139), &west, &key(1).id()), Some(key(1)));
    assert_eq!(registry.find(at(140), &west, &key(1).id()), None, "at the instant it is dead");
    assert_eq!(active(&registry, at(150)), [key(2)]);
    assert_eq!(registry.primary(at(150), &west).unwrap().1, key(2));
}

#[test]
fn p03_a_key_that_nobody_vouched_for_counts_for_nothing() {
    let mut registry = KeyRegistry::default();
    // Nobody has named a key of west: its own word is worth nothing, however it is signed.
    assert_eq!(registry.judge(at(0), &set(1, 9, &[(9, None)], 9)), Learned::NotVouched);
    assert!(!registry.apply(at(0), &set(1, 9, &[(9, None)], 9)).is_some());
    assert_eq!(registry.find(at(0), &cluster("west"), &key(9).id()), None);
    // All keys that were known have ended: it fails closed, and the key inside is not believed.
    let ended = KeyRecord { expires_at: Some(Wall(10_000)), ..record(1) };
    registry.provide(at(0), &cluster("west"), vec![ended]);
    assert_eq!(registry.judge(at(10), &set(1, 9, &[(1, None), (9, None)], 1)), Learned::NotVouched);
    assert!(active(&registry, at(10)).is_empty());
}

#[test]
fn a_key_set_counts_under_a_key_that_counts_already_and_takes_away_what_it_leaves_out() {
    let mut registry = provided();
    let first = set(1, 2, &[(1, Some(60)), (2, None)], 1);
    assert_eq!(registry.judge(at(0), &first), Learned::Verify(key(1)));
    let change = registry.apply(at(0), &first);
    assert_eq!((change.n_added, change.n_removed), (1, 0));
    assert_eq!(registry.judge(at(0), &first), Learned::Known);
    let second = set(2, 3, &[(3, None)], 2);
    assert_eq!(registry.judge(at(1), &second), Learned::Verify(key(2)));
    let change = registry.apply(at(1), &second);
    assert_eq!((change.n_added, change.n_removed), (1, 2));
    assert_eq!(active(&registry, at(1)), [key(3)]);
    assert_eq!(registry.judge(at(1), &first), Learned::Known, "an older one says nothing");
    assert_eq!(registry.set_of(&cluster("west")), Some(&second));
}

#[test]
fn a_set_without_a_primary_that_lives_is_refused() {
    let registry = provided();
    assert_eq!(registry.judge(at(0), &set(1, 2, &[(1, None)], 1)), Learned::Invalid);
    assert_eq!(registry.judge(at(5), &set(1, 2, &[(2, Some(5))], 1)), Learned::Invalid);
    let many: Vec<_> = (1..=17).map(|n| (n, None)).collect();
    assert_eq!(registry.judge(at(0), &set(1, 1, &many, 1)), Learned::Invalid);
}

#[test]
fn a_provider_that_repeats_itself_takes_no_rotation_back() {
    let mut registry = provided();
    registry.apply(at(0), &set(1, 2, &[(1, Some(60)), (2, None)], 1));
    let again = KeyRecord { added_at: Wall(99), ..record(1) };
    let change = registry.provide(at(61), &cluster("west"), vec![again]);
    assert!(!change.is_some());
    assert_eq!(active(&registry, at(61)), [key(2)], "key 1 stays dead");
}

#[test]
fn a_provider_that_says_something_else_shuts_out_a_thief() {
    let mut registry = provided();
    // Key 1 was stolen, and the thief rotated to key 66.
    registry.apply(at(0), &set(1, 66, &[(66, None)], 1));
    registry.provide(at(1), &cluster("west"), vec![record(7)]);
    assert_eq!(active(&registry, at(1)), [key(7)]);
    assert_eq!(registry.judge(at(1), &set(2, 66, &[(66, None)], 66)), Learned::NotVouched);
    assert_eq!(registry.set_of(&cluster("west")), None);
    // The number starts where it was: an old set that the stolen key signed is no news.
    assert_eq!(registry.judge(at(1), &set(0, 7, &[(7, None)], 7)), Learned::Known);
}

#[test]
fn a_provider_that_adds_a_key_keeps_what_the_cluster_announced_under_one_that_stays() {
    let mut registry = provided();
    registry.apply(at(0), &set(1, 2, &[(1, Some(600)), (2, None)], 1));
    registry.provide(at(1), &cluster("west"), vec![record(1), record(5)]);
    assert_eq!(active(&registry, at(1)).first(), Some(&key(2)), "the cluster's own primary");
    let mut all = active(&registry, at(1));
    all.sort();
    assert_eq!(all, [key(1), key(2), key(5)]);
    let mut all = active(&registry, at(600));
    all.sort();
    assert_eq!(all, [key(2), key(5)], "the end that was announced holds");
}

#[test]
fn a_provider_that_names_no_key_takes_all_back() {
    let mut registry = provided();
    let change = registry.provide(at(1), &cluster("west"), Vec::new());
    assert_eq!(change.n_removed, 1);
    assert!(active(&registry, at(1)).is_empty());
    assert_eq!(registry.clusters().count(), 0);
    assert!(!registry.provide(at(1), &cluster("east"), Vec::new()).is_some());
}

#[test]
fn keys_and_clusters_have_bounds_and_what_is_over_is_counted() {
    let mut registry = KeyRegistry::default();
    let many = (0..20).map(record).collect();
    let change = registry.provide(at(0), &cluster("west"), many);
    assert_eq!((change.n_added, change.n_refused), (16, 4));
    for n in 0..MAX_CLUSTERS - 1 {
        registry.provide(at(0), &cluster(&format!("c{n}")), vec![record(1)]);
    }
    let change = registry.provide(at(0), &cluster("one-too-many"), vec![record(1)]);
    assert_eq!((change.n_added, change.n_refused), (0, 1));
    assert_eq!(registry.clusters().count(), MAX_CLUSTERS);
    for n in 20..60 {
        registry.rotate(at(0), &cluster("west"), key(n), Duration::from_secs(60));
    }
    assert_eq!(active(&registry, at(0)).len(), MAX_KEYS);
    assert_eq!(active(&registry, at(0)).first(), Some(&key(59)));
}

#[test]
fn the_end_of_a_key_is_told_once_and_its_deadline_follows_the_wall() {
    let mut registry = provided();
    registry.rotate(at(120), &cluster("west"), key(2), Duration::from_secs(20));
    assert_eq!(registry.next_deadline(at(121)), Some(at(140).deadline(Duration::ZERO)));
    assert!(registry.expire(at(139)).is_empty());
    assert_eq!(registry.expire(at(140)), [cluster("west")]);
    assert!(registry.expire(at(141)).is_empty());
    assert_eq!(registry.next_deadline(at(141)), None);
}

#[test]
fn a_wall_that_jumps_ahead_and_comes_back_loses_no_key() {
    let mut registry = provided();
    registry.rotate(at(120), &cluster("west"), key(2), Duration::from_secs(20));
    let mono = 130_000;
    assert_eq!(registry.expire(Now::new(mono, 9_000_000)), [cluster("west")]);
    assert_eq!(registry.expire(Now::new(mono + 1, 130_000)), [cluster("west")], "it counts again");
    assert_eq!(active(&registry, at(130)), [key(2), key(1)]);
    assert_eq!(registry.expire(at(140)), [cluster("west")]);
}

#[test]
fn a_set_to_sign_names_the_keys_that_count_and_who_vouches() {
    let mut registry = provided();
    let west = cluster("west");
    registry.rotate(at(120), &west, key(2), Duration::from_secs(20));
    let set = registry.set_to_sign(at(121), &west, (3, 4), key(1).id()).unwrap();
    assert_eq!(set.primary, key(2).id());
    assert_eq!(set.keys, [(key(1), Some(at(140).wall)), (key(2), None)]);
    assert_eq!(set.key, key(1).id());
    assert_eq!(registry.set_to_sign(at(140), &west, (3, 4), key(1).id()), None, "it has ended");
    // Who holds the old key alone takes it.
    let mut other = provided();
    assert_eq!(other.judge(at(122), &set), Learned::Verify(key(1)));
    other.apply(at(122), &set);
    assert_eq!(active(&other, at(122)), active(&registry, at(122)));
}

#[test]
fn a_snapshot_is_written_as_mpreg_writes_it() {
    let mut registry = provided();
    registry.rotate(at(120), &cluster("west"), key(2), Duration::from_millis(20_500));
    let json = registry.snapshot(at(130)).to_string();
    let id = |n| key(n).id().to_string();
    let hex = |n: u8| crate::hex::encode(&[n; 32]);
    let expected = format!(
        "{{\"clusters\":{{\"west\":{{\"keys\":[\
         {{\"added_at\":120.0,\"expires_at\":null,\"key_id\":\"{}\",\"public_key\":\"{}\"}},\
         {{\"added_at\":0.0,\"expires_at\":140.5,\"key_id\":\"{}\",\"public_key\":\"{}\"}}],\
         \"primary_key_id\":\"{}\"}}}},\"generated_at\":130.0}}",
        id(2),
        hex(2),
        id(1),
        hex(1),
        id(2),
    );
    let sorted: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(sorted, serde_json::from_str::<serde_json::Value>(&expected).unwrap());
    // Floats, as Python writes them.
    assert!(json.contains("\"added_at\":120.0") && json.contains("\"generated_at\":130.0"));
}

#[test]
fn what_is_kept_remembers_what_the_provider_said_and_what_the_cluster_announced() {
    let mut registry = provided();
    registry.apply(at(0), &set(1, 2, &[(1, Some(60)), (2, None)], 1));
    registry.provide(at(0), &cluster("east"), vec![record(4)]);
    let kept = registry.to_kept();
    let mut again = KeyRegistry::from_kept(at(5), &kept).unwrap();
    assert_eq!(again.to_kept(), kept);
    assert_eq!(active(&again, at(5)), active(&registry, at(5)));
    assert_eq!(again.next_deadline(at(5)), registry.next_deadline(at(5)));
    assert_eq!(again.judge(at(5), &set(1, 2, &[(2, None)], 2)), Learned::Known);
    assert_eq!(again.sets().count(), 1);
    assert!(!again.provide(at(61), &cluster("west"), vec![record(1)]).is_some());
    assert_eq!(active(&again, at(61)), [key(2)], "a restart undoes no rotation");
    assert!(KeyRegistry::from_kept(at(0), &kept.replace("\"form\":1", "\"form\":2")).is_err());
    assert!(KeyRegistry::from_kept(at(0), &kept.replace("floor", "revoked")).is_err());
    assert!(KeyRegistry::from_kept(at(0), "").is_err());
}

/// What `RouteKeyRegistry.to_dict` gives for one cluster after `register_key` and `rotate_key`.
const OF_MPREG: &str = r#"{"generated_at": 1770000030.25, "clusters": {"cluster-b": {
    "primary_key_id": "route_key_72cd6e8422c407fb", "keys": [
    {"key_id": "route_key_66687aadf862bd77",
     "public_key": "0000000000000000000000000000000000000000000000000000000000000000",
     "added_at": 1770000000.0, "expires_at": 1770000060.125},
    {"key_id": "route_key_72cd6e8422c407fb",
     "public_key": "0101010101010101010101010101010101010101010101010101010101010101",
     "added_at": 1770000000.125, "expires_at": null}]}}}"#;

#[test]
fn a_snapshot_of_mpreg_is_read_with_its_key_ids() {
    let snapshot: KeySnapshot = OF_MPREG.parse().unwrap();
    let b = &snapshot.clusters[&cluster("cluster-b")];
    assert_eq!(b.primary, Some(key(1).id()));
    assert_eq!(b.keys[0].expires_at, Some(Wall(1_770_000_060_125)));
    assert_eq!(snapshot.to_string().parse::<KeySnapshot>().unwrap(), snapshot);
    let registry = KeyRegistry::restore(snapshot);
    let now = Now::new(0, 1_770_000_030_000);
    let keys: Vec<_> =
        registry.active(now, &cluster("cluster-b")).into_iter().map(|r| r.key).collect();
    assert_eq!(keys, [key(1), key(0)]);
    assert_eq!(registry.active(Now::new(0, 1_770_000_060_125), &cluster("cluster-b")).len(), 1);
}

#[test]
fn what_is_wrong_in_a_snapshot_is_named_by_its_place() {
    let wrong = |from: &str, to: &str| {
        OF_MPREG.replacen(from, to, 1).parse::<KeySnapshot>().unwrap_err().to_string()
    };
    assert_eq!(
        wrong("01010101\"", "0101010\""),
        "clusters.cluster-b.keys[1].public_key: expected 32 bytes in hex"
    );
    assert_eq!(
        wrong("1770000060.125", "\"soon\""),
        "clusters.cluster-b.keys[0].expires_at: expected seconds since 1970"
    );
    assert_eq!(
        wrong("\"route_key_72cd6e8422c407fb\", \"keys\"", "\"route_key_00\", \"keys\""),
        "clusters.cluster-b.primary_key_id: expected the id of one of `keys`"
    );
    assert_eq!(
        wrong("\"cluster-b\"", "\"cluster b\""),
        "clusters.cluster b: expected a cluster's name"
    );
    assert_eq!(wrong("1770000030.25", "null"), "generated_at: expected seconds since 1970");
    assert!(wrong("{", "").starts_with("the snapshot: expected JSON"));
}

proptest! {
    /// Whatever is said in whatever order: a key counts only if the provider named it or a key
    /// that counted then vouched for it; and what is kept and read again answers the same.
    #[test]
    fn no_key_counts_that_nobody_vouched_for(
        steps in prop::collection::vec(
            (0..3_u8, prop::collection::vec((0..12_u8, prop::option::of(0..200_u64)), 0..4),
             0..12_u8, 0..12_u8, 0..30_u64),
            1..60,
        ),
    ) {
        let mut registry = KeyRegistry::default();
        let mut vouched = std::collections::BTreeSet::new();
        let west = cluster("west");
        for (n, (kind, keys, primary, by, version)) in steps.into_iter().enumerate() {
            let now = at(n as u64 * 5);
            if kind == 0 {
                let given = keys.iter().map(|(n, end)| KeyRecord {
                    expires_at: end.map(|end| Wall(end * 1_000)),
                    ..record(*n)
                });
                vouched.extend(keys.iter().map(|(n, _)| key(*n)));
                registry.provide(now, &west, given.collect());
            } else {
                let set = set(version, primary, &keys, by);
                let counted = registry.find(now, &west, &key(by).id()).is_some();
                let judged = registry.judge(now, &set);
                prop_assert_eq!(matches!(judged, Learned::Verify(_)) && !counted, false);
                if let Learned::Verify(by) = judged {
                    prop_assert!(vouched.contains(&by));
                    vouched.extend(set.keys.iter().map(|(key, _)| *key));
                }
                registry.apply(now, &set);
            }
            for key in active(&registry, now) {
                prop_assert!(vouched.contains(&key));
            }
            registry.expire(now);
            let due = registry.next_deadline(now);
            let end = registry.active(now, &west).iter().filter_map(|r| r.expires_at).min();
            prop_assert_eq!(due.is_some(), end.is_some());
        }
    }
}
