//! The forms that the original's clients read.

use std::collections::BTreeMap;

use rutter_fabric::{Trace, TraceCandidate};
use rutter_protocol::planner::{Outcome, Planned};
use rutter_protocol::speaker::Refusal;
use rutter_protocol::stats::{Convergence, NeighbourStats, Reason, Stats};
use rutter_protocol::wire::Metrics;
use rutter_route::{AnyDestination, ClusterId, Now, Standing, Wall};

use super::wire::{Measured, Traced};

fn cluster(name: &str) -> ClusterId {
    name.parse().unwrap()
}

fn clusters(names: &[&str]) -> Vec<ClusterId> {
    names.iter().map(|name| cluster(name)).collect()
}

fn candidate(advertiser: &str, standing: Standing, selected: bool) -> TraceCandidate {
    TraceCandidate {
        advertiser: cluster(advertiser),
        path: clusters(&["a", advertiser, "c"]),
        metrics: Metrics {
            hops: 2,
            latency_us: 5_500,
            bandwidth_kbps: 100_000,
            ..Metrics::default()
        },
        score: 25_500,
        tiebreakers: vec![("hops".into(), "2".into()), ("identity".into(), advertiser.into())],
        standing,
        why: standing.is_barred().then(|| "hold-down".into()),
        avoided: false,
        selected,
        held_for_ms: (standing == Standing::Held).then_some(1500),
    }
}

#[test]
fn a_trace_has_the_originals_fields_and_what_it_lacks() {
    let trace = Trace {
        destination: cluster("c"),
        candidates: vec![
            candidate("b", Standing::Eligible, true),
            candidate("d", Standing::Held, false),
        ],
        refused: vec![Refusal {
            at: Wall(2_000),
            neighbour: cluster("e"),
            scope: "fabric".parse().unwrap(),
            destination: AnyDestination::Cluster(cluster("c")),
            path: clusters(&["e", "a", "c"]),
            reason: Reason::Loop,
        }],
        decision: Planned {
            next_hop: Some(cluster("b")),
            reason: Outcome::Ok,
            path: clusters(&["a", "b", "c"]),
        },
    };
    let traced = Traced::of(&trace, &clusters(&["x"]), Now::new(1, 3_500));
    insta::assert_json_snapshot!(traced);
}

#[test]
fn the_metrics_have_the_originals_names_and_sum_all_neighbours() {
    let neighbour = |n, reason| NeighbourStats {
        announcements_accepted: n,
        announcements_rejected: 1,
        rejection_reasons: BTreeMap::from([(reason, 1)]),
        ..NeighbourStats::default()
    };
    let stats = Stats {
        neighbours: BTreeMap::from([
            (cluster("b"), neighbour(3, Reason::Loop)),
            (cluster("d"), neighbour(4, Reason::Itself)),
        ]),
        hold_down_rejects: 2,
        convergence: Convergence { n: 2, sum_ms: 300, max_ms: 200, ..Convergence::default() },
        ..Stats::default()
    };
    let routes = BTreeMap::from([(cluster("b"), 1), (cluster("c"), 2)]);
    insta::assert_json_snapshot!(Measured::of(&stats, &routes, Now::new(1, 3_500)));
}
