//! Opening, order, streams, refreshes, credit.

use std::time::Duration;

use bytes::Bytes;
use rutter_protocol::speaker::{ConnectionId, Input};
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::{Frame, Message, Open};
use rutter_rib::Stability;
use rutter_route::Standing;

use crate::common::alone::{Alone, alone, open};
use crate::common::*;

/// What is no message.
const UNREADABLE: Bytes = Bytes::from_static(b"\xfe\x01");

fn is_up(t: &Alone, name: &str) -> bool {
    let all = t.engine.speaker.neighbours(&t.engine.book);
    all.iter().any(|n| n.cluster == cluster(name) && n.connected)
}

#[test]
fn an_open_that_is_not_of_who_the_transport_proved_ends_the_connection() {
    let wrong: [fn(&mut Open); 3] = [
        |open| open.cluster = cluster("x"),
        |open| open.to = cluster("x"),
        |open| open.revision += 1,
    ];
    for change in wrong {
        let mut t = alone(&["b"]);
        let b = t.connect("b");
        let mut open = t.ends[&b].open.clone();
        change(&mut open);
        t.open_with(b, open);
        assert!(t.is_closed(b));
        assert!(!is_up(&t, "b"));
    }
}

#[test]
fn who_is_no_neighbour_gets_no_session() {
    let mut t = alone(&["b"]);
    let stranger = t.connect("x");
    assert!(t.is_closed(stranger));
    assert_eq!(t.ends[&stranger].theirs, None, "it isn't even told who is here");
}

#[test]
fn a_batch_before_open_ends_the_connection() {
    let mut t = open(&["b"]);
    let b = t.connect("b");
    t.say(b, [route(&["b", "x"])]);
    assert!(t.is_closed(b));
    assert_eq!(t.standing("b", "x"), None);
}

#[test]
fn a_frame_that_cannot_be_read_ends_its_connection_and_counts() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.bytes(b, Bytes::from_static(b"\xff\xff\xff"));
    assert!(t.is_closed(b));
    assert_eq!(t.refused("b", Reason::Malformed), 1);
}

#[test]
fn a_batch_that_comes_twice_is_passed_over_and_counted() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let first = t.batch(b, [route(&["b", "x"])]);
    t.frame(b, Frame::Batch(first.clone()));
    t.say(b, [gone("x")]);
    t.frame(b, Frame::Batch(first));
    assert_eq!(t.standing("b", "x"), None, "what is over isn't said again by a copy");
    assert_eq!(t.refused("b", Reason::Replay), 1);
    assert!(!t.is_closed(b));
}

#[test]
fn a_gap_between_batches_ends_the_connection() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let _lost = t.batch(b, [route(&["b", "x"])]);
    t.say(b, [route(&["b", "y"])]);
    assert!(t.is_closed(b));
    assert_eq!(t.standing("b", "y"), None);
}

#[test]
fn batches_act_in_their_order_however_late_their_signatures_are_verified() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.hold_verdicts = true;
    t.say(b, [route(&["b", "x"])]);
    t.say(b, [gone("x")]);
    t.say(b, [route(&["b", "y"])]);
    assert_eq!(t.standing("b", "y"), None, "nothing acts before it is verified");
    t.give_verdicts(true);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.standing("b", "y"), Some(Standing::Eligible));
}

#[test]
fn p04_a_withdrawal_of_an_older_stream_changes_nothing() {
    let mut t = alone(&["b"]);
    let old = t.up("b");
    let new = t.up("b");
    t.say(old, [route(&["b", "x"])]);
    let fabric = || scope("fabric");
    let again: [Message; 3] = [
        Message::BeginRefresh(fabric()),
        route(&["b", "x"]).into(),
        Message::EndOfRefresh(fabric()),
    ];
    t.say(new, again);
    t.say(old, [gone("x")]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert!(!t.is_closed(old));
}

#[test]
fn p04_a_withdrawal_takes_the_route_of_its_path_id_and_no_other() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]).path_id("one"), route(&["b", "y", "x"]).path_id("two")]);
    t.say(b, [gone("x")]);
    assert_eq!(t.stats("b").withdrawals_applied, 0, "no route has the empty path id");
    assert_eq!(t.ranked("x").len(), 2);
    let Message::Withdraw(mut said) = gone("x") else { unreachable!() };
    said.routes[0].path_id = "two".parse().unwrap();
    t.say(b, [Message::Withdraw(said)]);
    assert_eq!((t.stats("b").withdrawals_received, t.stats("b").withdrawals_applied), (2, 1));
    assert_eq!(t.ranked("x").len(), 1);
}

#[test]
fn a_newer_boot_ends_the_connections_of_the_older_and_an_older_is_sent_away() {
    let mut t = alone(&["b"]);
    let old = t.up_as("b", 10);
    t.say(old, [route(&["b", "x"])]);
    let new = t.up_as("b", 11);
    assert!(t.is_closed(old) && !t.is_closed(new));
    t.ends.get_mut(&new).unwrap().stream = 1;
    t.say(new, [route(&["b", "y"])]);
    assert_eq!(t.standing("b", "y"), Some(Standing::Eligible), "its streams count from the start");
    let older = t.up_as("b", 9);
    assert!(t.is_closed(older) && !t.is_closed(new));
}

#[test]
fn an_end_of_refresh_withdraws_what_was_not_said_in_it_and_only_in_its_scope() {
    let mut t = open(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]).claim(None), route(&["b", "y"]).claim(None)]);
    t.say(b, [Message::BeginRefresh(scope("services")), Message::EndOfRefresh(scope("services"))]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    let again: [Message; 3] = [
        Message::BeginRefresh(scope("fabric")),
        route(&["b", "y"]).claim(None).into(),
        Message::EndOfRefresh(scope("fabric")),
    ];
    t.say(b, again);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.standing("b", "y"), Some(Standing::Eligible));
}

#[test]
fn credit_is_given_for_what_was_dealt_with_and_nothing_else() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let full = t.credit[&b];
    for n in 0..100 {
        t.say(b, [route(&["b", "x"]).latency(n)]);
    }
    assert_eq!(t.credit[&b], full);
    t.hold_verdicts = true;
    for n in 0..10 {
        t.say(b, [route(&["b", "x"]).latency(n)]);
    }
    assert_eq!(t.credit[&b], full - 10, "what waits for its signature gives none");
    t.give_verdicts(false);
    assert_eq!(t.credit[&b], full);
}

#[test]
fn who_sends_more_than_may_wait_loses_its_connection() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.hold_verdicts = true;
    for n in 0..=rutter_protocol::speaker::MAX_WAITING as u32 {
        assert!(!t.is_closed(b));
        t.say(b, [route(&["b", "x"]).latency(n)]);
    }
    assert!(t.is_closed(b));
    t.give_verdicts(false);
    assert_eq!(t.standing("b", "x"), None, "what waited went with it");
}

#[test]
fn a_message_that_cannot_be_read_costs_itself_and_the_rest_is_asked_for_again() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.take_told(b);
    let good: Message = route(&["b", "x"]).into();
    let batch = t.batch_of(b, vec![UNREADABLE, good.to_bytes()]);
    t.frame(b, Frame::Batch(batch));
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.refused("b", Reason::Malformed), 1);
    let told = t.take_told(b);
    let asks = told.iter().filter(|m| matches!(m, Message::Refresh(_))).count();
    assert_eq!(asks, 2, "once a scope: {told:?}");
}

#[test]
fn what_is_missed_within_a_refresh_is_asked_for_after_it_ever_more_rarely() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    let mut asked_at = Vec::new();
    for second in 0..200 {
        t.at(1_000 * second);
        let told = t.take_told(b);
        if second > 0 && !told.contains(&Message::Refresh(scope("fabric"))) {
            continue;
        }
        asked_at.push(second);
        let begin = Message::BeginRefresh(scope("fabric")).to_bytes();
        let end = Message::EndOfRefresh(scope("fabric")).to_bytes();
        let batch = t.batch_of(b, vec![begin, UNREADABLE, end]);
        t.frame(b, Frame::Batch(batch));
    }
    assert_eq!(asked_at, [0, 1, 10, 30, 70, 150]);
}

/// A refresh of which one message can't be read, of what is given besides.
fn refresh_with_a_gap(t: &mut Alone, b: ConnectionId, said: &[Say]) {
    let mut messages = vec![Message::BeginRefresh(scope("fabric")).to_bytes()];
    messages.extend(said.iter().cloned().map(|say| Message::from(say).to_bytes()));
    messages.extend([UNREADABLE, Message::EndOfRefresh(scope("fabric")).to_bytes()]);
    let batch = t.batch_of(b, messages);
    t.frame(b, Frame::Batch(batch));
}

#[test]
fn a_refresh_of_which_a_message_is_refused_withdraws_nothing_and_so_holds_nothing() {
    let mut config = config("a", &["b"]);
    config.policy.stability =
        Stability { hold_down: Duration::from_secs(10), ..Stability::default() };
    let mut t = Alone::new(config, &["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]), route(&["b", "y"])]);
    refresh_with_a_gap(&mut t, b, &[route(&["b", "y"])]);
    assert_eq!(
        t.standing("b", "x"),
        Some(Standing::Eligible),
        "it may have been in the refused one"
    );
    assert!(t.take_told(b).contains(&Message::Refresh(scope("fabric"))));
    let fabric = || scope("fabric");
    t.say(b, [Message::BeginRefresh(fabric()), route(&["b", "x"]).into()]);
    t.say(b, [Message::EndOfRefresh(fabric())]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.standing("b", "y"), None, "the whole refresh sweeps");
}

#[test]
fn who_always_says_something_that_cannot_be_read_keeps_no_route_by_it() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    refresh_with_a_gap(&mut t, b, &[]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    refresh_with_a_gap(&mut t, b, &[]);
    assert_eq!(t.standing("b", "x"), None);
}

#[test]
fn what_is_said_of_connections_that_are_gone_is_nothing() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.down(b);
    t.down(b);
    t.say(b, [route(&["b", "x"])]);
    t.input(Input::Room { connection: ConnectionId(77), frames: 1 });
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.stats("b").losses, 1);
}
