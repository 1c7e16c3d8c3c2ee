//! The sink's task: what others do is put right, in under a second.

use std::collections::BTreeSet;
use std::time::Duration;

use rutter_kernel::{
    AtEnd, Family, Hop, HopSet, Map, Rule, Sink, SinkSpec, Status, Target, TaskSpec, Verdict,
    Wanted,
};
use rutter_rib::ToldRoute;
use rutter_route::{Attributes, NextHop, Prefix};

use crate::namespace::{in_namespace_async, ip, lines, try_ip};
use crate::scene::{Scene, spec};

/// How soon what someone else did is put right. Of [`TRIES`] the fastest counts: others may have
/// the machine's cores in one of them.
const GOAL: Duration = Duration::from_secs(1);
const TRIES: u64 = 3;

/// Does harm to 10,000 routes until they are back soon enough; says so if they never are.
async fn is_repaired(scene: &Scene, what: &str, harm: impl Fn()) {
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let drift = scene.status().n_drift + 10_000;
        harm();
        let is_back = |s: &Status| s.settled && s.n_drift >= drift && s.n_routes == 10_000;
        fastest = fastest.min(scene.until("the repair", is_back).await);
        assert_eq!(table().len(), 10_000);
        assert_eq!(scene.status().n_refused, 0);
        if fastest < GOAL {
            println!("{what}: 10,000 routes are back after {fastest:?}");
            return;
        }
    }
    panic!("{what}: 10,000 routes are back after {fastest:?} only");
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn via(hop: &str, metric: u32) -> Attributes {
    Attributes { metric, ..Attributes::via(hop.parse().unwrap()) }
}

fn many(n: u32, hop: &str) -> Vec<(Prefix, Attributes)> {
    let one = |i: u32| prefix(&format!("172.{}.{}.0/24", 16 + (i >> 8), i & 255));
    (0..n).map(|i| (one(i), via(hop, 100))).collect()
}

fn table() -> Vec<String> {
    lines(&try_ip("route show table 100").1)
}

#[test]
fn a_flushed_table_is_back_in_under_a_second() {
    in_namespace_async(|| async {
        // `ip route flush` works on plain routes only; objects go by `ip nexthop flush`.
        for (objects, flush) in [(false, "route flush table 100"), (true, "nexthop flush")] {
            let scene = Scene::start(spec(objects), &many(10_000, "10.0.0.2")).await;
            scene.until("the routes", |status| status.settled && status.n_routes == 10_000).await;
            let what = format!("ip {flush}");
            is_repaired(&scene, &what, || drop(ip(flush))).await;
            let mut sink = Sink::open(spec(objects).sink).unwrap();
            scene.stop().await;
            sink.flush().unwrap();
        }
    });
}

#[test]
fn routes_that_a_link_flap_killed_are_back_in_under_a_second() {
    in_namespace_async(|| async {
        for objects in [true, false] {
            let scene = Scene::start(spec(objects), &many(10_000, "10.0.0.2")).await;
            scene.until("the routes", |status| status.settled && status.n_routes == 10_000).await;
            let flap = || {
                ip("link set up0 down");
                ip("link set up0 up");
            };
            is_repaired(&scene, &format!("objects: {objects}, a flap"), flap).await;
            let mut sink = Sink::open(spec(objects).sink).unwrap();
            scene.stop().await;
            sink.flush().unwrap();
        }
    });
}

#[test]
fn a_next_hop_that_cant_be_used_is_told_to_the_table_which_takes_another_and_returns() {
    in_namespace_async(|| async {
        for objects in [true, false] {
            let scene = Scene::start(spec(objects), &many(1000, "10.0.0.2")).await;
            // Of the second half there is another, which is worse.
            let worse: Vec<_> = many(1000, "10.0.1.2").split_off(500);
            let worse: Vec<_> =
                worse.into_iter().map(|(p, a)| (p, Attributes { metric: 200, ..a })).collect();
            scene.advertise_of("b", &worse).await;
            scene.until("the routes", |status| status.settled && status.n_routes == 1000).await;
            assert!(table().iter().all(|line| line.contains("via 10.0.0.2")), "{:?}", table());

            ip("address del 10.0.0.1/24 dev up0");
            let took = scene.until("the others", |s| s.settled && s.n_routes == 500).await;
            let shown = table();
            assert!(shown.iter().all(|line| line.contains("via 10.0.1.2")), "{shown:?}");
            assert!(took < GOAL, "it took {took:?}");
            let (alone, one_of_two) = (prefix("172.16.7.0/24"), prefix("172.19.7.0/24"));
            for prefix in [alone, one_of_two] {
                let why = scene.unresolved(prefix).await;
                assert_eq!(why.len(), 1, "{why:?}");
            }
            assert_eq!(scene.status().n_refused, 0);

            ip("address add 10.0.0.1/24 dev up0");
            let took = scene.until("the return", |s| s.settled && s.n_routes == 1000).await;
            assert!(took < GOAL, "it took {took:?}");
            let is_back = |line: &String| line.contains("via 10.0.0.2 dev up0");
            assert!(table().iter().all(is_back), "{:?}", table());
            assert_eq!(scene.unresolved(alone).await, Vec::<String>::new());
            let mut sink = Sink::open(spec(objects).sink).unwrap();
            scene.stop().await;
            sink.flush().unwrap();
        }
    });
}

#[test]
fn a_refusal_is_on_the_outlet_and_is_tried_again_by_itself() {
    in_namespace_async(|| async {
        let taken = prefix("172.16.0.0/24");
        ip("route add 172.16.0.0/24 via 10.0.0.7 table 100 metric 100 proto static");
        let node = (prefix("172.30.0.0/24"), via("node:7", 100));
        let mut routes = many(3, "10.0.0.2");
        routes.push(node.clone());
        let scene = Scene::start(spec(true), &routes).await;
        scene.until("the routes", |s| s.settled && s.n_routes == 2 && s.n_refused == 2).await;
        let why = scene.refusal(taken).await.unwrap();
        assert!(why.starts_with("a route of protocol 4 with the same prefix"), "{why}");
        let why = scene.refusal(node.0).await.unwrap();
        assert_eq!(why, "`node:7` is no next hop of the kernel's");

        ip("route del 172.16.0.0/24 table 100 metric 100");
        scene.until("the route", |s| s.settled && s.n_routes == 3).await;
        assert_eq!(scene.refusal(taken).await, None);

        // What couldn't be told to the kernel is told when it can be.
        scene.advertise(&[(node.0, via("10.0.1.2", 100))]).await;
        scene.until("the last route", |s| s.settled && s.n_routes == 4 && s.n_refused == 0).await;
        assert_eq!(scene.refusal(node.0).await, None);
        scene.stop().await;
    });
}

#[test]
fn a_thousand_routes_move_together_and_go_together() {
    in_namespace_async(|| async {
        let scene = Scene::start(spec(true), &many(1000, "10.0.0.2")).await;
        scene.until("the routes", |status| status.settled && status.n_routes == 1000).await;
        let first = ip("nexthop show");
        let before = scene.status().n_requests;
        scene.advertise(&many(1000, "10.0.1.2")).await;
        scene.until("the move", |s| s.settled && s.n_requests > before).await;
        assert_eq!(scene.status().n_requests, before + 1, "one request for all of them");
        assert!(table().iter().all(|line| line.contains("via 10.0.1.2 dev up1")));
        // The same object: it became another.
        let id = |shown: &str| lines(shown)[0].split(' ').nth(1).map(str::to_owned);
        assert_eq!(id(&ip("nexthop show")), id(&first));
        let all: Vec<Prefix> = many(1000, "10.0.1.2").into_iter().map(|(p, _)| p).collect();
        scene.withdraw(&all).await;
        scene.until("the end", |s| s.settled && s.n_routes == 0 && s.n_objects == 0).await;
        assert_eq!((table(), ip("nexthop show")), (Vec::new(), String::new()));
        scene.stop().await;
    });
}

#[test]
fn the_next_task_adopts_flushes_or_leaves() {
    in_namespace_async(|| async {
        let routes = many(100, "10.0.0.2");
        let first = Scene::start(spec(true), &routes).await;
        first.until("the routes", |status| status.settled && status.n_routes == 100).await;
        first.stop().await;
        let before = table();
        assert_eq!(before.len(), 100);

        let leaves = TaskSpec { at_end: AtEnd::Leave, ..spec(true) };
        let second = Scene::start(leaves, &routes[..60]).await;
        second.until("the adoption", |s| s.settled && s.n_adopted == 100).await;
        assert_eq!(table(), before);
        second.stop().await;
        assert_eq!(table(), before);

        let third = Scene::start(spec(true), &routes[..60]).await;
        third.until("the sweep", |s| s.settled && s.n_routes == 60).await;
        assert_eq!(table(), before[..60]);
        third.stop().await;

        let flushes = TaskSpec { at_end: AtEnd::Flush, ..spec(true) };
        let fourth = Scene::start(flushes, &routes[..60]).await;
        fourth.until("the adoption", |s| s.settled && s.n_adopted == 60).await;
        fourth.stop().await;
        assert_eq!((table(), ip("nexthop show")), (Vec::new(), String::new()));
    });
}

fn rules_of_100(family: &str) -> Vec<String> {
    let rules = lines(&ip(&format!("{family} rule show")));
    rules.into_iter().filter(|line| line.contains("lookup 100")).collect()
}

#[test]
fn rules_are_put_restored_and_removed_and_others_are_left_alone() {
    rules_come_and_go(false, " proto 82");
}

/// As if people had put them, and yet known to be ours.
#[test]
fn plain_rules_are_put_restored_and_removed_and_others_are_left_alone() {
    rules_come_and_go(true, "");
}

fn rules_come_and_go(plain_rules: bool, word: &'static str) {
    in_namespace_async(move || async move {
        ip("rule add to 203.0.113.0/24 lookup 100 priority 50");
        let rule = |family, priority, input: Option<&str>, output: Option<&str>| Rule {
            input: input.map(|name| name.parse().unwrap()),
            output: output.map(|name| name.parse().unwrap()),
            ..Rule::new(family, priority, Verdict::Table(100))
        };
        let rules = BTreeSet::from([
            rule(Family::V4, 100, Some("up0"), None),
            rule(Family::V4, 101, None, Some("up0")),
            rule(Family::V6, 100, Some("up0"), None),
        ]);
        let sink = SinkSpec { rules, plain_rules, ..spec(true).sink };
        let with_rules = TaskSpec { sink, at_end: AtEnd::Flush, ..spec(true) };
        let scene = Scene::start(with_rules, &many(1, "10.0.0.2")).await;
        scene.until("the route", |status| status.settled).await;
        let expected = [
            "50: from all to 203.0.113.0/24 lookup 100".to_owned(),
            format!("100: from all iif up0 lookup 100{word}"),
            format!("101: from all oif up0 lookup 100{word}"),
        ];
        assert_eq!(rules_of_100(""), expected);
        assert_eq!(rules_of_100("-6"), expected[1..2]);

        ip("rule del priority 100");
        ip("-6 rule del priority 100");
        let took = scene.until("the repair", |s| s.settled && s.n_drift == 2).await;
        assert_eq!(rules_of_100(""), expected);
        assert_eq!(rules_of_100("-6"), expected[1..2]);
        assert!(took < GOAL, "it took {took:?}");
        scene.stop().await;
        assert_eq!(rules_of_100(""), expected[..1]);
        assert_eq!(rules_of_100("-6"), Vec::<String>::new());
    });
}

#[test]
fn equals_of_one_group_share_the_traffic_by_weight() {
    in_namespace_async(|| async {
        let p = prefix("172.16.0.0/24");
        let hops = [("a", "10.0.0.2", 1), ("b", "10.0.1.2", 3)];
        let scene = Scene::start(spec(true), &[]).await;
        for (peer, hop, weight) in hops {
            let group = Some("ecmp".parse().unwrap());
            scene.advertise_of(peer, &[(p, Attributes { group, weight, ..via(hop, 100) })]).await;
        }
        // A group, and each of its hops.
        scene.until("the route", |status| status.settled && status.n_objects == 3).await;
        let shown = table().join(" ");
        assert!(shown.contains("nexthop via 10.0.0.2 dev up0 weight 1"), "{shown}");
        assert!(shown.contains("nexthop via 10.0.1.2 dev up1 weight 3"), "{shown}");
        scene.stop().await;
    });
}

#[test]
fn a_fault_without_an_event_is_found_by_the_audit() {
    in_namespace_async(|| async {
        let audits = TaskSpec { audit: Duration::from_millis(100), ..spec(true) };
        let scene = Scene::start(audits, &many(10, "10.0.0.2")).await;
        scene.until("the routes", |status| status.settled && status.n_routes == 10).await;
        let n_looks = scene.status().n_looks;
        scene.until("more looks", |status| status.n_looks > n_looks + 1).await;
        assert_eq!(scene.status().n_drift, 0);
        scene.stop().await;
    });
}

/// Sends everything to where it is told.
struct Moving(tokio::sync::watch::Receiver<std::net::IpAddr>, tokio::sync::watch::Receiver<u64>);

impl Map for Moving {
    fn wanted(&self, _: &Prefix, _: &[ToldRoute]) -> Result<Wanted, String> {
        let hops = HopSet::new([Hop::via(*self.0.borrow())]).ok_or("no hop")?;
        Ok(Wanted { target: Target::Via(hops), priority: 0 })
    }

    fn next_hop(&self, _: &Hop) -> Option<NextHop> {
        None
    }

    fn moves(&self) -> Option<tokio::sync::watch::Receiver<u64>> {
        Some(self.1.clone())
    }
}

#[test]
fn what_a_map_answers_otherwise_is_moved_in_the_kernel_without_a_new_route() {
    in_namespace_async(|| async {
        for objects in [true, false] {
            let (to, at) = tokio::sync::watch::channel("10.0.0.2".parse().unwrap());
            let (moved, moves) = tokio::sync::watch::channel(0);
            let map = Moving(at, moves);
            let scene = Scene::start_by(spec(objects), &many(1000, "192.0.2.1"), map).await;
            scene.until("the routes", |status| status.settled && status.n_routes == 1000).await;
            assert!(table().iter().all(|line| line.contains("via 10.0.0.2")), "{:?}", table());
            let began = std::time::Instant::now();
            let asked = scene.status().n_requests;
            to.send_replace("10.0.1.2".parse().unwrap());
            moved.send_replace(1);
            scene.until("the move", |status| status.settled && status.n_requests > asked).await;
            assert!(table().iter().all(|line| line.contains("via 10.0.1.2")), "{:?}", table());
            println!("objects: {objects}: 1,000 routes moved in {:?}", began.elapsed());
            assert_eq!((table().len(), scene.status().n_refused), (1000, 0));
            let mut sink = Sink::open(spec(objects).sink).unwrap();
            scene.stop().await;
            sink.flush().unwrap();
        }
    });
}
