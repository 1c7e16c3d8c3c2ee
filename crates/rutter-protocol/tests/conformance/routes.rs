//! Schema, loops, metrics, selection.

use rutter_protocol::stats::Reason;
use rutter_route::Standing;

use crate::common::alone::{alone, open};
use crate::common::net::Net;
use crate::common::*;

#[test]
fn case_01_of_two_ways_with_as_many_hops_the_quicker_is_best() {
    let mut t = alone(&["b", "d"]);
    let (b, d) = (t.up("b"), t.up("d"));
    t.say(b, [route(&["b", "x"]).latency(5)]);
    t.say(d, [route(&["d", "x"]).latency(50)]);
    assert_eq!(t.ranked("x"), ["b", "d"]);
}

#[test]
fn case_02_a_path_with_this_cluster_in_it_is_a_loop_and_no_route() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "a", "x"])]);
    t.say(b, [route(&["b", "y", "b", "x"])]);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.refused("b", Reason::Loop), 2, "also one that comes through another twice");
    t.say(b, [route(&["b", "a"])]);
    assert_eq!(t.refused("b", Reason::Itself), 1);
    let told = t.engine.speaker.refusals(&to("x"));
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].path, [cluster("b"), cluster("a"), cluster("x")]);
}

#[test]
fn case_18_what_is_relayed_has_this_cluster_before_the_path_it_came_by() {
    let mut net = Net::new(&[("c", "b"), ("b", "a"), ("a", "z")]);
    net.run(100);
    assert_eq!(net.paths(0, "a", "z", &to("c")), ["a>b>c"]);
    assert_eq!(net.to_cluster("z", "c"), "z>a>b>c");
}

#[test]
fn a_path_is_the_advertisers_and_ends_at_the_originator() {
    let mut t = open(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["x", "y"])]);
    assert_eq!(t.refused("b", Reason::AdvertiserMismatch), 1);
    t.say(b, [route(&["b", "x"]).to(to("y")).claim(None)]);
    assert_eq!(t.refused("b", Reason::DestinationMismatch), 1);
    t.say(b, [route(&["b", "x"]).claim(None)]);
    assert_eq!(
        t.standing("b", "x"),
        Some(Standing::Eligible),
        "no claim is none, where none has to be"
    );
}
