//! Ways through others: hubs, relays, and who may have them.

use super::net::*;
use crate::testing::*;
use crate::{Parting, RELAY_METRIC};

const HUB: &str = "topology: {mode: hub-spoke, transit: allow}";
const SPOKE: &str = "topology: {mode: hub-spoke}";

/// The way to a network through another host.
fn through(by: u8) -> String {
    way(by, 100 + RELAY_METRIC)
}

#[tokio::test]
async fn spokes_learn_each_others_networks_by_the_hub() {
    let [a, hub, c] =
        start([host(1, &[2], SPOKE), host(2, &[1, 3], HUB), host(3, &[2], SPOKE)]).await;
    a.until_best(100, &network(3), Some(&through(2))).await;
    c.until_best(100, &network(1), Some(&through(2))).await;
    // A spoke goes: the other forgets it.
    c.end(Parting::Goodbye).await;
    a.until_best(100, &network(3), None).await;
    assert_eq!(a.routes(100, &network(2)).await, [way(2, 100)], "the hub's own stays");
    drop(hub);
}

#[tokio::test]
async fn a_hub_that_denies_transit_tells_of_nothing_but_its_own() {
    let [a, _hub, c] =
        start([host(1, &[2], SPOKE), host(2, &[1, 3], SPOKE), host(3, &[2], SPOKE)]).await;
    a.until_best(100, &network(2), Some(&way(2, 100))).await;
    c.until_best(100, &network(2), Some(&way(2, 100))).await;
    assert!(a.explained(100, &network(3)).await.is_empty(), "it was never said");
}

#[tokio::test]
async fn a_denied_peer_hears_of_no_others_and_they_not_of_it() {
    let hub = "topology: {mode: hub-spoke, transit: allow, \
               transit_policy: {denied_transit_peers: [h3]}}";
    let spoke = |n| host(n, &[2], SPOKE);
    let [a, _hub, c, d] = start([spoke(1), host(2, &[1, 3, 4], hub), spoke(3), spoke(4)]).await;
    a.until_best(100, &network(4), Some(&through(2))).await;
    d.until_best(100, &network(1), Some(&through(2))).await;
    c.until_best(100, &network(2), Some(&way(2, 100))).await;
    assert!(a.explained(100, &network(3)).await.is_empty());
    assert!(c.explained(100, &network(1)).await.is_empty());
}

#[tokio::test]
async fn a_relay_is_a_reserve_where_direct_ways_are_preferred() {
    let all = "topology: {transit: allow}";
    // The direct way costs more, and is taken all the same.
    let mut c = host(3, &[1, 2], all);
    let networks = [host(1, &[2, 3], all), host(2, &[1, 3], all)];
    c.overlays.get_mut(&vni(100)).unwrap().export.metric = 500;
    let [a, b] = networks;
    let [a, b, c] = start([a, b, c]).await;
    a.until(100, || async {
        a.routes(100, &network(3)).await == [way(3, 500), way(2, 500 + RELAY_METRIC)]
    })
    .await;
    // Nothing of the reserve is told on, to whom it leads least of all.
    assert!(b.explained(100, &network(3)).await.len() <= 2);
    c.kill();
    a.until_best(100, &network(3), None).await;
    b.until_best(100, &network(3), None).await;
}

#[tokio::test]
async fn who_cant_be_reached_is_reached_by_a_relay_unless_that_is_off() {
    for (fallback, expected) in [(true, Some(through(2))), (false, None)] {
        let mode = format!("topology: {{transit: allow, relay_fallback: {fallback}}}");
        let [at_a, at_b, at_c] = [listener(), listener(), listener()];
        let [a, b, c] = [&at_a, &at_b, &at_c].map(|listener| listener.address());
        // h1 and h3 have no way to each other.
        let one = Given::start(host(1, &[2, 3], &mode), at_a, vec![("h2", b)]).await;
        let to_both = vec![("h1", a), ("h3", c)];
        let _two = Given::start(host(2, &[1, 3], &mode), at_b, to_both).await;
        let _three = Given::start(host(3, &[1, 2], &mode), at_c, vec![("h2", b)]).await;
        let explained = one.until_said(100, &network(3)).await;
        one.until_best(100, &network(3), expected.as_deref()).await;
        if !fallback {
            assert!(explained[0].contains("relayed without fallback"), "{explained:?}");
        }
    }
}

#[tokio::test]
async fn a_full_mesh_takes_no_ways_through_others() {
    let mesh = "topology: {mode: full-mesh}";
    let [a, _hub, _c] =
        start([host(1, &[2], mesh), host(2, &[1, 3], HUB), host(3, &[2], SPOKE)]).await;
    let explained = a.until_said(100, &network(3)).await;
    assert!(explained[0].contains("relayed in a full mesh"), "{explained:?}");
}

/// In a ring each hears of each by two ways; what the origin takes back is nowhere at once.
#[tokio::test]
async fn a_ring_forgets_what_its_origin_takes_back() {
    let ring = "topology: {mode: static, transit: allow}";
    let [a, b, c] =
        start([host(1, &[2, 3], ring), host(2, &[1, 3], ring), host(3, &[1, 2], ring)]).await;
    let net = "172.20.0.0/16";
    for _ in 0..3 {
        a.speaker().set_own(vni(100), [prefix(net)].into()).await.unwrap();
        for (given, other) in [(&b, 3), (&c, 2)] {
            given
                .until(100, || async {
                    given.routes(100, net).await == [way(1, 100), through(other)]
                })
                .await;
        }
        a.speaker().set_own(vni(100), [].into()).await.unwrap();
        for given in [&a, &b, &c] {
            given.until(100, || async { given.explained(100, net).await.is_empty() }).await;
        }
    }
}
