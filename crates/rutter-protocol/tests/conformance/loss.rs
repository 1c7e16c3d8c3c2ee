//! What becomes of routes when a neighbour, a connection or a link is lost.

use std::time::Duration;

use rutter_protocol::Input;
use rutter_protocol::speaker::{DEFERRAL, Parting, SpeakerConfig, What};
use rutter_protocol::wire::{Close, Message};
use rutter_rib::Stability;
use rutter_route::{ClusterId, Standing};

use crate::common::alone::{Alone, alone};
use crate::common::net::{Net, mesh};
use crate::common::*;

#[test]
fn a_lost_neighbours_routes_are_offline_at_once_and_forgotten_later() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    t.down(b);
    assert_eq!(t.standing("b", "x"), Some(Standing::Offline));
    assert_eq!((t.stats("b").losses, t.stats("b").withdrawals_received), (1, 0));
    t.at(599_000);
    assert_eq!(t.standing("b", "x"), Some(Standing::Offline));
    t.at(601_000);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.engine.speaker.stats().routes_purged, 1);
}

#[test]
fn an_announced_restart_keeps_routes_as_stale_for_as_long_as_it_named_within_the_bound() {
    for (named, kept) in [(60, 60), (10_000, 120)] {
        let mut t = alone(&["b"]);
        let b = t.up("b");
        t.say(b, [route(&["b", "x"])]);
        t.close(b, Close::Restart(Duration::from_secs(named)));
        assert_eq!(t.standing("b", "x"), Some(Standing::Stale));
        assert_eq!(t.best("x").as_deref(), Some("b"), "it is used meanwhile");
        assert_eq!(t.stats("b").losses, 0);
        t.at(kept * 1000 - 100);
        assert_eq!(t.standing("b", "x"), Some(Standing::Stale));
        t.at(kept * 1000 + 200);
        assert_eq!(t.standing("b", "x"), None);
    }
}

#[test]
fn who_is_back_from_a_restart_keeps_what_it_says_again_and_loses_the_rest_at_its_end_of_refresh() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]), route(&["b", "y"])]);
    t.close(b, Close::Restart(Duration::from_secs(60)));
    t.at(10_000);
    let b = t.up_as("b", BOOT + 1);
    assert_eq!(t.standing("b", "x"), Some(Standing::Stale), "until it says it again");
    let fabric = || scope("fabric");
    t.say(b, [Message::BeginRefresh(fabric()), route(&["b", "x"]).into()]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.standing("b", "y"), Some(Standing::Stale));
    t.say(b, [Message::EndOfRefresh(fabric())]);
    assert_eq!(t.standing("b", "y"), None);
    t.at(300_000);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "the wait is over");
}

#[test]
fn a_goodbye_withdraws_everything_at_once() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    t.close(b, Close::Goodbye);
    assert_eq!(t.standing("b", "x"), None);
    assert!(t.is_closed(b));
}

#[test]
fn the_loss_of_one_of_several_connections_changes_nothing_in_tables() {
    let mut t = alone(&["b"]);
    let first = t.up("b");
    let second = t.up("b");
    t.say(first, [route(&["b", "x"])]);
    let table = |t: &Alone| t.fabric().last_event();
    let before = table(&t);
    t.take_told(second);
    t.down(first);
    assert_eq!(table(&t), before, "no event");
    assert_eq!(t.stats("b").losses, 0);
    let told = t.take_told(second);
    assert!(matches!(told.first(), Some(Message::BeginRefresh(_))), "it is told anew: {told:?}");
    t.down(second);
    assert_eq!(t.standing("b", "x"), Some(Standing::Offline));
}

#[test]
fn a_restart_is_waited_for_from_when_it_was_announced_whichever_connection_goes_last() {
    for (lost_at, then) in [(5_000, Standing::Stale), (40_000, Standing::Offline)] {
        let mut t = alone(&["b"]);
        let (first, second) = (t.up("b"), t.up("b"));
        t.say(second, [route(&["b", "x"])]);
        t.close(first, Close::Restart(Duration::from_secs(30)));
        assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "it is still here");
        t.at(lost_at);
        t.down(second);
        assert_eq!(t.standing("b", "x"), Some(then));
        t.at(30_200);
        assert_ne!(t.standing("b", "x"), Some(Standing::Stale), "the wait is over");
    }
}

#[test]
fn who_opens_another_connection_does_not_part() {
    for close in [Close::Goodbye, Close::Restart(Duration::from_secs(30))] {
        let mut t = alone(&["b"]);
        let (first, second) = (t.up("b"), t.up("b"));
        t.say(second, [route(&["b", "x"])]);
        t.close(first, close);
        let third = t.up("b");
        t.down(second);
        t.down(third);
        assert_eq!(t.standing("b", "x"), Some(Standing::Offline));
        assert_eq!(t.stats("b").losses, 1);
    }
}

#[test]
fn a_connection_of_the_same_boot_that_carries_other_scopes_begins_the_session_anew() {
    let mut t = alone(&["b"]);
    let torn = t.connect("b");
    let mut open = t.ends[&torn].open.clone();
    open.scopes.remove(&scope("fabric"));
    t.open_with(torn, open);
    let whole = t.up("b");
    assert!(t.is_closed(torn));
    let told = t.take_told(whole);
    assert!(told.contains(&Message::BeginRefresh(scope("fabric"))), "{told:?}");
    t.say(whole, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    // Nothing goes by the torn one any more: not what agrees with the session, not what ends with it.
    let second = t.up("b");
    assert!(!t.is_closed(whole));
    [whole, second].into_iter().for_each(|id| t.down(id));
    assert_eq!(t.standing("b", "x"), Some(Standing::Offline));
}

#[test]
fn case_16_a_lost_neighbour_is_one_withdrawal_downstream() {
    let mut t = alone(&["b", "z"]);
    let b = t.up("b");
    let z = t.up("z");
    t.say(b, [route(&["b", "x"])]);
    t.take_told(z);
    t.down(b);
    let told = t.take_told(z);
    let [Message::Withdraw(said)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(said.routes.len(), 1);
    assert_eq!(said.routes[0].destination, to("x"));
    assert_eq!(said.routes[0].claim, None, "x itself has taken nothing back");
}

#[test]
fn case_21_a_third_keeps_its_own_way_and_drops_the_one_through_who_lost_it() {
    let mut net = Net::new(&[("a", "b"), ("b", "c"), ("a", "c")]);
    let ways = |net: &Net| {
        let all = net.table::<ClusterId>("c", "fabric").candidates(&cluster("b"));
        let mut all: Vec<_> = all.iter().map(|r| r.source.name().to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(ways(&net), ["a", "b"]);
    net.cut("a", "b");
    net.run(100);
    assert_eq!(ways(&net), ["b"]);
    assert_eq!(net.to_cluster("a", "b"), "a>c>b", "who lost it goes by the third");
}

fn held_for_ten_seconds(config: &mut SpeakerConfig) {
    config.policy.stability =
        Stability { hold_down: Duration::from_secs(10), ..Stability::default() };
}

#[test]
fn p12_a_lost_best_is_replaced_downstream_and_hold_down_does_not_block_the_other_way() {
    let links = [("x", "b"), ("x", "c"), ("b", "a"), ("c", "a"), ("a", "z")];
    let mut net = Net::with(&links, held_for_ten_seconds);
    assert_eq!(net.to_cluster("z", "x"), "z>a>b>x");
    let since = net.now;
    net.cut("a", "b");
    net.run(8);
    assert_eq!(net.to_cluster("z", "x"), "z>a>c>x", "after one link's delay");
    let withdrawn = net.withdrawn(since, "a", "z");
    assert!(withdrawn.iter().all(|r| r.destination != to("x")), "it was replaced: {withdrawn:?}");
    assert_eq!(net.paths(since, "a", "z", &to("x")), ["a>c>x"]);
}

#[test]
fn case_23_a_destination_that_its_own_cluster_withdraws_is_gone_everywhere_without_path_hunting() {
    let mut net = Net::new(&mesh(&["a", "b", "c", "d", "e", "f"]));
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(net.to_cluster(name, "f"), format!("{name}>f"));
    }
    let since = net.now;
    net.take_itself_back("f");
    net.run(15);
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(net.to_cluster(name, "f"), "", "at {name}, after three links' delays");
    }
    net.run(1_000);
    for ((from, over), messages) in net.all_heard(since) {
        assert!(messages.len() <= 2, "{from} to {over}: {messages:?}");
    }
    assert_eq!(net.announced(since, &to("f")).len(), 0, "nobody hunts for a path");
}

#[test]
fn a_withdrawal_reaches_a_neighbour_within_the_links_delay() {
    let mut net = Net::new(&[("a", "b")]);
    net.take_itself_back("a");
    net.run(5);
    assert_eq!(net.to_cluster("b", "a"), "");
    let withdrawn = net.withdrawn(0, "a", "b");
    let [route] = &withdrawn[..] else { panic!("{withdrawn:?}") };
    assert_eq!(route.destination, to("a"));
    assert!(route.claim.is_some(), "with the originator's own claim");
}

#[test]
fn sessions_are_logged_by_name() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.down(b);
    assert_eq!((t.logged(What::SessionUp), t.logged(What::SessionDown)), (1, 1));
}

/// A line of three whose middle says that it restarts, and is back with its one side alone.
fn middle_is_back_with_one_side() -> Net {
    let mut net = Net::with(&[("a", "r"), ("r", "b")], held_for_ten_seconds);
    assert_eq!(net.to_cluster("a", "b"), "a>r>b");
    net.input("r", Input::Leave(Parting::Restart(Duration::from_secs(60))));
    net.run(1_000);
    assert_eq!(net.to_cluster("a", "b"), "a>r>b", "stale");
    net.restart("r", BOOT + 1);
    net.join("a", "r");
    net
}

#[test]
fn a_relay_that_restarts_withdraws_nothing_that_its_own_neighbours_have_yet_to_tell() {
    let mut net = middle_is_back_with_one_side();
    for _ in 0..200 {
        net.run(10);
        assert_eq!(net.to_cluster("a", "b"), "a>r>b");
    }
    net.join("r", "b");
    for _ in 0..100 {
        net.run(10);
        assert_eq!(net.to_cluster("a", "b"), "a>r>b", "never gone, so never held");
        assert_eq!(net.to_cluster("b", "a"), "b>r>a");
    }
    let standing =
        |net: &Net| net.table::<ClusterId>("a", "fabric").candidates(&cluster("b"))[0].standing;
    assert_eq!(standing(&net), Standing::Eligible);
    let said = net.heard(0, "r", "a");
    let ends = said.iter().filter(|m| matches!(m, Message::EndOfRefresh(_))).count();
    assert_eq!(ends, 4, "two scopes, in two lives");
}

#[test]
fn a_relay_whose_neighbour_stays_away_ends_its_refresh_after_the_deferral() {
    let mut net = middle_is_back_with_one_side();
    let deferral = u64::try_from(DEFERRAL.as_millis()).unwrap();
    net.run(deferral - 500);
    assert_eq!(net.to_cluster("a", "b"), "a>r>b");
    net.run(1_000);
    assert_eq!(net.to_cluster("a", "b"), "");
}

#[test]
fn an_end_of_refresh_waits_for_nobody_where_there_is_nobody_else() {
    let net = Net::new(&[("a", "b")]);
    for (by, to) in [("a", "b"), ("b", "a")] {
        let said = net.heard(0, by, to);
        assert!(said.contains(&Message::EndOfRefresh(scope("fabric"))), "{said:?}");
    }
}
