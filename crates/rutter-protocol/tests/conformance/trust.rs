//! Signatures of what is said, bounds, and that every refusal is counted.

use rutter_protocol::speaker::{Input, NeighbourSpec, What};
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::{Frame, Message, Signed};
use rutter_route::{AnyDestination, Standing};

use crate::common::alone::{Alone, alone, open};
use crate::common::*;

#[test]
fn what_is_not_signed_though_it_has_to_be_is_refused_whole_and_ends_the_connection() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut batch = t.batch(b, [Message::from(route(&["b", "x"])), gone("y")]);
    batch.signed = Signed::Not;
    t.frame(b, Frame::Batch(batch));
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::Unsigned), 2);
    assert!(t.is_closed(b), "its sender holds it for told");
}

#[test]
fn a_batch_signed_wrongly_or_by_a_key_that_nobody_knows_is_refused_whole() {
    for (number, reason) in [(0, Reason::BadSignature), (9, Reason::UnknownKey)] {
        let mut t = alone(&["b"]);
        let b = t.up("b");
        t.ends.get_mut(&b).unwrap().key = key("b", number);
        let mut batch = t.batch(b, [route(&["b", "x"]), route(&["b", "y"])]);
        if reason == Reason::BadSignature {
            batch.messages.swap(0, 1);
        }
        t.frame(b, Frame::Batch(batch));
        assert_eq!(t.refused("b", reason), 2);
        assert_eq!((t.standing("b", "x"), t.standing("b", "y")), (None, None));
        assert!(t.is_closed(b));
    }
}

#[test]
fn of_messages_signed_one_by_one_a_bad_one_costs_itself() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut batch = t.batch(b, [route(&["b", "x"]), route(&["b", "y"])]);
    batch.signed = t.each(b, &batch);
    let Signed::Each(_, signatures) = &mut batch.signed else { unreachable!() };
    signatures[0].0[5] ^= 1;
    t.frame(b, Frame::Batch(batch));
    assert_eq!((t.standing("b", "x"), t.standing("b", "y")), (None, Some(Standing::Eligible)));
    assert_eq!(t.refused("b", Reason::BadSignature), 1);
    assert!(!t.is_closed(b));
}

#[test]
fn a_stream_that_nobody_vouches_for_moves_nothing() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut batch = t.batch(b, [route(&["b", "x"])]);
    batch.signed = t.each(b, &batch);
    batch.stream += 1_000;
    t.take_told(b);
    t.frame(b, Frame::Batch(batch));
    assert_eq!((t.standing("b", "x"), t.refused("b", Reason::BadSignature)), (None, 1));
    let told = t.take_told(b);
    assert!(told.contains(&Message::Refresh(scope("fabric"))), "it is asked for again: {told:?}");
    t.say(b, [route(&["b", "y"])]);
    assert_eq!(t.standing("b", "y"), Some(Standing::Eligible), "its true stream still counts");
}

#[test]
fn what_was_signed_for_another_session_is_refused() {
    let mut t = alone(&["b"]);
    let first = t.up("b");
    let batch = t.batch(first, [route(&["b", "x"])]);
    let second = t.up("b");
    t.frame(second, Frame::Batch(batch));
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::BadSignature), 1);
}

/// Says one message to a speaker in which `b` already has a way to `x`, and returns what is counted.
fn refused_by(message: Message, reason: Reason) -> (u64, u64) {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]).claim(Some(claim("x", 5)))]);
    t.say(b, [message]);
    (t.refused("b", reason), t.stats("b").announcements_rejected)
}

#[test]
fn p3b_every_refusal_is_counted_by_its_reason() {
    let x = |sequence| claim("x", sequence);
    let far = {
        let mut claim = x(6);
        claim.not_after.0 = START + 30 * 3_600_000;
        signed("fabric", claim, &key("x", 0))
    };
    let over = {
        let mut claim = x(6);
        claim.not_after.0 = START - 301_000;
        signed("fabric", claim, &key("x", 0))
    };
    let forged = {
        let mut claim = x(6);
        claim.tags = tags(&["gold"]);
        claim
    };
    let twin = claim_on("x", to("x"), 5, &["other"]);
    let unknown = signed("fabric", x(6), &key("x", 7));
    let mut elsewhere = route(&["b", "x"]);
    elsewhere.said.scope = scope("nowhere");
    let service: AnyDestination = AnyDestination::Service("web.example".parse().unwrap());
    let cases: Vec<(Message, Reason)> = vec![
        (elsewhere.into(), Reason::UnknownScope),
        (route(&["z", "x"]).into(), Reason::AdvertiserMismatch),
        (route(&["b", "y"]).claim(Some(x(5))).into(), Reason::DestinationMismatch),
        (route(&["b", "a", "x"]).into(), Reason::Loop),
        (route(&["b", "a"]).into(), Reason::Itself),
        (route(&["b", "x"]).claim(None).into(), Reason::NoClaim),
        (route(&["b", "x"]).claim(Some(x(4))).into(), Reason::Stale),
        (route(&["b", "x"]).claim(Some(twin)).into(), Reason::Conflict),
        (route(&["b", "x"]).claim(Some(over)).into(), Reason::Expired),
        (route(&["b", "x"]).claim(Some(far)).into(), Reason::TooFar),
        (route(&["b", "x"]).claim(Some(forged)).into(), Reason::BadSignature),
        (route(&["b", "x"]).claim(Some(unknown)).into(), Reason::UnknownKey),
        (route(&["b", "x"]).to(service).claim(None).into(), Reason::Malformed),
        (Message::Renew(scope("fabric"), x(4)), Reason::Stale),
        (Message::Renew(scope("nowhere"), x(6)), Reason::UnknownScope),
        (Message::Renew(scope("fabric"), claim("a", 6)), Reason::Itself),
        (gone_with("x", Some(x(6))), Reason::DestinationMismatch),
    ];
    for (message, reason) in cases {
        assert_eq!(refused_by(message.clone(), reason), (1, 1), "{reason}: {message:?}");
    }
}

#[test]
fn a_route_that_is_refused_takes_what_stood_in_its_place_along() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    t.say(b, [route(&["b", "a", "x"])]);
    assert_eq!(t.standing("b", "x"), None, "b has no way by itself any more");
}

fn limited(most: usize) -> Alone {
    let mut config = open_config("a", &["b"]);
    let spec = NeighbourSpec { max_routes: most, ..NeighbourSpec::default() };
    config.neighbours.insert(cluster("b"), spec);
    Alone::new(config, &["b"])
}

#[test]
fn a_neighbour_near_its_limit_is_warned_of_once_and_over_it_refused() {
    let mut t = limited(5);
    let b = t.up("b");
    let names = ["m", "n", "o", "p", "q", "r", "s"];
    for (at, name) in names.iter().enumerate() {
        t.say(b, [route(&["b", name]).claim(None)]);
        assert_eq!(t.logged(What::LimitWarning), usize::from(at >= 3), "80 % of 5 are 4");
    }
    assert_eq!(t.refused("b", Reason::Limit), 2);
    t.say(b, [route(&["b", "m"]).claim(None).latency(7)]);
    assert_eq!(t.refused("b", Reason::Limit), 2, "a change of what stands is no more than before");
    t.take_told(b);
    t.say(b, [gone("m"), gone("n")]);
    let told = t.take_told(b);
    assert!(told.contains(&Message::Refresh(scope("fabric"))), "there is room again: {told:?}");
}

#[test]
fn refreshes_are_asked_for_at_most_once_in_ten_seconds() {
    let mut t = limited(1);
    let b = t.up("b");
    let mut n_asked = 0;
    for round in 0..20 {
        t.at(1_000 * round);
        t.say(b, [route(&["b", "m"]).claim(None), route(&["b", "n"]).claim(None)]);
        t.say(b, [gone("m")]);
        n_asked += t.take_told(b).iter().filter(|m| matches!(m, Message::Refresh(_))).count();
    }
    assert_eq!(n_asked, 2);
}

#[test]
fn neighbours_that_are_taken_out_lose_their_sessions_and_all_they_said() {
    let mut t = open(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(b, [route(&["b", "x"]).claim(None)]);
    t.say(c, [route(&["c", "x"]).claim(None)]);
    let mut specs = t.engine.speaker.config().neighbours.clone();
    specs.remove(&cluster("b"));
    specs.insert(cluster("d"), NeighbourSpec::default());
    t.input(Input::Neighbours(specs));
    assert!(t.is_closed(b) && !t.is_closed(c));
    assert_eq!((t.standing("b", "x"), t.best("x").as_deref()), (None, Some("c")));
    let d = t.up("d");
    assert!(!t.is_closed(d));
}
