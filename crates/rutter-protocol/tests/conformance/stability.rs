//! Hold-down, damping, ends by time, convergence, and the order of equals.

use std::time::Duration;

use rutter_protocol::planner::{self, Ask, Neighbours, Outcome};
use rutter_protocol::speaker::{Input, SpeakerConfig};
use rutter_protocol::stats::Reason;
use rutter_protocol::wire::Message;
use rutter_rib::{FlapLimit, Stability};
use rutter_route::{ClusterId, Criterion, Standing};

use crate::common::alone::{Alone, alone};
use crate::common::net::Net;
use crate::common::*;

fn with(stability: Stability) -> Alone {
    let mut config = config("a", &["b", "c"]);
    config.policy.stability = stability;
    Alone::new(config, &["b", "c"])
}

fn two_flaps() -> Stability {
    let limit = FlapLimit { flaps: 2, window: Duration::from_secs(10) };
    Stability { flap_limit: Some(limit), ..Stability::default() }
}

#[test]
fn case_03_a_withdrawn_path_is_held_for_the_hold_down_and_free_then() {
    let mut t = with(Stability { hold_down: Duration::from_secs(5), ..Stability::default() });
    let b = t.up("b");
    t.at(100_000).say(b, [route(&["b", "x"])]);
    t.at(101_000).say(b, [gone("x")]);
    t.at(103_000).say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Held));
    assert_eq!((t.refused("b", Reason::HoldDown), t.stats("b").announcements_accepted), (1, 1));
    assert_eq!(t.engine.speaker.stats().hold_down_rejects, 1);
    t.at(107_000).say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.engine.speaker.stats().hold_down_rejects, 1);
}

#[test]
fn hold_down_holds_no_other_way_to_the_same_destination() {
    let mut t = with(Stability { hold_down: Duration::from_secs(5), ..Stability::default() });
    let (b, c) = (t.up("b"), t.up("c"));
    t.say(b, [route(&["b", "x"])]);
    t.say(b, [gone("x")]);
    t.say(c, [route(&["c", "x"])]);
    assert_eq!(t.standing("c", "x"), Some(Standing::Eligible));
}

#[test]
fn case_04_at_the_threshold_of_flaps_a_route_is_suppressed() {
    let mut t = with(two_flaps());
    let b = t.up("b");
    for ms in [100_000, 102_000] {
        t.at(ms).say(b, [route(&["b", "x"])]);
        t.at(ms + 1_000).say(b, [gone("x")]);
    }
    t.at(104_000).say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Held));
    assert_eq!(t.refused("b", Reason::Suppressed), 1);
    assert_eq!(t.engine.speaker.stats().suppression_rejects, 1);
    t.at(114_000);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "freed by itself");
}

#[test]
fn case_06_of_two_that_are_alike_in_all_the_first_by_name_is_best_whoever_came_first() {
    for order in [["b", "c"], ["c", "b"]] {
        let mut t = alone(&["b", "c"]);
        for name in order {
            let id = t.up(name);
            t.say(id, [route(&[name, "x"])]);
        }
        assert_eq!(t.ranked("x"), ["b", "c"]);
    }
}

#[test]
fn p05_of_two_paths_of_one_neighbour_that_are_alike_the_path_id_decides_whichever_came_first() {
    let paths = |t: &Alone| {
        let table = t.fabric();
        let selected = table.selected(&cluster("x"), rutter_rib::ViewId::DEFAULT);
        let ids = selected.routes().iter().map(|r| r.path.to_string());
        ids.collect::<Vec<_>>()
    };
    for order in [["one", "two"], ["two", "one"]] {
        let mut t = alone(&["b"]);
        let b = t.up("b");
        for id in order {
            t.say(b, [route(&["b", "x"]).path_id(id)]);
        }
        assert_eq!(paths(&t), ["one", "two"]);
    }
}

/// Two clocks may differ by nothing.
fn exact(config: SpeakerConfig) -> SpeakerConfig {
    let mut config = config;
    config.claims.skew_ms = 0;
    config.security.skew = Duration::ZERO;
    config
}

#[test]
fn case_07_a_route_ends_with_its_claim() {
    let mut t = Alone::new(exact(config("a", &["b"])), &["b"]);
    let b = t.up("b");
    let mut short = claim("x", 1);
    short.not_after.0 = START + 101_000;
    t.at(100_000).say(b, [route(&["b", "x"]).claim(Some(signed("fabric", short, &key("x", 0))))]);
    t.at(100_500);
    assert_eq!(t.best("x").as_deref(), Some("b"));
    t.at(102_000);
    assert_eq!(t.standing("b", "x"), None);
    assert_eq!(t.engine.speaker.stats().routes_purged, 1);
    assert!(t.engine.speaker.claims().is_empty());
}

#[test]
fn p02_what_has_expired_never_stands_in_the_way_of_a_restarted_originator() {
    let mut t = Alone::new(exact(config("a", &["b"])), &["b"]);
    let b = t.up("b");
    let mut high = claim("x", u64::MAX);
    high.not_after.0 = START + 1_000;
    t.say(b, [route(&["b", "x"]).claim(Some(signed("fabric", high, &key("x", 0))))]);
    t.at(301_000).say(b, [route(&["b", "x"])]);
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible));
    assert_eq!(t.refused("b", Reason::Stale), 0);
}

#[test]
fn case_09_convergence_is_from_the_first_change_to_the_last_of_a_destination() {
    let mut t = alone(&["b", "c"]);
    let (b, c) = (t.up("b"), t.up("c"));
    t.at(10_000);
    let before = t.engine.speaker.stats().convergence.clone();
    t.at(100_000).say(b, [route(&["b", "x"]).latency(50)]);
    t.at(101_000).say(c, [route(&["c", "x"]).latency(5)]);
    t.at(110_000);
    let stats = &t.engine.speaker.stats().convergence;
    assert_eq!((stats.n - before.n, stats.sum_ms - before.sum_ms), (1, 1_000));
    t.at(110_000).say(c, [gone("x")]);
    t.at(120_000);
    let stats = &t.engine.speaker.stats().convergence;
    assert_eq!(
        (stats.n - before.n, stats.sum_ms - before.sum_ms),
        (2, 1_000),
        "one change takes no time"
    );
}

#[test]
fn p01_convergence_does_not_rise_by_an_hour_of_renewals_and_refreshes() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"])]);
    t.at(10_000);
    let before = t.engine.speaker.stats().convergence.clone();
    for round in 1..=360 {
        t.at(10_000 + round * 10_000);
        let refresh: [Message; 3] = [
            Message::BeginRefresh(scope("fabric")),
            route(&["b", "x"]).claim(Some(claim("x", round))).into(),
            Message::EndOfRefresh(scope("fabric")),
        ];
        t.say(b, refresh);
        t.say(b, [Message::Renew(scope("fabric"), claim("x", round + 1))]);
    }
    t.at(4_000_000);
    assert_eq!(t.engine.speaker.stats().convergence, before);
}

struct Here;

impl Neighbours for Here {
    fn is_connected(&self, _: &ClusterId) -> bool {
        true
    }

    fn connected(&self) -> Vec<ClusterId> {
        vec![cluster("b"), cluster("d")]
    }
}

#[test]
fn case_10_who_asks_why_sees_both_ways_what_decided_and_what_is_left_if_one_is_avoided() {
    let mut t = alone(&["b", "d"]);
    let (b, d) = (t.up("b"), t.up("d"));
    t.say(b, [route(&["b", "x"]).latency(5)]);
    t.say(d, [route(&["d", "x"]).latency(50)]);
    let table = t.fabric();
    let why = table.explain(t.now, &cluster("x"));
    assert_eq!(why.candidates.len(), 2);
    assert_eq!(why.candidates[1].lost_by.as_ref().map(|l| l.criterion), Some(Criterion::Score));
    let mut ask =
        Ask { destination: cluster("x"), avoid: Vec::new(), visited: Vec::new(), hop_budget: 5 };
    let own = cluster("a");
    let planned = planner::next_hop(&own, table, &Here, false, &ask);
    assert_eq!(planned.next_hop, Some(cluster("b")));
    assert_eq!(planned.path, [cluster("a"), cluster("b"), cluster("x")]);
    ask.avoid = vec![cluster("b")];
    let planned = planner::next_hop(&own, table, &Here, false, &ask);
    assert_eq!((planned.next_hop, planned.reason), (Some(cluster("d")), Outcome::Ok));
}

#[test]
fn case_20_a_policy_that_is_reloaded_denies_what_is_stored_at_once_and_frees_it_again() {
    let mut t = alone(&["b"]);
    let b = t.up("b");
    t.say(b, [route(&["b", "x"]).tags(&["silver"])]);
    let before = t.engine.speaker.config().policy.clone();
    let mut gold = before.clone();
    gold.import.allowed_tags =
        Some([String::from("gold")].iter().map(|t| t.parse().unwrap()).collect());
    t.input(Input::Policy(Box::new(gold)));
    assert_eq!(t.standing("b", "x"), Some(Standing::Denied));
    t.say(b, [route(&["b", "x"]).tags(&["silver"])]);
    assert_eq!(t.refused("b", Reason::Policy), 1);
    t.input(Input::Policy(Box::new(before)));
    assert_eq!(t.standing("b", "x"), Some(Standing::Eligible), "nobody had to say it again");
}

#[test]
fn case_22_churn_over_a_network_is_suppressed_and_ends() {
    let mut net = Net::with(&[("a", "b"), ("b", "c")], |config| {
        config.policy.stability = two_flaps();
    });
    for _ in 0..2 {
        net.cut("a", "b");
        net.run(500);
        net.join("a", "b");
        net.run(500);
    }
    let suppressed = |net: &Net| net.speaker("b").stats().suppression_rejects;
    assert_eq!(net.to_cluster("c", "a"), "", "the third announcement stands held at b");
    assert!(suppressed(&net) >= 1);
    net.run(12_000);
    assert_eq!(net.to_cluster("c", "a"), "c>b>a");
}

#[test]
fn p14_what_is_remembered_of_flaps_is_freed_when_it_has_decayed() {
    let mut t = with(two_flaps());
    let b = t.up("b");
    let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        let record = vec![record(&key(name, 0))];
        t.input(Input::Keys { cluster: cluster(name), keys: record });
    }
    t.say(b, known.iter().map(|name| route(&["b", name])));
    t.say(b, known.iter().map(|name| gone(name)));
    let held = |t: &Alone| t.fabric().counts().held;
    assert_eq!(held(&t), 100);
    t.at(200_000);
    assert_eq!(held(&t), 0);
}
