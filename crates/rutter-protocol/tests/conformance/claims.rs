//! What originators claim: verified once, newest first, renewed, withdrawn, outdone.

use std::time::Duration;

use rutter_protocol::keys::KeyRecord;
use rutter_protocol::speaker::Input;
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::Message;
use rutter_route::{Standing, Wall};

use crate::common::alone::{Alone, alone};
use crate::common::net::Net;
use crate::common::*;

#[test]
fn a_claim_of_an_unknown_key_is_denied_until_a_provider_knows_it() {
    let mut t = Alone::with_keys(config("a", &["b"]), registry(&["a", "b"]));
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied));
    assert_eq!(t.refused("b", Reason::UnknownKey), 1);
    let table = t.fabric();
    let why = format!("{:?}", table.explain(t.now, &cluster("x")).candidates[0].facts);
    assert!(why.contains("claim") && why.contains("unknown key of x"), "{why}");
    t.input(Input::Keys { cluster: cluster("x"), keys: vec![record(&key("x", 0))] });
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
}

#[test]
fn a_claim_of_an_unknown_key_is_in_no_verified_ones_way() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    let forged = signed("fabric", claim("x", u64::MAX), &key("x", 66));
    t.say(b, [route(&["b", "x"]).claim(Some(forged))]);
    t.say(c, [route(&["c", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied));
    assert_eq!(t.standing("c", "x"), Some(Standing::Eligible));
    t.say(c, [route(&["c", "x"]).claim(Some(claim("x", 2)))]);
    assert_eq!(t.standing("c", "x"), Some(Standing::Eligible));
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied), "another claim frees nothing");
    t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 2)))]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
}

#[test]
fn a_key_that_an_active_one_vouches_for_is_known_and_relayed_and_no_other() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    let by_new = signed("fabric", claim("x", 2), &key("x", 1));
    t.say(b, [route(&["b", "x"]).claim(Some(by_new))]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied));
    let (old, new) = (key("x", 0), key("x", 1));
    let set_by = |by| key_set("x", 1, &[(&new, None), (&old, None)], by, by);
    t.say(b, [Message::Keys(set_by(&new))]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied), "it vouches for itself only");
    assert_eq!(t.refused("b", Reason::UnknownKey), 2);
    t.take_told(c);
    let set = set_by(&old);
    t.say(b, [Message::Keys(set.clone())]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert!(t.take_told(c).contains(&Message::Keys(set.clone())));
    t.say(b, [Message::Keys(set)]);
    assert_eq!(t.take_told(c), [], "once a version");
}

#[test]
fn what_is_claimed_under_a_key_that_ends_is_denied_until_it_is_claimed_under_another() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let ends = KeyRecord { expires_at: Some(Wall(START + 60_000)), ..record(&key("x", 0)) };
    let keys = vec![record(&key("x", 1)), ends];
    t.input(Input::Keys { cluster: cluster("x"), keys });
    t.say(b, [route(&["b", "x"])]);
    t.at(59_000);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    t.at(61_000);
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied));
    t.say(b, [route(&["b", "x"]).claim(Some(signed("fabric", claim("x", 2), &key("x", 1))))]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
}

#[test]
fn an_originators_withdrawal_ends_everybodys_routes_to_it_at_once() {
    let mut t = alone(&["b", "c", "z"]);
    let (b, c, z) = (t.up("b"), t.up("c"), t.up("z"));
    t.say(b, [route(&["b", "x"])]);
    t.say(c, [route(&["c", "y", "x"])]);
    t.take_told(z);
    t.say(b, [gone_with("x", Some(tombstone("x", 2)))]);
    assert_eq!(t.ranked("x"), Vec::<String>::new(), "c hasn't heard of it yet");
    let told = t.take_told(z);
    let [Message::Withdraw(said)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(said.routes[0].claim, Some(tombstone("x", 2)));
    t.say(c, [route(&["c", "b", "x"])]);
    assert_eq!(t.standing("c", "x"), None);
    assert_eq!(t.refused("c", Reason::Stale), 1);
    let returned = t.take_told(c);
    assert!(returned.contains(&Message::Held(scope("fabric"), tombstone("x", 2))), "{returned:?}");
    t.say(c, [route(&["c", "y", "x"]).claim(Some(claim("x", 3)))]);
    assert_eq!(t.standing("c", "x"), Some(Standing::Eligible), "claimed anew it is there again");
}

#[test]
fn a_withdrawal_in_a_clusters_name_that_it_never_signed_ends_its_sayers_route_alone() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(b, [route(&["b", "x"])]);
    t.say(c, [route(&["c", "x"])]);
    let mut forged = tombstone("x", 2);
    forged.signature.0[9] ^= 1;
    t.say(b, [gone_with("x", Some(forged))]);
    assert_eq!(t.ranked("x"), ["c"]);
    assert_eq!(t.refused("b", Reason::BadSignature), 1);
}

#[test]
fn the_claim_held_is_returned_at_most_once_a_second_to_who_says_an_older_one() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 5)))]);
    t.take_told(b);
    let mut n = 0;
    for round in 0..10 {
        t.at(1_000 + round * 300);
        t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 4)))]);
        n += t.take_told(b).iter().filter(|m| matches!(m, Message::Held(..))).count();
    }
    assert_eq!(t.refused("b", Reason::Stale), 10);
    assert_eq!(n, 3, "in 2.7 seconds");
}

#[test]
fn who_is_shown_a_newer_claim_tells_its_route_again_by_it() {
    let mut t = alone(&["b", "z"]);
    let (b, z) = (t.up("b"), t.up("z"));
    t.say(b, [route(&["b", "x"])]);
    t.take_told(b);
    t.take_told(z);
    t.say(z, [Message::Held(scope("fabric"), claim("x", 9))]);
    let told = t.take_told(z);
    let again = told.iter().find_map(|m| match m {
        Message::Announce(said) => said.routes[0].claim.clone(),
        _ => None,
    });
    assert_eq!(again, Some(claim("x", 9)), "{told:?}");
    let renewed = t.take_told(b);
    assert_eq!(renewed, [], "b was told nothing of what it says itself");
}

#[test]
fn a_route_that_was_refused_is_asked_for_once_its_sayer_has_the_claim_that_is_known() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(c, [route(&["c", "x"]).claim(Some(claim("x", 3)))]);
    t.say(b, [route(&["b", "x"])]);
    t.take_told(b);
    // Within the second the claim held isn't returned once more, and b comes by it elsewhere.
    t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 2)))]);
    assert_eq!(t.standing("b", "x"), None);
    assert!(!t.take_told(b).iter().any(|m| matches!(m, Message::Held(..))));
    t.say(b, [Message::Renew(scope("fabric"), claim("x", 3))]);
    t.at(11_000);
    let told = t.take_told(b);
    assert!(told.contains(&Message::Refresh(scope("fabric"))), "{told:?}");
    t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 3)))]);
    t.say(b, [Message::Renew(scope("fabric"), claim("x", 3))]);
    t.at(60_000);
    let asks = t.take_told(b).iter().any(|m| matches!(m, Message::Refresh(_)));
    assert!(!asks, "what is held is not asked for");
}

#[test]
fn a_renewal_is_no_event_and_goes_on_to_those_who_were_told() {
    let mut t = alone(&["b", "c", "z"]);
    let (b, c, z) = (t.up("b"), t.up("c"), t.up("z"));
    t.say(b, [route(&["b", "x"])]);
    t.say(c, [route(&["c", "x"]).latency(50)]);
    [b, c, z].into_iter().for_each(|end| drop(t.take_told(end)));
    let event = |t: &Alone| t.fabric().last_event();
    let before = event(&t);
    let newer = Message::Renew(scope("fabric"), claim("x", 2));
    t.say(b, [newer.clone()]);
    assert_eq!(event(&t), before);
    assert_eq!(t.take_told(z), std::slice::from_ref(&newer));
    assert_eq!(t.take_told(c), std::slice::from_ref(&newer), "c was told the way by b");
    assert_eq!(t.take_told(b), []);
    t.say(c, [newer]);
    assert_eq!(t.take_told(z), [], "it is known");
}

#[test]
fn the_originators_newest_tags_count_for_all_that_rests_on_its_claim() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(b, [route(&["b", "x"]).tags(&["by-b"])]);
    t.say(c, [route(&["c", "x"]).claim(Some(claim_on("x", to("x"), 2, &["blocked"])))]);
    let table = t.fabric();
    for candidate in table.candidates(&cluster("x")) {
        let has = |tag: &str| candidate.received.tags.contains(&tag.parse().unwrap());
        assert!(has("blocked"), "{candidate:?}");
        assert_eq!(has("by-b"), *candidate.source == neighbour("b"));
    }
}

#[test]
fn who_fills_a_route_with_tags_keeps_none_of_its_originators_from_policy() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    let many: Vec<String> = (0..64).map(|n| format!("fill-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    t.say(b, [route(&["b", "x"]).tags(&many)]);
    t.say(c, [route(&["c", "x"]).claim(Some(claim_on("x", to("x"), 2, &["blocked"])))]);
    let table = t.fabric();
    let sources: Vec<_> =
        table.candidates(&cluster("x")).iter().map(|route| route.source.clone()).collect();
    assert_eq!(sources, [neighbour("c")]);
    assert_eq!(
        t.engine.speaker.stats().neighbours[&cluster("b")].rejection_reasons[&Reason::Limit],
        1
    );
}

#[test]
fn a_claim_is_verified_once_however_often_and_by_whomever_it_is_said() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(b, [route(&["b", "x"])]);
    t.hold_verdicts = true;
    t.say(c, [route(&["c", "x"])]);
    t.say(b, [route(&["b", "x"]).latency(3)]);
    let n_checks = t.held.iter().map(|answer| match answer {
        Input::Verified { good, .. } => good.len(),
        _ => 0,
    });
    assert_eq!(n_checks.collect::<Vec<_>>(), [1, 1], "the batches' own signatures alone");
}

#[test]
fn an_originator_that_lost_its_state_jumps_past_what_it_said_before() {
    let mut net = Net::new(&[("a", "b"), ("b", "c")]);
    net.cut("a", "b");
    net.run(100);
    // A clock that went back: its new boot is before the one whose claims the others hold.
    net.restart("a", BOOT - 100);
    net.join("a", "b");
    net.run(3_000);
    assert_eq!(net.to_cluster("b", "a"), "b>a");
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
    assert!(net.stats("b", "a").rejection_reasons[&Reason::Stale] >= 1);
}

#[test]
fn an_old_claim_of_this_cluster_that_it_never_signed_makes_it_jump_nowhere() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut forged = claim("a", u64::MAX);
    forged.signature.0[3] ^= 1;
    t.say(b, [Message::Held(scope("fabric"), forged)]);
    assert_eq!(t.refused("b", Reason::BadSignature), 1);
    t.take_told(b);
    t.say(b, [Message::Refresh(scope("fabric"))]);
    let told = t.take_told(b);
    let sequence = told.iter().find_map(|m| match m {
        Message::Announce(said) => said.routes[0].claim.as_ref().map(|c| c.sequence),
        _ => None,
    });
    assert!(sequence.is_some_and(|s| s < 10), "{told:?}");
}

#[test]
fn own_claims_are_renewed_at_a_third_of_their_life_and_reach_all_who_were_told() {
    let mut net = Net::new(&[("a", "b"), ("b", "c")]);
    let version = |net: &Net| net.claim("c", "fabric", "a", &to("a")).unwrap().claim.version();
    let before = version(&net);
    net.run(Duration::from_secs(9 * 3600).as_millis() as u64);
    assert!(version(&net) > before);
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
}
