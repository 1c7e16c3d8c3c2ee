use proptest::prelude::*;
use rutter_rib::{Batch, Tell, ToldRoute};
use rutter_route::*;

use super::*;

fn everything() -> Attributes {
    let step = |cluster: &str| PathStep {
        cluster: cluster.parse().unwrap(),
        table: "services".parse().unwrap(),
    };
    Attributes {
        preference: 300,
        priority: "1.5".parse().unwrap(),
        metric: 7,
        hops: 3,
        latency_us: 1500,
        bandwidth_kbps: 100_000,
        reliability_ppm: 999_000,
        cost: 11,
        weight: 4,
        group: Some("pair".parse().unwrap()),
        tags: vec!["edge".parse().unwrap(), "region=eu".parse().unwrap()].try_into().unwrap(),
        health_check: Some(HealthCheck { path: "/healthz".into(), host: Some("web".into()) }),
        path_list: vec![step("west"), step("east")].into(),
        ..Attributes::via("https://[2001:db8::1]:8443?tls=app.example.org".parse().unwrap())
    }
}

fn told(hop: &str, source: &str) -> ToldRoute {
    ToldRoute {
        route: RouteKey {
            source: source.parse().unwrap(),
            path: "http 10.0.0.1:80".parse().unwrap(),
        },
        attributes: Attributes::via(hop.parse().unwrap()),
        standing: Standing::Stale,
        equal: true,
    }
}

fn teller() -> SourceId {
    "peer/west".parse().unwrap()
}

#[test]
fn every_attribute_travels() {
    let hops = [
        "10.0.0.1",
        "2001:db8::1",
        "http://10.0.0.1:80",
        "node:12",
        "peer:west",
        "tunnel:home",
        "cluster:east",
        "discard",
    ];
    let plain = hops.iter().map(|hop| Attributes::via(hop.parse().unwrap()));
    for attributes in plain.chain([everything()]) {
        let wire = route::encode_attributes(&attributes);
        assert_eq!(route::decode_attributes(&wire), Ok(attributes));
    }
}

#[test]
fn batches_of_every_family_travel() {
    fn travels<D: Family>(destinations: [&str; 3]) {
        let [a, b, c] = destinations.map(|text| text.parse::<D>().unwrap());
        let routes = vec![told("10.0.0.1", "node/1"), told("discard", "peer/west")];
        let batch = Batch {
            tells: vec![
                Tell::Advertise { number: 1, destination: a, routes },
                Tell::Advertise { number: 2, destination: b, routes: Vec::new() },
                Tell::Withdraw { number: 3, destination: c },
            ],
            begin_snapshot: true,
            end_of_snapshot: true,
            more: false,
        };
        let updates = tells::encode(&"t".parse().unwrap(), 9, &batch);
        assert_eq!(updates.len(), 1);
        assert_eq!(tells::decode(&updates[0], &teller()), (batch, vec![]));
    }
    travels::<Prefix>(["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"]);
    travels::<Service>(["web.alice.localhost", "tcp:db.localhost", "udp:dns.localhost"]);
    travels::<ClusterId>(["west", "east", "north"]);
}

#[test]
fn a_large_batch_is_several_updates_with_one_beginning_and_one_end() {
    let service = |n: u64| format!("s{n}.localhost").parse::<Service>().unwrap();
    let routes: Vec<_> = (0..200).map(|_| told("http://10.0.0.1:80", "agent/a")).collect();
    let tell = |n| Tell::Advertise { number: n, destination: service(n), routes: routes.clone() };
    let tells: Vec<_> = (1..=100).map(tell).collect();
    let batch = Batch { tells, begin_snapshot: true, end_of_snapshot: true, more: false };
    let updates = tells::encode(&"services".parse().unwrap(), 1, &batch);
    assert!(updates.len() > 1);
    let begins: Vec<_> = updates.iter().map(|u| u.begin_snapshot).collect();
    let ends: Vec<_> = updates.iter().map(|u| u.end_of_snapshot).collect();
    assert_eq!(begins.iter().filter(|b| **b).count(), 1);
    assert_eq!(ends.iter().filter(|e| **e).count(), 1);
    assert!(begins[0] && ends[ends.len() - 1]);
    for update in &updates {
        use prost::Message;
        assert!(update.encoded_len() < 2 * UPDATE_BYTES, "{}", update.encoded_len());
    }
    let back = updates.iter().flat_map(|u| tells::decode::<Service>(u, &teller()).0.tells);
    assert_eq!(back.collect::<Vec<_>>(), batch.tells);
}

/// A route that can't be understood costs itself, and the error names its field.
#[test]
fn malformed_fields_are_named_and_cost_their_route_alone() {
    type Spoil = fn(&mut v1::Route);
    let cases: [(Spoil, &str); 10] = [
        (|r| r.source = "alice".into(), "route.source"),
        (|r| r.path = "x".repeat(256), "route.path"),
        (|r| r.attributes = None, "route.attributes"),
        (|r| r.standing = 77, "route.standing"),
        (|r| r.attributes.as_mut().unwrap().next_hop = "nowhere".into(), "route.next_hop"),
        (|r| r.attributes.as_mut().unwrap().priority = "first".into(), "route.priority"),
        (|r| r.attributes.as_mut().unwrap().hops = 70_000, "route.hops"),
        (|r| r.attributes.as_mut().unwrap().weight = Some(70_000), "route.weight"),
        (|r| r.attributes.as_mut().unwrap().tags = vec!["a b".into()], "route.tags"),
        (
            |r| {
                let check = v1::HealthCheck { path: "healthz".into(), host: String::new() };
                r.attributes.as_mut().unwrap().health_check = Some(check);
            },
            "route.health_check.path",
        ),
    ];
    for (spoil, field) in cases {
        let good = told("http://10.0.0.1:80", "agent/a");
        let mut bad = route::encode(&told("http://10.0.0.2:80", "agent/b"));
        spoil(&mut bad);
        let destination = "web.localhost".parse::<Service>().unwrap();
        let tell = v1::Tell {
            number: 5,
            destination: Some(destination::encode(&destination)),
            withdraw: false,
            routes: vec![bad.clone(), route::encode(&good)],
        };
        let update = v1::Update { tells: vec![tell], ..v1::Update::default() };
        let (batch, malformed) = tells::decode::<Service>(&update, &teller());
        assert_eq!(malformed.iter().map(|m| m.field).collect::<Vec<_>>(), [field]);
        let routes = vec![good];
        assert_eq!(batch.tells, [Tell::Advertise { number: 5, destination, routes }], "{field}");
    }
}

#[test]
fn destinations_are_checked() {
    use v1::destination::Of;
    let of = |of| v1::Destination { of: Some(of) };
    let prefix =
        |address: &[u8], length| of(Of::Prefix(v1::Prefix { address: address.into(), length }));
    let cases = [
        (v1::Destination { of: None }, "destination"),
        (prefix(&[10, 0, 0], 8), "destination.prefix.address"),
        (prefix(&[10, 0, 0, 0], 300), "destination.prefix.length"),
        (prefix(&[10, 0, 0, 1], 8), "destination.prefix"),
        (prefix(&[10, 0, 0, 0], 33), "destination.prefix"),
        (of(Of::Service("a b".into())), "destination.service"),
        (of(Of::Cluster("west".into())), "destination"),
    ];
    for (wire, field) in cases {
        assert_eq!(destination::decode::<Prefix>(Some(&wire)).unwrap_err().field, field);
    }
}

#[test]
fn observations_and_reports_travel() {
    use std::time::Duration;
    let seen = |is| Observation {
        destination: "web.localhost".parse::<Service>().unwrap(),
        route: RouteKey { source: teller(), path: PathId::default() },
        is,
    };
    use observation::{Observation, Seen};
    let left = |left| Seen::Unhealthy { why: "refused".into(), left };
    for is in [Seen::Unknown, Seen::Healthy, left(None), left(Some(Duration::from_secs(3)))] {
        let observation = seen(is);
        assert_eq!(observation::decode(&observation::encode(&observation)), Ok(observation));
    }
    let report = crate::SourceReport {
        lease: Some(Duration::from_secs(600)),
        renew: Some(Duration::from_secs(300)),
        outcomes: vec![
            crate::Outcome {
                destination: Some(AnyDestination::Service("web.localhost".parse().unwrap())),
                path: "a".parse().unwrap(),
                is: Ok(Standing::Unapproved),
            },
            crate::Outcome { destination: None, path: PathId::default(), is: Err("no".into()) },
        ],
    };
    let refusal = crate::Refusal::new(crate::RefusalCode::Bound, "too many");
    for answered in [Ok(report), Err(refusal)] {
        let wire = said::encode_report("services".into(), "agent".into(), answered.clone());
        assert_eq!(said::decode_report(&wire), Ok(answered));
    }
}

fn changes() -> impl Strategy<Value = crate::MapChange> {
    use crate::{MapChange, MapExit, MapPeer};
    fn map<K: Ord + std::fmt::Debug, V: std::fmt::Debug>(
        keys: impl Strategy<Value = K>,
        values: impl Strategy<Value = V>,
    ) -> impl Strategy<Value = std::collections::BTreeMap<K, Option<V>>> {
        prop::collection::btree_map(keys, prop::option::of(values), 0..8)
    }
    let addresses = || prop::collection::vec(any::<std::net::IpAddr>(), 0..4);
    let nodes = || any::<u64>().prop_map(NodeId);
    let prefixes = (any::<std::net::IpAddr>(), 0_u8..=128).prop_map(|(address, length)| {
        let most = if address.to_canonical().is_ipv4() { 32 } else { 128 };
        Prefix::truncated(address.to_canonical(), length.min(most)).unwrap()
    });
    let peers = (".{0,20}", addresses(), addresses());
    let peers =
        peers.prop_map(|(name, addresses, endpoints)| MapPeer { name, addresses, endpoints });
    let exits = (any::<bool>(), any::<bool>()).prop_map(|(v4, v6)| MapExit { v4, v6 });
    (map(nodes(), peers), map(prefixes, nodes()), map(nodes(), exits))
        .prop_map(|(peers, routes, exits)| MapChange { peers, routes, exits })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_of_maps_travel(change in changes(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let bytes = change.encode();
        prop_assert_eq!(crate::MapChange::decode(&bytes), Ok(change));
        // Whatever arrives is understood or refused.
        let _either = crate::MapChange::decode(&noise);
        let _cut = crate::MapChange::decode(&bytes[..bytes.len() / 2]);
    }
}

#[test]
fn a_map_with_a_part_that_is_wrong_is_refused_whole() {
    use prost::Message;
    let wrong = v1::MapChange {
        routes_gone: vec![v1::Prefix { address: vec![10, 0, 0, 0], length: 8 }],
        routes: vec![v1::MapRoute { prefix: None, node: 3 }],
        ..v1::MapChange::default()
    };
    let refused = crate::MapChange::decode(&wrong.encode_to_vec()).unwrap_err();
    assert_eq!(refused.field, "map.route.prefix");
    let wrong = v1::MapPeer { node: 1, endpoints: vec![vec![1, 2, 3]], ..v1::MapPeer::default() };
    let wrong = v1::MapChange { peers: vec![wrong], ..v1::MapChange::default() };
    let refused = crate::MapChange::decode(&wrong.encode_to_vec()).unwrap_err();
    assert_eq!(refused.field, "map.peer.endpoints");
}
