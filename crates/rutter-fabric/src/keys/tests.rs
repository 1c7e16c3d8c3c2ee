//! Sources, signers and what outlives a restart, with real files, programs and TLS.

mod signing;
mod sources;

use std::fs;
use std::path::Path;
use std::time::Duration;

use rutter_protocol::keys::{KeyRecord, KeyRegistry, PublicKey};
use rutter_route::{ClusterId, Now, Wall};

use super::*;
use crate::crypto::SigningKey;

const LONG: Duration = Duration::from_secs(60);

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

/// A public key that signatures can be verified by.
fn key(n: u8) -> PublicKey {
    SigningKey::from_seed([n; 32]).public()
}

#[test]
fn lines_and_snapshots_are_read_and_the_first_key_is_the_primary() {
    let text = format!("# ours\nwest {}\n\neast {} # new\nwest {}\n", key(1), key(2), key(3));
    let given = read(&text, None, Wall(5)).unwrap();
    let keys = |name: &str| given[&cluster(name)].iter().map(|r| r.key).collect::<Vec<_>>();
    assert_eq!(keys("west"), [key(1), key(3)]);
    assert_eq!(keys("east"), [key(2)]);

    let mut registry = KeyRegistry::default();
    let record = |n| KeyRecord { key: key(n), added_at: Wall(0), expires_at: None };
    registry.provide(Now::default(), &cluster("west"), vec![record(1), record(3)]);
    registry.rotate(Now::default(), &cluster("west"), key(3), LONG);
    let json = registry.snapshot(Now::default()).to_string();
    let given = read(&json, None, Wall(5)).unwrap();
    assert_eq!(given[&cluster("west")][0].key, key(3));
}

#[test]
fn what_is_no_text_of_keys_is_refused_as_a_whole_and_its_place_named() {
    let wrong = |text: &str, of: Option<&str>| {
        let of = of.map(cluster);
        read(text, of.as_ref(), Wall(0)).unwrap_err().to_string()
    };
    let good = format!("west {}\n", key(1));
    assert_eq!(wrong(&format!("{good}west"), None), "line 2: expected `CLUSTER HEXKEY`");
    assert_eq!(
        wrong(&format!("{good}east 00ff"), None),
        "line 2: expected a public key, 64 digits of hex"
    );
    assert_eq!(wrong(&format!("{good}{good}"), None), "line 2: expected each key once");
    assert!(wrong(&good, Some("east")).contains("keys of the file's own cluster alone"));
    let small_order = format!("west 01{}", "00".repeat(31));
    assert!(wrong(&small_order, None).ends_with("expected an Ed25519 public key"));
    assert!(wrong("{}", None).starts_with("generated_at:"));
    assert!(read(&key(1).to_string(), Some(&cluster("west")), Wall(0)).is_ok());
}

#[test]
fn incarnations_rise_over_restarts_whatever_the_wall_says() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    assert_eq!(state.next_incarnation(Wall(1_700_000_000_123)).unwrap(), 1_700_000_000);
    assert_eq!(state.next_incarnation(Wall(1_700_000_000_999)).unwrap(), 1_700_000_001);
    assert_eq!(
        state.next_incarnation(Wall(5_000)).unwrap(),
        1_700_000_002,
        "the clock was set back"
    );
    assert!(State::open(dir.path()).is_err(), "another process would use it");
    drop(state);
    let state = State::open(dir.path()).unwrap();
    assert_eq!(state.next_incarnation(Wall(1_800_000_000_000)).unwrap(), 1_800_000_000);
    fs::write(dir.path().join("incarnation"), "seven").unwrap();
    let error = state.next_incarnation(Wall(0)).unwrap_err().to_string();
    assert!(error.contains("expected the number of the last boot"), "{error}");
}

#[test]
fn what_is_kept_last_is_what_is_read_and_a_damaged_file_refuses_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    assert_eq!(state.registry(Now::default()).unwrap().clusters().count(), 0);
    let keeper = Keeper::start(state.clone()).unwrap();
    let mut registry = KeyRegistry::default();
    for n in 0..100 {
        let record = KeyRecord { key: key(n), added_at: Wall(0), expires_at: None };
        registry.provide(Now::default(), &cluster(&format!("c{n}")), vec![record]);
        keeper.keep(registry.to_kept());
    }
    keeper.end();
    assert_eq!(state.registry(Now::default()).unwrap().to_kept(), registry.to_kept());
    let at = dir.path().join("keys.json");
    let half = fs::read(&at).unwrap();
    fs::write(&at, &half[..half.len() / 2]).unwrap();
    let error = state.registry(Now::default()).unwrap_err().to_string();
    assert!(error.contains("keys.json"), "{error}");
}

fn write(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, path).unwrap();
}
