//! The original's JSON (the facts are of its `monitoring` and `route_control` modules).

use std::collections::BTreeMap;

use rutter_fabric::{Trace, TraceCandidate};
use rutter_protocol::planner::Planned;
use rutter_protocol::stats::{Reason, Stats};
use rutter_route::{ClusterId, Now, Standing};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Failed {
    pub(super) status: &'static str,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Traced {
    status: &'static str,
    destination: ClusterId,
    avoid_clusters: Vec<ClusterId>,
    trace: Inner,
    timestamp: f64,
}

#[derive(Debug, Serialize)]
struct Inner {
    destination: Destination,
    evaluated_at: f64,
    avoid_clusters: Vec<ClusterId>,
    candidates: Vec<Candidate>,
    selected: Option<Candidate>,
    /// Not of the original: what was refused and so is no candidate.
    refused: Vec<Refused>,
    /// Not of the original: where a request would go now.
    decision: Planned,
}

#[derive(Debug, Clone, Serialize)]
struct Destination {
    cluster_id: ClusterId,
}

#[derive(Debug, Clone, Serialize)]
struct Hops {
    hops: Vec<ClusterId>,
}

#[derive(Debug, Clone, Serialize)]
struct Candidate {
    destination: Destination,
    next_hop: ClusterId,
    advertiser: ClusterId,
    path: Hops,
    metrics: Metrics,
    score: f64,
    tiebreakers: Vec<TieBreaker>,
    expired: bool,
    /// The original's are `expired` and `avoid_clusters`; a barred route has its standing here.
    filtered_reason: Option<String>,
    /// Not of the original.
    standing: Standing,
    /// Not of the original.
    why: Option<String>,
    /// Not of the original.
    held_for_seconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct Metrics {
    hop_count: u16,
    latency_ms: f64,
    bandwidth_mbps: u32,
    reliability_score: f64,
    cost_score: f64,
}

#[derive(Debug, Clone, Serialize)]
struct TieBreaker {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    at: f64,
    neighbor: ClusterId,
    destination: String,
    path: Hops,
    reason: Reason,
}

/// Milliseconds as seconds, the original's unit.
#[allow(clippy::cast_precision_loss, reason = "a stamp in ms is far below 2^53")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

impl Traced {
    pub(super) fn of(trace: &Trace, avoid: &[ClusterId], now: Now) -> Self {
        let candidates: Vec<_> =
            trace.candidates.iter().map(|c| Candidate::of(&trace.destination, c)).collect();
        let selected = trace.candidates.iter().position(|candidate| candidate.selected);
        let selected = selected.and_then(|at| candidates.get(at)).cloned();
        let refused = trace.refused.iter().map(|refusal| Refused {
            at: seconds(refusal.at.0),
            neighbor: refusal.neighbour.clone(),
            destination: refusal.destination.to_string(),
            path: Hops { hops: refusal.path.clone() },
            reason: refusal.reason,
        });
        Self {
            status: "ok",
            destination: trace.destination.clone(),
            avoid_clusters: avoid.to_vec(),
            trace: Inner {
                destination: Destination { cluster_id: trace.destination.clone() },
                evaluated_at: seconds(now.wall.0),
                avoid_clusters: avoid.to_vec(),
                candidates,
                selected,
                refused: refused.collect(),
                decision: trace.decision.clone(),
            },
            timestamp: seconds(now.wall.0),
        }
    }
}

impl Candidate {
    fn of(destination: &ClusterId, candidate: &TraceCandidate) -> Self {
        let metrics = candidate.metrics;
        let filtered_reason = match candidate.standing.is_barred() {
            true => Some(candidate.standing.to_string()),
            false => candidate.avoided.then(|| "avoid_clusters".to_owned()),
        };
        let tiebreakers = candidate.tiebreakers.iter();
        Self {
            destination: Destination { cluster_id: destination.clone() },
            next_hop: candidate.advertiser.clone(),
            advertiser: candidate.advertiser.clone(),
            path: Hops { hops: candidate.path.clone() },
            metrics: Metrics {
                hop_count: metrics.hops,
                latency_ms: f64::from(metrics.latency_us) / 1000.0,
                bandwidth_mbps: metrics.bandwidth_kbps / 1000,
                reliability_score: f64::from(metrics.reliability_ppm) / 1_000_000.0,
                cost_score: f64::from(metrics.cost),
            },
            score: seconds(candidate.score),
            tiebreakers: tiebreakers
                .map(|(name, value)| TieBreaker { name: named(name), value: value.clone() })
                .collect(),
            // A route that has ended isn't there any more, so none is shown as ended.
            expired: false,
            filtered_reason,
            standing: candidate.standing,
            why: candidate.why.clone(),
            held_for_seconds: candidate.held_for_ms.map(seconds),
        }
    }
}

/// A criterion by the original's name for it.
fn named(criterion: &str) -> String {
    match criterion {
        "hops" => "hop_count",
        "latency" => "latency_ms",
        "reliability" => "reliability_score",
        "identity" => "advertiser",
        other => other,
    }
    .to_owned()
}

#[derive(Debug, Serialize)]
pub(super) struct Measured {
    status: &'static str,
    route_metrics: RouteMetrics,
    timestamp: f64,
}

#[derive(Debug, Serialize)]
struct RouteMetrics {
    announcements_accepted: u64,
    announcements_rejected: u64,
    withdrawals_received: u64,
    withdrawals_applied: u64,
    hold_down_rejects: u64,
    suppression_rejects: u64,
    routes_purged: u64,
    rejection_reasons: BTreeMap<Reason, u64>,
    routes_active_total: usize,
    destinations_tracked: usize,
    routes_per_destination: BTreeMap<ClusterId, usize>,
    convergence_seconds_avg: f64,
    convergence_seconds_max: f64,
}

impl Measured {
    pub(super) fn of(stats: &Stats, routes: &BTreeMap<ClusterId, usize>, now: Now) -> Self {
        let of_all = |what: fn(&rutter_protocol::stats::NeighbourStats) -> u64| {
            stats.neighbours.values().map(what).sum()
        };
        let mut rejection_reasons: BTreeMap<Reason, u64> = BTreeMap::new();
        for neighbour in stats.neighbours.values() {
            for (reason, n) in &neighbour.rejection_reasons {
                *rejection_reasons.entry(*reason).or_default() += n;
            }
        }
        let convergence = &stats.convergence;
        Self {
            status: "ok",
            route_metrics: RouteMetrics {
                announcements_accepted: of_all(|n| n.announcements_accepted),
                announcements_rejected: of_all(|n| n.announcements_rejected),
                withdrawals_received: of_all(|n| n.withdrawals_received),
                withdrawals_applied: of_all(|n| n.withdrawals_applied),
                hold_down_rejects: stats.hold_down_rejects,
                suppression_rejects: stats.suppression_rejects,
                routes_purged: stats.routes_purged,
                rejection_reasons,
                routes_active_total: routes.values().sum(),
                destinations_tracked: routes.len(),
                routes_per_destination: routes.clone(),
                convergence_seconds_avg: match convergence.n {
                    0 => 0.0,
                    n => seconds(convergence.sum_ms) / seconds(n * 1000),
                },
                convergence_seconds_max: seconds(convergence.max_ms),
            },
            timestamp: seconds(now.wall.0),
        }
    }
}
