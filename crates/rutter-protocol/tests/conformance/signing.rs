//! Whose word is taken: signatures there and back, required or not, and keys that come and go.

use std::time::Duration;

use rutter_protocol::keys::KeyRegistry;
use rutter_protocol::speaker::Input;
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::{Frame, Message, Signed};
use rutter_route::Standing;

use crate::common::alone::{Alone, alone};
use crate::common::*;

#[test]
fn case_11_what_is_signed_is_good_after_it_was_bytes() {
    for message in [Message::from(route(&["b", "x"])), gone_with("x", Some(tombstone("x", 2)))] {
        let mut t = alone(&["b"]);
        let b = t.up("b");
        t.say(b, [route(&["b", "x"])]);
        let one = t.batch(b, [message.clone()]);
        let mut each = t.batch(b, [message.clone()]);
        each.signed = t.each(b, &each);
        for batch in [one, each] {
            let Ok(Frame::Batch(read)) = Frame::decode(Frame::Batch(batch.clone()).encode()) else {
                panic!("a batch is a batch");
            };
            assert_eq!(read, batch);
            assert_eq!(Message::decode(&read.messages[0]), Ok(message.clone()));
            t.frame(b, Frame::Batch(read));
        }
        assert_eq!(t.stats("b").announcements_rejected, 0);
    }
}

#[test]
fn case_12_where_signatures_are_required_nothing_unsigned_is_taken() {
    let mut t = alone(&["b"]);
    let first = t.up("b");
    t.say(first, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "signed, it is taken");
    let second = t.up("b");
    for message in [Message::from(route(&["b", "y"])), gone("x")] {
        let unsigned = t.up("b");
        let mut batch = t.batch(unsigned, [message]);
        batch.signed = Signed::Not;
        t.frame(unsigned, Frame::Batch(batch));
        assert!(t.is_closed(unsigned));
    }
    assert_eq!(t.refused("b", Reason::Unsigned), 2);
    assert_eq!(t.standing("b", "y"), None);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "nor withdrawn");
    t.say(second, [gone("x")]);
    assert_eq!(t.standing("b", "x"), None, "signed, it is");
}

/// A speaker whose neighbour `b` rotated its key 120 seconds after the beginning, with an overlap of
/// 20, and said so under the old one.
fn rotated() -> Alone {
    let mut t = alone(&["b"]);
    t.at(120_000);
    let b = t.up("b");
    let (old, new) = (key("b", 0), key("b", 1));
    let keys = [(&new, None), (&old, Some(at(140_000).wall))];
    let set = key_set("b", 1, &keys, &old, &old);
    t.say(b, [Message::Keys(set)]);
    t
}

#[test]
fn case_13_after_a_rotation_the_old_key_is_good_for_the_overlap_and_then_no_more() {
    for (ms, number, is_good) in
        [(130_000, 0, true), (130_000, 1, true), (150_000, 0, false), (150_000, 1, true)]
    {
        let mut t = rotated();
        t.at(ms);
        let b = t.up("b");
        if let Some(end) = t.ends.get_mut(&b) {
            end.key = key("b", number);
        }
        t.say(b, [route(&["b", "x"])]);
        let expected = is_good.then_some(Standing::Eligible);
        assert_eq!(t.standing("b", "x"), expected, "key {number} at {ms}");
        assert_eq!(t.refused("b", Reason::UnknownKey), u64::from(!is_good));
    }
}

#[test]
fn p03_who_has_no_key_that_counts_is_believed_nothing() {
    // Nobody knows a key of b, and what b says names its own.
    let mut t = Alone::with_keys(config("a", &["b"]), registry(&["a", "x"]));
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::UnknownKey), 1);
    // All keys of b that were known have ended.
    let mut ended = record(&key("b", 0));
    ended.expires_at = Some(at(1_000).wall);
    let mut keys: KeyRegistry = registry(&["a", "x"]);
    keys.provide(at(0), &cluster("b"), vec![ended]);
    let mut t = Alone::with_keys(config("a", &["b"]), keys);
    t.at(1_000);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::UnknownKey), 1);
}

#[test]
fn p03_keys_that_no_active_key_of_their_cluster_vouches_for_are_not_taken() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let thief = key("thief", 9);
    for (signer, named) in [(&thief, &thief), (&thief, &key("x", 0)), (&key("b", 0), &key("x", 0))]
    {
        let set = key_set("x", 1, &[(&thief, None)], named, signer);
        t.say(b, [Message::Keys(set)]);
    }
    let keys = t.engine.speaker.keys();
    let known: Vec<_> = keys.active(at(0), &cluster("x")).into_iter().map(|r| r.key).collect();
    assert_eq!(known, [public(&key("x", 0))]);
}

#[test]
fn p15_an_instant_far_ahead_keeps_nothing_alive() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut years = claim("x", 1);
    years.not_after.0 = START + 10 * 365 * 86_400_000;
    t.say(b, [route(&["b", "x"]).claim(Some(signed("fabric", years, &key("x", 0))))]);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::TooFar), 1);
    // What is taken ends by the receiver's clock, whatever its sender's says.
    t.say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    t.at(24 * 3_600_000 + 300_001);
    assert_eq!(t.standing("b", "x"), None);
}

#[test]
fn a_key_that_a_provider_takes_back_takes_what_it_vouched_for_along() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]), route(&["b", "y"])]);
    let keys = vec![record(&key("x", 3))];
    t.input(Input::Keys { cluster: cluster("x"), keys });
    assert_ne!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.standing("b", "y"), Some(Standing::Eligible), "nobody else's");
    let by_new = signed("fabric", claim("x", 2), &key("x", 3));
    t.say(b, [route(&["b", "x"]).claim(Some(by_new))]);
    t.at(Duration::from_secs(5).as_millis() as u64);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
}
