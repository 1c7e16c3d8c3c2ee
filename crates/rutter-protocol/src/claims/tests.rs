//! The store of claims: each rule by name, and all of them against a slow model.

mod against_the_model;

use rutter_route::{AnyDestination, ClusterId, Now, Tags, Wall};

use super::*;
use crate::keys::KeyId;
use crate::wire::{Scope, Signature};

const LIMITS: ClaimLimits =
    ClaimLimits { total: 100, per_originator: 10, max_life_ms: 86_400_000, skew_ms: 300_000 };

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn scope(name: &str) -> Scope {
    name.parse().unwrap()
}

fn on(name: &str) -> AnyDestination {
    AnyDestination::Cluster(cluster(name))
}

/// A claim of `by` on itself at version (1, sequence), good until the wall's 1,000,000.
fn claim(by: &str, sequence: u64) -> Claim {
    Claim {
        originator: cluster(by),
        destination: on(by),
        tags: Tags::default(),
        incarnation: 1,
        sequence,
        not_after: Wall(1_000_000),
        withdrawn: false,
        key: KeyId([1; 8]),
        signature: Signature([7; 64]),
    }
}

fn at(wall: u64) -> Now {
    Now::new(wall, wall)
}

fn store() -> Claims {
    Claims::new(LIMITS, 7)
}

#[test]
fn a_claim_is_verified_once_and_then_the_same() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    assert_eq!(claims.judge(at(0), &fabric, &claim("a", 1)), Judged::Newer);
    assert!(claims.put(at(0), &fabric, claim("a", 1), true));
    assert_eq!(claims.judge(at(0), &fabric, &claim("a", 1)), Judged::Same);
    let other = scope("services");
    assert_eq!(claims.judge(at(0), &other, &claim("a", 1)), Judged::Newer, "another scope");
}

#[test]
fn the_greater_version_counts_and_an_older_one_is_answered_with_it() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    claims.put(at(0), &fabric, claim("a", 5), true);
    let held = Judged::Stale(Box::new(claim("a", 5)));
    assert_eq!(claims.judge(at(0), &fabric, &claim("a", 4)), held);
    assert!(
        !claims.put(at(0), &fabric, claim("a", 4), true),
        "it came while the newer was verified"
    );
    assert_eq!(claims.judge(at(0), &fabric, &claim("a", 6)), Judged::Newer);
    // A boot counts more than any sequence.
    let later = Claim { incarnation: 2, sequence: 0, ..claim("a", 5) };
    assert_eq!(claims.judge(at(0), &fabric, &later), Judged::Newer);
    let twin = Claim { tags: tags(&["gold"]), ..claim("a", 5) };
    assert_eq!(claims.judge(at(0), &fabric, &twin), Judged::Conflict);
}

fn tags(list: &[&str]) -> Tags {
    Tags::try_from(list.iter().map(|tag| tag.parse().unwrap()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn p02_a_claim_that_has_ended_blocks_nobody() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    claims.put(at(0), &fabric, claim("a", 9), true);
    // A sender that lost its state begins anew, with a lesser version.
    let anew = Claim { not_after: Wall(5_000_000), ..claim("a", 1) };
    let before = at(1_000_000 + LIMITS.skew_ms);
    assert!(matches!(claims.judge(before, &fabric, &anew), Judged::Stale(_)));
    let after = at(1_000_001 + LIMITS.skew_ms);
    assert_eq!(claims.judge(after, &fabric, &anew), Judged::Newer);
    assert!(claims.put(after, &fabric, anew.clone(), true));
    assert_eq!(claims.get(&fabric, &anew.originator, &anew.destination).unwrap().claim, anew);
    assert!(claims.expire(after, 100).is_empty(), "nothing is left of the one that ended");
}

#[test]
fn p15_a_not_after_years_ahead_is_refused_and_clocks_may_differ_by_the_skew() {
    let (claims, fabric) = (store(), scope("fabric"));
    let latest = LIMITS.max_life_ms + LIMITS.skew_ms;
    let until = |end| Claim { not_after: Wall(end), ..claim("a", 1) };
    assert_eq!(claims.judge(at(0), &fabric, &until(latest)), Judged::Newer);
    assert_eq!(claims.judge(at(0), &fabric, &until(latest + 1)), Judged::TooFar);
    let ten_years = 10 * 365 * 86_400_000;
    assert_eq!(claims.judge(at(0), &fabric, &until(ten_years)), Judged::TooFar);
    assert_eq!(claims.judge(at(0), &fabric, &until(u64::MAX)), Judged::TooFar);
    let now = at(1_000_000);
    assert_eq!(claims.judge(now, &fabric, &until(1_000_000 - LIMITS.skew_ms)), Judged::Newer);
    assert_eq!(claims.judge(now, &fabric, &until(999_999 - LIMITS.skew_ms)), Judged::Expired);
}

#[test]
fn a_forged_claim_of_an_unknown_key_never_makes_the_true_one_stale() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    let forged = Claim { key: KeyId([66; 8]), ..claim("a", u64::MAX) };
    assert!(claims.put(at(0), &fabric, forged.clone(), false));
    assert_eq!(claims.judge(at(0), &fabric, &claim("a", 1)), Judged::Newer);
    assert!(claims.put(at(0), &fabric, claim("a", 1), true));
    let held = claims.get(&fabric, &cluster("a"), &on("a")).unwrap();
    assert!(held.verified && held.claim == claim("a", 1));
    assert_eq!(claims.unverified(&cluster("a")), [(fabric.clone(), forged.clone())]);
    assert_eq!(claims.judge(at(0), &fabric, &forged), Judged::Newer, "its key may be known by now");
}

#[test]
fn saying_an_unverified_claim_twice_makes_it_no_truer() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    let forged = Claim { key: KeyId([66; 8]), ..claim("a", 5) };
    for _ in 0..3 {
        assert_eq!(claims.judge(at(0), &fabric, &forged), Judged::Newer);
        assert!(claims.put(at(0), &fabric, forged.clone(), false));
        assert!(!claims.get(&fabric, &cluster("a"), &on("a")).unwrap().verified);
    }
    assert_eq!(claims.len(), 1);
}

#[test]
fn claims_of_unknown_keys_are_few_and_the_oldest_version_gives_way() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    for sequence in 0..50 {
        assert!(claims.put(at(0), &fabric, claim("a", sequence), false));
    }
    let waiting: Vec<u64> =
        claims.unverified(&cluster("a")).iter().map(|(_, claim)| claim.sequence).collect();
    assert_eq!(waiting, [46, 47, 48, 49]);
    let kept = (0..50).filter(|n| {
        let other = Claim { destination: on(&format!("x{n}")), ..claim("b", 1) };
        claims.put(at(0), &fabric, other, false)
    });
    assert_eq!(kept.count(), 8, "an eighth of all, less those of a");
    assert_eq!(claims.len(), 12);
}

#[test]
fn what_was_verified_takes_those_that_it_makes_stale_from_the_waiting() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    for sequence in [1, 2, 3] {
        claims.put(at(0), &fabric, claim("a", sequence), false);
    }
    assert!(claims.put(at(0), &fabric, claim("a", 2), true));
    assert_eq!(claims.unverified(&cluster("a")), [(fabric, claim("a", 3))]);
}

#[test]
fn a_claim_ends_by_the_receivers_clock_and_a_withdrawal_goes_without_a_word() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    claims.put(at(0), &fabric, claim("a", 1), true);
    claims.put(at(0), &fabric, Claim { withdrawn: true, ..claim("b", 1) }, true);
    claims.put(at(0), &fabric, claim("c", 1), false);
    let due = claims.next_deadline(at(10)).unwrap();
    let over = 1_000_001 + LIMITS.skew_ms;
    assert_eq!(due.0.0, over);
    assert!(claims.expire(at(over - 1), 100).is_empty());
    let ended = claims.expire(at(over), 100);
    let names: Vec<_> = ended.iter().map(|(_, claim)| claim.originator.to_string()).collect();
    assert_eq!(names, ["c", "a"]);
    assert!(claims.is_empty());
    assert_eq!(claims.next_deadline(at(over)), None);
}

#[test]
fn a_clock_that_jumps_is_asked_anew_each_time() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    let mono = |mono, wall| Now::new(mono, wall);
    claims.put(mono(0, 0), &fabric, claim("a", 1), true);
    let over = 1_000_001 + LIMITS.skew_ms;
    // The wall stands a minute before the end, whatever the other clock says.
    let due = claims.next_deadline(mono(500, over - 60_000)).unwrap();
    assert_eq!(due.0.0, 60_500);
    assert_eq!(claims.next_deadline(mono(500, over + 9)).unwrap().0.0, 500, "at once");
}

#[test]
fn over_its_bound_an_originator_gets_no_claim_unless_a_withdrawal_gives_way() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    let nth = |n: usize| Claim { destination: on(&format!("d{n}")), ..claim("a", 1) };
    for n in 0..10 {
        assert!(claims.put(at(0), &fabric, nth(n), true));
    }
    assert_eq!(claims.judge(at(0), &fabric, &nth(10)), Judged::Full);
    assert!(!claims.put(at(0), &fabric, nth(10), true));
    assert_eq!(claims.judge(at(0), &fabric, &claim("b", 1)), Judged::Newer, "others have room");
    let withdrawn = |n, end| Claim { withdrawn: true, sequence: 2, not_after: Wall(end), ..nth(n) };
    claims.put(at(0), &fabric, withdrawn(3, 900), true);
    claims.put(at(0), &fabric, withdrawn(4, 800), true);
    assert!(claims.put(at(0), &fabric, nth(10), true));
    assert!(claims.get(&fabric, &cluster("a"), &on("d4")).is_none(), "it would have ended first");
    assert!(claims.get(&fabric, &cluster("a"), &on("d3")).is_some());
}

#[test]
fn a_key_that_ended_takes_what_it_signed_along_and_nothing_else() {
    let (mut claims, fabric) = (store(), scope("fabric"));
    let by = |key: u8, name: &str, n: u64| Claim {
        key: KeyId([key; 8]),
        destination: on(&format!("d{n}")),
        ..claim(name, 1)
    };
    for n in 0..6 {
        claims.put(at(0), &fabric, by(1 + (n % 2) as u8, "a", n), true);
    }
    claims.put(at(0), &fabric, by(2, "b", 0), true);
    claims.put(at(0), &fabric, Claim { withdrawn: true, ..by(2, "a", 9) }, true);
    let gone = claims.unvouch(&cluster("a"), &|key| *key == KeyId([1; 8]));
    let gone: Vec<_> = gone.iter().map(|(_, claim)| claim.destination.to_string()).collect();
    assert_eq!(gone, ["d1", "d3", "d5"]);
    assert_eq!(claims.len(), 4, "three of a by the other key, and b's");
    assert!(claims.get(&fabric, &cluster("b"), &on("d0")).is_some());
    assert!(claims.unvouch(&cluster("nobody"), &|_| false).is_empty());
}
