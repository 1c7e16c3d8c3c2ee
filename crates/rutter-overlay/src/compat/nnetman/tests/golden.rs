//! The golden rows of the wire, by their numbers in the description of the original, with what
//! Rutter answers. Rows 8 and 13 need a kernel, row 18 is a measure.

use tonic::{Code, Status};

use super::given::*;
use crate::compat::nnetman::wire::v1;

type Client =
    crate::compat::nnetman::wire::v1::n_net_man_client::NNetManClient<tonic::transport::Channel>;

async fn announce(client: &mut Client, node: &str, routes: Vec<v1::Route>) -> v1::RouteAck {
    tried(client, node, routes).await.unwrap()
}

async fn tried(
    client: &mut Client,
    node: &str,
    routes: Vec<v1::Route>,
) -> Result<v1::RouteAck, Status> {
    soon(client.announce_routes(announcement(node, routes))).await.map(|ack| ack.into_inner())
}

async fn withdraw(client: &mut Client, node: &str, prefixes: &[&str]) -> u32 {
    let ack = soon(client.withdraw_routes(withdrawal(node, prefixes))).await.unwrap().into_inner();
    assert!(ack.accepted && ack.error.is_empty(), "{ack:?}");
    ack.routes_processed
}

#[tokio::test]
async fn row_1_state_is_answered_with_own_routes_next_hop_and_lease_filled() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let answer = soon(client.exchange_state(state("p2", vec![]))).await.unwrap().into_inner();
    assert_eq!((answer.node_id.as_str(), answer.accepted), ("node-a", true));
    let own = v1::Route { lease_seconds: 30, ..route("172.16.10.0/24", "10.100.0.1", 100) };
    assert_eq!(answer.routes, std::slice::from_ref(&own), "p2 has part in overlay 100 only");
    let answer = soon(client.exchange_state(state("p1", vec![]))).await.unwrap().into_inner();
    let other = v1::Route { vni: 200, next_hop: "10.200.0.1".into(), ..own.clone() };
    assert_eq!(answer.routes, [own, other]);
    // With routes it takes them in; with fewer it sweeps none.
    for routes in [vec![route("172.16.4.0/24", "10.100.0.2", 5)], vec![]] {
        soon(client.exchange_state(state("p1", routes))).await.unwrap();
        let best = given.routes(100, "172.16.4.0/24").await;
        assert_eq!(best, ["peer/p1 via 10.100.0.2 metric 5"]);
    }
}

#[tokio::test]
async fn row_2_who_says_no_name_is_refused() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let calls = [
        soon(client.exchange_state(state("", vec![]))).await.map(drop),
        soon(client.announce_routes(announcement("", vec![]))).await.map(drop),
        soon(client.withdraw_routes(withdrawal("", &[]))).await.map(drop),
    ];
    for call in calls {
        let status = call.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "node_id is required")
        );
    }
}

#[tokio::test]
async fn row_3_who_is_no_peer_is_refused_unless_the_configuration_opens_it() {
    let routes = || vec![route("172.16.4.0/24", "10.100.0.9", 1)];
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let status = tried(&mut client, "nobody", routes()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(given.routes(100, "172.16.4.0/24").await.is_empty());

    let open = NODE_A.replace("insecure: true", "insecure: true, accept_unlisted_peers: true");
    let given = Given::new(&open).await;
    let mut client = client_of(&given).await;
    assert_eq!(announce(&mut client, "nobody", routes()).await.routes_processed, 1);
    assert_eq!(given.routes(100, "172.16.4.0/24").await.len(), 1);
    assert_eq!(withdraw(&mut client, "nobody", &["172.16.4.0/24"]).await, 1);
    assert!(given.routes(100, "172.16.4.0/24").await.is_empty());
    let itself = tried(&mut client, "node-a", routes()).await.unwrap_err();
    assert_eq!(itself.code(), Code::PermissionDenied, "nobody is this host but itself");
}

#[tokio::test]
async fn row_4_what_policy_refuses_is_not_counted_and_named_and_explained() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let refused = ["172.16.99.0/24", "10.1.0.0/16", "172.16.0.0/16", "0.0.0.0/0"];
    let routes = refused.map(|prefix| route(prefix, "10.100.0.2", 1)).to_vec();
    let ack = announce(&mut client, "p1", routes).await;
    assert_eq!((ack.accepted, ack.routes_processed), (true, 0));
    let by_overlap = "deny 172.16.99.0/24";
    assert_eq!(
        ack.error,
        format!(
            "172.16.99.0/24: {by_overlap}; 10.1.0.0/16: not in allow; 172.16.0.0/16: {by_overlap}; \
             0.0.0.0/0: {by_overlap}"
        )
    );
    for prefix in refused {
        assert!(given.routes(100, prefix).await.is_empty());
        let explained = given.explained(100, prefix).await;
        assert!(explained[0].starts_with("Denied: "), "{explained:?}");
    }
    let totals = given.speaker().totals();
    assert!(totals.refused.contains(&("policy", 4)), "{totals:?}");
    // A flood is named in part.
    let flood = (0..100).map(|n| route(&format!("10.2.{n}.0/24"), "10.100.0.2", 1)).collect();
    let ack = announce(&mut client, "p1", flood).await;
    assert!(ack.error.ends_with("; and 84 more"), "{}", ack.error);
}

#[tokio::test]
async fn row_5_what_cant_be_read_is_refused_and_no_next_hop_means_the_peers_own() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let routes = vec![
        route("not/a\nprefix", "10.100.0.2", 1),
        route("172.16.5.0/24", "gateway", 1),
        route("172.16.6.0/24", "", 1),
    ];
    let ack = announce(&mut client, "p1", routes).await;
    assert_eq!((ack.accepted, ack.routes_processed), (true, 1));
    assert_eq!(
        ack.error,
        "not/a\\nprefix: expected a prefix, such as 172.16.10.0/24; \
         172.16.5.0/24: expected an address as the next hop, or none"
    );
    // Where that is isn't known yet.
    assert!(given.routes(100, "172.16.6.0/24").await.is_empty());
    assert!(given.explained(100, "172.16.6.0/24").await[0].starts_with("Unresolved: peer:p1"));
    let known = vec![route("172.16.7.0/24", "10.100.0.2", 1), route("172.16.6.0/24", "", 1)];
    assert_eq!(announce(&mut client, "p1", known).await.routes_processed, 2);
    let best = given.routes(100, "172.16.6.0/24").await;
    assert_eq!(best, ["peer/p1 via 10.100.0.2 metric 1"]);
}

#[tokio::test]
async fn row_6_an_overlay_that_isnt_here_or_isnt_the_peers_is_refused() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let within = |vni| v1::Route { vni, ..route("172.16.4.0/24", "10.100.0.2", 1) };
    let ack = announce(&mut client, "p2", vec![within(999), within(0), within(200)]).await;
    assert_eq!(ack.routes_processed, 0);
    assert_eq!(
        ack.error,
        "172.16.4.0/24: there is no overlay 999 here; 172.16.4.0/24: there is no overlay 0 here; \
         172.16.4.0/24: the sender has no part in overlay 200"
    );
}

#[tokio::test]
async fn row_7_a_prefix_means_the_same_however_it_is_written() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    for withdrawn in ["172.16.4.0/24", "172.16.4.77/24"] {
        let routes = vec![route("172.16.4.77/24", "10.100.0.2", 1)];
        assert_eq!(announce(&mut client, "p1", routes).await.routes_processed, 1);
        assert_eq!(given.routes(100, "172.16.4.0/24").await.len(), 1);
        assert_eq!(withdraw(&mut client, "p1", &[withdrawn]).await, 1);
        assert!(given.routes(100, "172.16.4.0/24").await.is_empty());
    }
    assert_eq!(withdraw(&mut client, "p1", &["172.16.4.0/24", "nonsense"]).await, 0);
}

#[tokio::test]
async fn rows_9_and_11_a_withdrawal_leaves_the_other_peers_route() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let prefix = "172.16.4.0/24";
    announce(&mut client, "p1", vec![route(prefix, "10.100.0.2", 100)]).await;
    announce(&mut client, "p2", vec![route(prefix, "10.100.0.3", 100)]).await;
    let both = given.routes(100, prefix).await;
    assert_eq!(both, ["peer/p1 via 10.100.0.2 metric 100", "peer/p2 via 10.100.0.3 metric 100"]);
    assert_eq!(withdraw(&mut client, "p2", &[prefix]).await, 1);
    assert_eq!(given.routes(100, prefix).await, both[..1]);
    assert_eq!(withdraw(&mut client, "p2", &[prefix]).await, 0, "p1's isn't p2's to take back");
    assert_eq!(given.routes(100, prefix).await, both[..1]);
}

#[tokio::test]
async fn rows_10_and_14_a_peer_has_one_route_to_a_network_and_a_metric() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let prefix = "172.16.4.0/24";
    for (told, is) in [(50, 50), (200, 200), (0, 100)] {
        announce(&mut client, "p1", vec![route(prefix, "10.100.0.2", told)]).await;
        let routes = given.routes(100, prefix).await;
        assert_eq!(routes, [format!("peer/p1 via 10.100.0.2 metric {is}")]);
    }
    assert_eq!(withdraw(&mut client, "p1", &[prefix]).await, 1);
    assert!(given.routes(100, prefix).await.is_empty());
}

#[tokio::test]
async fn a_withdrawal_is_for_all_overlays_that_the_peer_is_in() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let prefix = "172.16.4.0/24";
    let in_both = [100, 200].map(|vni| v1::Route { vni, ..route(prefix, "10.100.0.2", 1) });
    assert_eq!(announce(&mut client, "p1", in_both.to_vec()).await.routes_processed, 2);
    assert_eq!(withdraw(&mut client, "p1", &[prefix]).await, 2);
}

#[tokio::test]
async fn row_12_nobody_is_believed_without_proof_unless_that_is_waived() {
    let given = Given::new(&NODE_A.replace("rutter: {insecure: true}\n", "")).await;
    let mut client = client_of(&given).await;
    let status = tried(&mut client, "p1", vec![]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = soon(client.exchange_state(state("", vec![]))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "as before");
}

#[tokio::test]
async fn row_15_a_stream_of_keepalives_is_answered_and_ends_well() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    announce(&mut client, "p1", vec![route("172.16.4.0/24", "10.100.0.2", 1)]).await;
    let asked = (40..43).map(|sequence| v1::KeepaliveRequest {
        node_id: "p1".into(),
        sequence,
        timestamp_ms: 1,
    });
    let asked = tokio_stream::iter(asked.collect::<Vec<_>>());
    let mut answers = soon(client.keepalive(asked)).await.unwrap().into_inner();
    for sequence in 40..43 {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert_eq!((answer.node_id.as_str(), answer.sequence), ("node-a", sequence));
        let health = answer.health.unwrap();
        assert_eq!((health.healthy, health.route_count), (true, 3), "two own, one learned");
        assert!(answer.timestamp_ms > 0);
    }
    assert_eq!(soon(answers.message()).await.unwrap(), None);
    assert!(soon(answers.trailers()).await.is_ok(), "the status is OK");
}

#[tokio::test]
async fn rows_16_and_17_what_is_the_receivers_own_is_refused() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let routes = vec![
        route("172.16.4.0/24", "10.100.0.1", 1),
        route("172.16.4.0/24", "127.0.0.1", 1),
        route("172.16.10.0/24", "10.100.0.2", 1),
    ];
    let ack = announce(&mut client, "p1", routes).await;
    assert_eq!((ack.accepted, ack.routes_processed), (true, 0));
    assert_eq!(
        ack.error,
        "172.16.4.0/24: next hop is this host; \
         172.16.4.0/24: next hop is not a router's address; \
         172.16.10.0/24: own network 172.16.10.0/24"
    );
    // In the overlay that takes everything too.
    let own = v1::Route { vni: 200, ..route("172.16.10.0/24", "10.200.0.2", 1) };
    assert_eq!(announce(&mut client, "p1", vec![own]).await.routes_processed, 0);
}

#[tokio::test]
async fn rows_19_and_20_forty_thousand_routes_come_and_go_in_one_message() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let prefixes: Vec<String> =
        (0..40_000).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    let within = |prefix: &String| v1::Route { vni: 200, ..route(prefix, "10.200.0.2", 1) };
    let ack = announce(&mut client, "p1", prefixes.iter().map(within).collect()).await;
    assert_eq!((ack.routes_processed, ack.error.as_str()), (40_000, ""));
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    assert_eq!(withdraw(&mut client, "p1", &prefixes[..1_000]).await, 1_000);
    assert_eq!(withdraw(&mut client, "p1", &prefixes).await, 39_000);
}

#[tokio::test]
async fn a_lease_ends_what_isnt_said_again() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    let short = v1::Route { lease_seconds: 1, ..route("172.16.4.0/24", "10.100.0.2", 1) };
    let lasting = v1::Route { lease_seconds: 0, ..route("172.16.5.0/24", "10.100.0.2", 1) };
    announce(&mut client, "p1", vec![short, lasting]).await;
    assert_eq!(given.routes(100, "172.16.4.0/24").await.len(), 1);
    given.until_best(100, "172.16.4.0/24", None).await;
    assert_eq!(given.routes(100, "172.16.5.0/24").await.len(), 1);
}

/// S19: a peer whose clock is wrong by an hour, either way.
#[tokio::test]
async fn s19_what_a_peers_clock_says_changes_nothing() {
    let given = Given::new(NODE_A).await;
    let mut client = client_of(&given).await;
    for (wrong_by, prefix) in [(-3_600_000, "172.16.4.0/24"), (3_600_000, "172.16.5.0/24")] {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let timestamp_ms = i64::try_from(now.as_millis()).unwrap() + wrong_by;
        let routes = vec![v1::Route { lease_seconds: 30, ..route(prefix, "10.100.0.2", 5) }];
        let said = v1::RouteAnnouncement { timestamp_ms, ..announcement("p1", routes) };
        soon(client.announce_routes(said)).await.unwrap();
        assert_eq!(given.routes(100, prefix).await, ["peer/p1 via 10.100.0.2 metric 5"]);
    }
}
