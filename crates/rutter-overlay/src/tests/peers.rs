//! Two Rutter hosts: what they tell each other, and what becomes of it when one goes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::net::*;
use crate::testing::*;
use crate::{Identity, OverlayConfig, Parting, Protocol};

/// h1, which doesn't flush, or does, beside h2.
async fn two(flush: bool) -> [Given; 2] {
    let mut configs = [host(1, &[2], ""), host(2, &[1], "")];
    for overlay in configs.iter_mut().flat_map(|config| config.overlays.values_mut()) {
        overlay.install.flush_on_peer_down = flush;
    }
    let [a, b] = start(configs).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    b.until_best(100, &network(1), Some(&way(1, 100))).await;
    [a, b]
}

/// h2 once more, where it was.
async fn again_at(at: SocketAddr, peer: &Given) -> Given {
    let config = host(2, &[1], "");
    Given::start(config, rebound(at).await, vec![("h1", peer.address)]).await
}

#[tokio::test]
async fn two_hosts_tell_each_other_their_networks_by_rutter_v1() {
    let [a, b] = two(true).await;
    for (given, peer) in [(&a, "h2"), (&b, "h1")] {
        given.until_peer(peer, true).await;
        let statuses = given.speaker().statuses().await.unwrap();
        assert_eq!(statuses.len(), 1);
        let status = &statuses[0];
        assert_eq!((status.name.as_str(), status.there), (peer, true));
        assert_eq!(status.protocol, Some(Protocol::Rutter));
        assert_eq!((status.n_accepted, status.n_refused), (1, 0));
        assert!(status.heard.is_some() && status.error.is_none(), "{status:?}");
    }
    // Its own network is there, is best, and is for peers: the kernel isn't told.
    let own = a.routes(100, &network(1)).await;
    assert_eq!(own, ["operator/local via 10.100.0.1 metric 100"]);
    let outlet = crate::kernel_outlet("kernel");
    let kernel = a.book.subscribe::<rutter_route::Prefix>(vni(100).table(), outlet).await;
    let told = soon(kernel.unwrap().unwrap().next()).await.unwrap();
    assert!(told.end_of_snapshot);
    let told: Vec<_> = told.tells.iter().map(|tell| tell.destination().to_string()).collect();
    assert_eq!(told, [network(2)]);
}

#[tokio::test]
async fn networks_that_come_and_go_are_told_at_once_and_in_their_overlay_alone() {
    let overlay = |n: u8| {
        format!(
            "  - {{vni: 200, name: vx200, bridge: {{name: br200, ipv4: 10.200.0.{n}/24}}, \
             routing: {{import: {{accept_all: true, install: {{table: 200}}}}}}}}\nrutter:"
        )
    };
    let both = |n: u8, peer: u8| -> OverlayConfig {
        let mut config = host(n, &[peer], "");
        let more = read(&format!(
            "version: 2\nnode: {{id: x}}\noverlays:\n{} {{insecure: true}}",
            overlay(n)
        ));
        config.overlays.extend(more.overlays);
        config.peers[0].overlays.insert(vni(200));
        config
    };
    let [a, b] = start([both(1, 2), both(2, 1)]).await;
    let more = BTreeSet::from([prefix("172.20.0.0/16")]);
    for number in [100, 200] {
        b.speaker().set_own(vni(number), more.clone()).await.unwrap();
    }
    a.until_best(100, "172.20.0.0/16", Some(&way(2, 100))).await;
    a.until_best(200, "172.20.0.0/16", Some("peer/h2 via 10.200.0.2 metric 100")).await;
    b.speaker().set_own(vni(100), BTreeSet::new()).await.unwrap();
    a.until_best(100, "172.20.0.0/16", None).await;
    assert_eq!(a.routes(200, "172.20.0.0/16").await.len(), 1, "there it stays");
    let none = b.speaker().set_own(vni(300), BTreeSet::new()).await;
    assert!(none.unwrap_err().to_string().contains("no overlay 300"));
}

#[tokio::test]
async fn hosts_that_differ_in_overlays_speak_of_those_that_both_have() {
    let mut a = host(1, &[2], "");
    let overlay = a.overlays[&vni(100)].clone();
    a.overlays.insert(vni(300), overlay);
    a.peers[0].overlays.insert(vni(300));
    let [a, b] = start([a, host(2, &[1], "")]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    b.until_best(100, &network(1), Some(&way(1, 100))).await;
}

#[tokio::test]
async fn a_peer_that_is_killed_is_missed_at_once_and_is_back_without_a_wait() {
    let [a, b] = two(true).await;
    let at = b.address;
    b.kill();
    a.until_best(100, &network(2), None).await;
    let explained = a.explained(100, &network(2)).await;
    assert!(explained[0].starts_with("Offline: peer/h2 is offline"), "{explained:?}");
    let b = again_at(at, &a).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    let lives = a.speaker().lives().borrow()[&name("h2")].clone();
    assert_eq!((lives.there, lives.n_lives), (true, 2));
    drop(b);
}

/// Nobody says anything when a host loses its power: only that tells.
#[tokio::test]
async fn a_peer_that_falls_silent_is_lost_and_goes_on_where_it_was() {
    let [at_a, at_b] = [listener(), listener()];
    let cable = Cable::to(at_b.address()).await;
    let to_a = vec![("h1", at_a.address())];
    let a = Given::start(host(1, &[2], ""), at_a, vec![("h2", cable.address)]).await;
    let b = Given::start(host(2, &[1], ""), at_b, to_a).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    cable.hang(true);
    a.until_best(100, &network(2), None).await;
    let error = a.speaker().lives().borrow()[&name("h2")].error.clone().unwrap();
    assert!(error.contains("nothing was heard for 900ms"), "{error}");
    // What it says meanwhile is heard when it can be.
    b.speaker().set_own(vni(100), [prefix("172.20.0.0/16")].into()).await.unwrap();
    cable.hang(false);
    for network in [&*network(2), "172.20.0.0/16"] {
        a.until_best(100, network, Some(&way(2, 100))).await;
    }
}

#[tokio::test]
async fn without_flush_a_lost_peers_routes_are_stale_until_the_lease_ends() {
    let [a, b] = two(false).await;
    b.kill();
    a.until_peer("h2", false).await;
    stands(&a, &network(2), "Stale").await;
    assert_eq!(a.routes(100, &network(2)).await, [way(2, 100)], "it is used, if last");
}

/// Waits until a route stands so.
async fn stands(given: &Given, to: &str, how: &str) {
    given
        .until(100, || async {
            let explained = given.explained(100, to).await;
            explained.first().is_some_and(|first| first.starts_with(how))
        })
        .await;
}

#[tokio::test]
async fn a_goodbye_takes_everything_back_whether_peers_flush_or_not() {
    for flush in [true, false] {
        let [a, b] = two(flush).await;
        b.end(Parting::Goodbye).await;
        a.until_best(100, &network(2), None).await;
        let explained = a.explained(100, &network(2)).await;
        assert!(explained[0].starts_with("Offline"), "{explained:?}");
    }
}

/// S27: one that will be back is waited for, and what it doesn't say again then is gone.
#[tokio::test]
async fn a_restart_keeps_what_is_said_again_whether_peers_flush_or_not() {
    for flush in [true, false] {
        let mut configs = [host(1, &[2], ""), host(2, &[1], "")];
        for overlay in configs[0].overlays.values_mut() {
            overlay.install.flush_on_peer_down = flush;
        }
        let overlay = configs[1].overlays.get_mut(&vni(100)).unwrap();
        overlay.export.networks.push(prefix("172.20.0.0/16"));
        let [a, b] = start(configs).await;
        a.until_best(100, &network(2), Some(&way(2, 100))).await;
        a.until_best(100, "172.20.0.0/16", Some(&way(2, 100))).await;
        let watched = watch_for_gap(&a, &network(2)).await;
        let at = b.address;
        b.end(Parting::Restart(Duration::from_secs(60))).await;
        stands(&a, &network(2), "Stale").await;
        let _b = again_at(at, &a).await;
        stands(&a, &network(2), "Eligible").await;
        a.until_best(100, "172.20.0.0/16", None).await;
        assert!(!watched.gap(), "it was never without a way");
    }
}

#[tokio::test]
async fn who_isnt_back_in_the_time_it_named_is_gone() {
    let [a, b] = two(true).await;
    b.end(Parting::Restart(Duration::from_secs(1))).await;
    stands(&a, &network(2), "Stale").await;
    a.until_best(100, &network(2), None).await;
}

#[tokio::test]
async fn without_proof_of_who_it_is_no_peer_is_heard_or_told() {
    let [mut a, mut b] = [host(1, &[2], ""), host(2, &[1], "")];
    a.exchange.identity = Identity::Unproven;
    b.exchange.identity = Identity::Insecure;
    let [a, b] = start([a, b]).await;
    // a believes neither who calls nor who answers.
    let mut lives = b.speaker().lives();
    let refused = |lives: &crate::Lives| {
        let error = lives[&name("h1")].error.as_deref();
        error.is_some_and(|error| error.contains("nothing proves that this is \"h2\""))
    };
    let told = soon(lives.wait_for(refused)).await.unwrap()[&name("h1")].there;
    assert!(!told);
    let error = a.speaker().lives().borrow()[&name("h2")].error.clone();
    assert!(error.unwrap().contains("nothing would prove who answers"));
    assert!(a.explained(100, &network(2)).await.is_empty());
}

#[tokio::test]
async fn who_answers_by_another_name_is_not_the_peer() {
    // h1 expects h2 where h3 is, which takes h1 for a peer.
    let [three, listener] = [listener(), listener()];
    let at = three.address();
    let _three = Given::start(host(3, &[1], ""), three, vec![]).await;
    let one = Given::start(host(1, &[2], ""), listener, vec![("h2", at)]).await;
    let mut lives = one.speaker().lives();
    let error = |lives: &crate::Lives| {
        let error = lives[&name("h2")].error.as_deref();
        error.is_some_and(|error| error.contains("it is \"h3\", not the peer"))
    };
    drop(soon(lives.wait_for(error)).await.unwrap());
    assert!(one.routes(100, &network(3)).await.is_empty());
}
