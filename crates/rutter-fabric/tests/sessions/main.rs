//! Neighbours over real sessions: TLS, signatures, liveness, loss, restart, rotation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;
mod wire;

use std::time::{Duration, Instant};

use common::{Plan, id, ids, plan, soon};
use rutter_fabric::FabricError;
use rutter_protocol::planner::{Ask, Outcome};
use rutter_protocol::policy::{NeighbourPolicy, RoutePolicy};
use rutter_protocol::speaker::Parting;
use rutter_route::Standing;
use wire::{Is, Wire};

fn ask(to: &str) -> Ask {
    Ask { destination: id(to), avoid: vec![], visited: vec![], hop_budget: 5 }
}

/// Two that know each other; the first dials.
fn pair(a: &str, b: &str) -> (Plan, Plan) {
    let (a, mut b) = (plan(a), plan(b));
    b.knows(&a, &[]);
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_in_a_line_reach_each_other_and_say_how() {
    let (mut a, mut b) = pair("a", "b");
    let mut c = plan("c");
    b.knows(&c, &[]);
    a.trusts(&[&c]);
    c.trusts(&[&a]);
    let middle = b.start().await;
    a.knows(&b, &[middle.address()]);
    c.knows(&b, &[middle.address()]);
    let (first, last) = (a.start().await, c.start().await);
    first.has_paths("c", &["a b c"]).await;
    last.has_paths("a", &["c b a"]).await;
    let planned = last.fabric.next_hop(ask("a")).await.unwrap();
    assert_eq!((planned.next_hop, planned.reason), (Some(id("b")), Outcome::Ok));
    let ways = last.fabric.forwarding().borrow().ways(&ask("a")).unwrap();
    assert_eq!((ways[0].gateway.as_str(), &ways[0].keys[..]), ("b.invalid:443", &[b.key][..]));
    let trace = last.fabric.trace(id("a"), ids("b")).await.unwrap();
    assert_eq!(trace.candidates[0].path, ids("c b a"));
    assert!(trace.candidates[0].avoided && trace.decision.reason == Outcome::PathMismatch);
    let status = middle.fabric.status().await.unwrap();
    assert!(status.neighbours.iter().all(|n| n.connected && n.connections == 1));
    assert_eq!(last.fabric.routes().await.unwrap()[&id("a")], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_another_key_is_nobody() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    // It says that it is `a`, and has another key.
    let impostor = plan("a");
    a.config.signer = impostor.config.signer.clone();
    a.knows(&b, &[there.address()]);
    let liar = a.start().await;
    liar.forwards("nobody", |f| f.neighbours[&id("b")].keys.len() == 1).await;
    // A friend that comes later is heard, so the liar has had its time.
    let status = there.fabric.status().await.unwrap();
    assert_eq!(status.neighbours[0].connections, 0);
    let honest = plan_with(&a, &b, there.address());
    liar.fabric.end(Parting::Goodbye).await;
    let honest = honest.start().await;
    honest.has_paths("b", &["a b"]).await;
    there.has_paths("a", &["b a"]).await;
}

/// The same cluster with its own key, elsewhere.
fn plan_with(of: &Plan, other: &Plan, address: std::net::SocketAddr) -> Plan {
    let mut honest = plan("a");
    let key = rutter_fabric::keys::SignerSpec::File(of.dir.path().join("key.pem"));
    honest.config.signer = key;
    honest.knows(other, &[address]);
    honest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_is_lost_with_its_last_connection_and_not_before() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    let wires = [Wire::to(there.address()).await, Wire::to(there.address()).await];
    a.knows(&b, &[wires[0].address, wires[1].address]);
    let here = a.start().await;
    let both = async {
        loop {
            let status = here.fabric.status().await.unwrap();
            if status.neighbours[0].connections == 2 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("two connections", both).await;
    let losses = |stats: rutter_protocol::stats::Stats| {
        stats.neighbours.get(&id("b")).map_or(0, |of| of.losses)
    };
    for first in [0, 1] {
        here.has_paths("b", &["a b"]).await;
        wires[first].set(Is::Cut);
        let one = async {
            loop {
                let status = here.fabric.status().await.unwrap();
                if status.neighbours[0].connections == 1 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        soon("one connection", one).await;
        assert_eq!(here.fabric.forwarding().borrow().paths(&id("b")), [ids("a b")]);
        assert_eq!(losses(here.fabric.stats().await.unwrap()), 0);
        wires[first].set(Is::Whole);
        soon("two connections again", async {
            while here.fabric.status().await.unwrap().neighbours[0].connections < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    wires.iter().for_each(|wire| wire.set(Is::Cut));
    here.has_paths("b", &[]).await;
    assert_eq!(losses(here.fabric.stats().await.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_falls_silent_is_lost_and_the_other_way_taken_in_about_a_second() {
    let (mut a, mut b) = pair("a", "b");
    let mut c = plan("c");
    b.knows(&c, &[]);
    c.knows(&a, &[]);
    let far = b.start().await;
    c.knows(&b, &[far.address()]);
    let round = c.start().await;
    let wire = Wire::to(far.address()).await;
    a.knows(&b, &[wire.address]);
    a.knows(&c, &[round.address()]);
    let here = a.start().await;
    here.has_paths("b", &["a b", "a c b"]).await;
    let silent = Instant::now();
    wire.set(Is::Silent);
    here.has_paths("b", &["a c b"]).await;
    let took = silent.elapsed();
    // 3 intervals of 250 ms; the rest is this machine's.
    assert!(took > Duration::from_millis(400) && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_restart_keeps_its_routes_as_stale_until_it_is_back() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    a.knows(&b, &[there.address()]);
    let here = a.start().await;
    there.has_paths("a", &["b a"]).await;
    here.fabric.end(Parting::Restart(Duration::from_secs(60))).await;
    let stale = |t: &rutter_fabric::Trace| t.candidates[0].standing == Standing::Stale;
    there.shows("stale", "a", stale).await;
    drop(here);
    let again = a.start().await;
    let well = |t: &rutter_fabric::Trace| t.candidates[0].standing == Standing::Eligible;
    there.shows("well again", "a", well).await;
    assert_eq!(there.fabric.stats().await.unwrap().neighbours[&id("a")].losses, 0);
    again.fabric.end(Parting::Goodbye).await;
    there.shows("gone", "a", |t| t.candidates.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_restarts_is_a_way_until_it_was_to_be_back() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    a.knows(&b, &[there.address()]);
    let here = a.start().await;
    there.has_paths("a", &["b a"]).await;
    here.fabric.end(Parting::Restart(Duration::from_secs(60))).await;
    there.shows("stale", "a", |t| t.candidates[0].standing == Standing::Stale).await;
    assert!(!there.fabric.status().await.unwrap().neighbours[0].connected);
    assert_eq!(there.fabric.next_hop(ask("a")).await.unwrap().next_hop, Some(id("a")));
    drop(here);
    let again = a.start().await;
    there.shows("well again", "a", |t| t.candidates[0].standing == Standing::Eligible).await;
    again.fabric.end(Parting::Restart(Duration::from_millis(10))).await;
    there.forwards("no way any more", |f| !f.neighbours[&id("a")].reachable).await;
    assert_eq!(there.fabric.next_hop(ask("a")).await.unwrap().next_hop, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_announced_under_the_old_key_and_later_connections_show_the_new_one() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    let wire = Wire::to(there.address()).await;
    a.knows(&b, &[wire.address]);
    a.config.security.key_overlap = Duration::from_secs(2);
    let here = a.start().await;
    there.has_paths("a", &["b a"]).await;
    let rotated = here.fabric.rotate(Duration::from_secs(2)).await.unwrap();
    let has = |f: &rutter_fabric::Forwarding| {
        f.neighbours[&id("a")].keys.iter().any(|key| key.id().to_string() == rotated)
    };
    there.forwards("the new key", has).await;
    let alone = |f: &rutter_fabric::Forwarding| has(f) && f.neighbours[&id("a")].keys.len() == 1;
    there.forwards("the old one's end", alone).await;
    // Nobody takes the old key any more, so what comes back has shown the new one.
    wire.set(Is::Cut);
    there.has_paths("a", &[]).await;
    wire.set(Is::Whole);
    there.has_paths("a", &["b a"]).await;
    // And it is the one of the next life.
    here.fabric.end(Parting::Goodbye).await;
    there.has_paths("a", &[]).await;
    drop(here);
    let again = a.start().await;
    there.has_paths("a", &["b a"]).await;
    let keys = again.fabric.keys().await.unwrap();
    assert_eq!(keys.clusters[&id("a")].primary.unwrap().to_string(), rotated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reaches_what_is_stored_and_a_dry_run_says_so_beforehand() {
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    a.knows(&b, &[there.address()]);
    let here = a.start().await;
    here.has_paths("b", &["a b"]).await;
    let mut to = a.config.clone();
    let gold = RoutePolicy {
        allowed_tags: Some(["gold".parse().unwrap()].into()),
        ..RoutePolicy::default()
    };
    let policy = NeighbourPolicy { import: Some(gold), export: None };
    to.policy.neighbours.insert(id("b"), policy);
    let diffs = here.fabric.try_policy(to.policy.clone()).await.unwrap();
    assert_eq!(diffs[0].table, "fabric");
    assert_eq!(diffs[0].denied, [("neighbour/b".to_owned(), "b".to_owned())]);
    assert_eq!(diffs[0].moved, [("b".to_owned(), Some("neighbour/b".to_owned()), None)]);
    assert_eq!(here.fabric.forwarding().borrow().paths(&id("b")).len(), 1, "nothing has changed");
    here.fabric.reload(to.clone()).await.unwrap();
    here.has_paths("b", &[]).await;
    let trace = here.fabric.trace(id("b"), vec![]).await.unwrap();
    assert_eq!(trace.candidates[0].standing, Standing::Denied);
    here.fabric.reload(a.config.clone()).await.unwrap();
    here.has_paths("b", &["a b"]).await;
    // One that isn't a neighbour any more is parted from, and dialled no more.
    to.neighbours.clear();
    to.policy.neighbours.clear();
    here.fabric.reload(to).await.unwrap();
    here.forwards("nobody", |f| f.neighbours.is_empty()).await;
    there.has_paths("a", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_may_ask_for_a_next_hop_and_a_stranger_may_not() {
    use rutter_link::{KeyVerifier, LinkKey, NeighbourDialer, NextHopAsk, Pulse, SharedIdentity};
    let (mut a, b) = pair("a", "b");
    let there = b.start().await;
    a.knows(&b, &[there.address()]);
    let here = a.start().await;
    there.has_paths("a", &["b a"]).await;
    let dialer = |pem: &str| {
        let identity = LinkKey::from_pem(pem).unwrap().certified().unwrap();
        let identity = SharedIdentity::new(std::sync::Arc::new(identity));
        let times = (Pulse::every(Duration::from_secs(1)), Duration::from_secs(10));
        let address = there.address().to_string();
        let anybody = KeyVerifier::new(|_| true);
        NeighbourDialer::new((&address, "a"), &identity, anybody, times).unwrap()
    };
    let pem = std::fs::read_to_string(a.dir.path().join("key.pem")).unwrap();
    let ask = |to: &str, hop_budget| NextHopAsk {
        destination: to.into(),
        hop_budget,
        ..NextHopAsk::default()
    };
    let friend = dialer(&pem);
    let answer = friend.next_hop(ask("a", 5)).await.unwrap();
    assert_eq!((answer.next_hop.as_str(), answer.reason.as_str()), ("a", "ok"));
    assert_eq!(friend.next_hop(ask("a", 0)).await.unwrap().reason, "hop_budget_exhausted");
    assert_eq!(friend.next_hop(ask("b", 5)).await.unwrap().reason, "already_local");
    assert_eq!(friend.next_hop(ask("", 5)).await.unwrap().reason, "no_target_cluster");
    assert_eq!(friend.next_hop(ask("x", 5)).await.unwrap().reason, "no_fabric_path");
    assert!(friend.next_hop(ask("no name", 5)).await.is_err());
    let stranger = dialer(&LinkKey::generate().unwrap().to_pem());
    assert!(stranger.next_hop(ask("a", 5)).await.is_err());
    drop(here);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_a_state_that_is_taken_is_told_before_anything_is_done() {
    let mut a = plan("a");
    let here = a.start().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let begin = async |config: rutter_fabric::FabricConfig| {
        let now = rutter_route::Now::new(1, 1);
        let tables = config.scopes.iter().map(|scope| rutter_rib::TableSpec {
            name: scope.table.clone(),
            kind: scope.kind,
            policy: rutter_rib::Policy::default(),
        });
        let book = rutter_rib::Book::new(id("a"), tables.collect(), vec![], vec![], now, 1);
        let clock = rutter_book::SystemClock;
        let (book, _) = rutter_book::spawn(book.unwrap(), clock, 1, stop.clone());
        rutter_fabric::start(config, book).await
    };
    let locked = begin(a.config.clone()).await.unwrap_err();
    assert!(matches!(locked, FabricError::State { .. }), "{locked}");
    a.config.state = a.dir.path().join("other");
    a.config.listen = here.address();
    let taken = begin(a.config.clone()).await.unwrap_err();
    assert!(matches!(taken, FabricError::Listen { .. }), "{taken}");
}
