//! Another configuration while everything runs.

use std::sync::Arc;

use super::net::*;
use crate::testing::*;
use crate::{OverlayConfig, Reloaded};

/// The configuration of a running host, changed.
async fn reload(given: &Given, change: impl FnOnce(&mut OverlayConfig)) -> Reloaded {
    let mut config = OverlayConfig::clone(&*Arc::clone(&given.speaker().config()));
    change(&mut config);
    given.speaker().reload(config).await.unwrap()
}

fn lives(given: &Given, peer: &str) -> u64 {
    given.speaker().lives().borrow()[&name(peer)].n_lives
}

#[tokio::test]
async fn networks_and_import_change_without_touching_a_session() {
    let [a, b] = start([host(1, &[2], ""), host(2, &[1], "")]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    b.until_best(100, &network(1), Some(&way(1, 100))).await;
    let done = reload(&b, |config| {
        let export = &mut config.overlays.get_mut(&vni(100)).unwrap().export;
        export.networks = vec![prefix("172.20.0.0/16")];
        export.metric = 7;
    })
    .await;
    assert_eq!(done, Reloaded::default(), "no peer is concerned");
    a.until_best(100, "172.20.0.0/16", Some(&way(2, 7))).await;
    a.until_best(100, &network(2), None).await;
    // Import: what is there is judged anew, both ways.
    for (deny, standing) in [(vec![prefix("172.20.0.0/16")], "Denied"), (vec![], "Eligible")] {
        reload(&a, |config| {
            config.overlays.get_mut(&vni(100)).unwrap().import.deny = deny;
        })
        .await;
        a.until(100, || async { a.explained(100, "172.20.0.0/16").await[0].starts_with(standing) })
            .await;
    }
    assert_eq!((lives(&a, "h2"), lives(&b, "h1")), (1, 1), "nobody was away");
}

#[tokio::test]
async fn peers_come_and_go() {
    let [a, b, c] = start([host(1, &[2, 3], ""), host(2, &[1], ""), host(3, &[1], "")]).await;
    for n in [2, 3] {
        a.until_best(100, &network(n), Some(&way(n, 100))).await;
    }
    let peers = a.speaker().config().peers.clone();
    let done = reload(&a, |config| config.peers.retain(|peer| peer.name == name("h2"))).await;
    assert_eq!(done.removed, [name("h3")]);
    a.until(100, || async { a.explained(100, &network(3)).await.is_empty() }).await;
    c.until_best(100, &network(1), None).await;
    let done = reload(&a, |config| config.peers = peers).await;
    assert_eq!((done.added, done.removed), (vec![name("h3")], vec![]));
    a.until_best(100, &network(3), Some(&way(3, 100))).await;
    c.until_best(100, &network(1), Some(&way(1, 100))).await;
    assert_eq!(lives(&a, "h2"), 1, "h2 was there all the while");
    drop(b);
}

/// What a peer may hear changes, and nothing that it hears before and after is missing between.
#[tokio::test]
async fn transit_is_allowed_and_denied_again_without_a_gap() {
    let spoke = "topology: {mode: hub-spoke}";
    let [a, hub, _c] =
        start([host(1, &[2], spoke), host(2, &[1, 3], spoke), host(3, &[2], spoke)]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    hub.until_best(100, &network(3), Some(&way(3, 100))).await;
    let watched = watch_for_gap(&a, &network(2)).await;
    for (transit, expected) in [
        (crate::Transit::Allow, Some(way(2, 100 + crate::RELAY_METRIC))),
        (crate::Transit::Deny, None),
    ] {
        let mut done = reload(&hub, |config| config.topology.transit = transit).await;
        done.changed.sort();
        assert_eq!(done.changed, [name("h1"), name("h3")]);
        a.until_best(100, &network(3), expected.as_deref()).await;
    }
    assert!(!watched.gap(), "the hub's own network was there all the while");
}

#[tokio::test]
async fn what_needs_a_new_process_is_named_and_stays() {
    let [a, b] = start([host(1, &[2], ""), host(2, &[1], "")]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    let before = a.speaker().config();
    let done = reload(&a, |config| {
        config.node = name("another");
        config.exchange.listen = "127.0.0.1:1".parse().unwrap();
        let overlay = config.overlays.remove(&vni(100)).unwrap();
        config.overlays.insert(vni(300), overlay);
    })
    .await;
    let kept = ["the host's name", "the address that it listens at", "which overlays there are"];
    assert_eq!(done, Reloaded { kept: kept.to_vec(), ..Reloaded::default() });
    assert_eq!(*a.speaker().config(), *before);
    assert_eq!(a.routes(100, &network(2)).await, [way(2, 100)]);
    drop(b);
}
