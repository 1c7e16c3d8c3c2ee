use rutter_route::{Attributes, PathId, RouteKey, SourceId, Standing};

use super::*;

fn told(next_hop: &str, metric: u32, weight: u16, equal: bool) -> ToldRoute {
    let source: SourceId = format!("peer/{}", next_hop.replace(':', "-")).parse().unwrap();
    let attributes = Attributes::via(next_hop.parse().unwrap());
    ToldRoute {
        route: RouteKey { source, path: PathId::default() },
        attributes: Attributes { metric, weight, ..attributes },
        standing: Standing::Eligible,
        equal,
    }
}

#[test]
fn the_best_and_its_equals_are_the_hops_and_its_metric_the_priority() {
    let prefix: Prefix = "172.16.0.0/24".parse().unwrap();
    let via = |address: &str| Hop::via(address.parse().unwrap());
    let through = |hops: Vec<Hop>| Target::Via(HopSet::new(hops).unwrap());
    let cases = [
        (vec![], Ok((Target::Unreachable, 0))),
        (vec![told("discard", 5, 1, true)], Ok((Target::Blackhole, 5))),
        (
            vec![
                told("10.0.0.1", 100, 2, true),
                told("10.0.0.2", 100, 1, true),
                told("10.0.0.3", 200, 1, false),
            ],
            Ok((through(vec![via("10.0.0.1").weighing(2), via("10.0.0.2")]), 100)),
        ),
        (
            vec![told("node:7", 1, 1, true), told("10.0.0.2", 1, 1, true)],
            Ok((through(vec![via("10.0.0.2")]), 1)),
        ),
        (vec![told("node:7", 1, 1, true)], Err("`node:7` is no next hop of the kernel's")),
    ];
    for (routes, expected) in cases {
        let expected = expected.map(|(target, priority)| Wanted { target, priority });
        assert_eq!(ByAddress.wanted(&prefix, &routes), expected.map_err(str::to_owned));
    }
}
