//! What `rutter fabric` prints for people.

use rutter_fabric::{FabricStatus, PolicyDiff, Trace, TraceCandidate};
use rutter_protocol::planner::{Outcome, Planned};
use rutter_protocol::stats::Stats;
use rutter_protocol::wire::Metrics;
use rutter_route::ClusterId;
use serde_json::Value;

use crate::text::{clock, span, table};

pub(super) fn status(status: &FabricStatus) -> String {
    let scopes: Vec<_> = status.scopes.iter().map(ToString::to_string).collect();
    let mut out = format!(
        "cluster {}, boot {}, carries {}, holds {} claims\n",
        status.cluster,
        status.incarnation,
        scopes.join(", "),
        status.claims
    );
    if status.neighbours.is_empty() {
        out.push_str("it has no neighbours: write them under `fabric.neighbours`\n");
        return out;
    }
    let sum = |routes: &std::collections::BTreeMap<_, usize>| routes.values().sum::<usize>();
    let rows = status.neighbours.iter().map(|neighbour| {
        vec![
            neighbour.cluster.to_string(),
            if neighbour.connected { "up" } else { "down" }.to_owned(),
            neighbour.connections.to_string(),
            cost(&neighbour.link),
            sum(&neighbour.routes_heard).to_string(),
            sum(&neighbour.routes_told).to_string(),
            neighbour.gateway.clone(),
        ]
    });
    let headings = ["NEIGHBOUR", "SESSION", "CONNECTIONS", "LINK", "HEARD", "TOLD", "GATEWAY"];
    out.push_str(&table(&headings, rows.collect()));
    out
}

/// What a path or link costs, in a cell.
fn cost(metrics: &Metrics) -> String {
    let mut cells = vec![format!("{:.1} ms", f64::from(metrics.latency_us) / 1000.0)];
    if metrics.bandwidth_kbps > 0 {
        cells.push(format!("{} Mbit/s", metrics.bandwidth_kbps / 1000));
    }
    if metrics.reliability_ppm < 1_000_000 {
        cells.push(format!("{:.1} % arrive", f64::from(metrics.reliability_ppm) / 10_000.0));
    }
    if metrics.cost > 0 {
        cells.push(format!("cost {}", metrics.cost));
    }
    cells.join(", ")
}

pub(super) fn trace(trace: &Trace) -> String {
    let mut out = String::new();
    if trace.candidates.is_empty() {
        out.push_str(&format!("no neighbour says that it reaches {}\n", trace.destination));
    } else {
        let headings = ["", "ADVERTISER", "PATH", "HOPS", "COSTS", "SCORE", "STANDING", "WHY"];
        out.push_str(&table(&headings, trace.candidates.iter().map(candidate).collect()));
    }
    if !trace.refused.is_empty() {
        out.push_str("\nrefused lately:\n");
        let rows = trace.refused.iter().map(|refusal| {
            let path = path(&refusal.path);
            vec![
                clock(refusal.at.0),
                refusal.neighbour.to_string(),
                path,
                refusal.reason.to_string(),
            ]
        });
        out.push_str(&table(&["AT", "NEIGHBOUR", "PATH", "REASON"], rows.collect()));
    }
    out.push_str(&format!("\n{}", planned(&trace.decision)));
    out
}

fn candidate(candidate: &TraceCandidate) -> Vec<String> {
    let score = candidate.score;
    let mut why = Vec::new();
    why.extend(candidate.why.clone());
    why.extend(candidate.held_for_ms.map(|ms| format!("for {} more", span(ms))));
    if candidate.avoided {
        why.push("leads through what is to be avoided".into());
    }
    vec![
        if candidate.selected { ">" } else { "" }.to_owned(),
        candidate.advertiser.to_string(),
        path(&candidate.path),
        candidate.metrics.hops.to_string(),
        cost(&candidate.metrics),
        format!("{}.{:03}", score / 1000, score % 1000),
        candidate.standing.to_string(),
        why.join(", "),
    ]
}

fn path(clusters: &[ClusterId]) -> String {
    let names: Vec<_> = clusters.iter().map(ClusterId::as_str).collect();
    names.join(" ")
}

pub(super) fn planned(planned: &Planned) -> String {
    let why = match planned.reason {
        Outcome::Ok => "",
        Outcome::FallbackNeighbor => ", which only might know a way",
        Outcome::NoTargetCluster => "no cluster is named",
        Outcome::AlreadyLocal => "nobody is asked: it is this cluster",
        Outcome::LoopDetected => "nobody is asked: this cluster has had the request",
        Outcome::HopBudgetExhausted => "nobody is asked: it may go over no more links",
        Outcome::NoFabricPath => "nobody is asked: there is no way",
        Outcome::PathMismatch => {
            "nobody is asked: each way leads through what is avoided or was visited, or is too long"
        }
        Outcome::NoPeerForNextHop => "nobody is asked: the way's neighbour isn't connected",
    };
    match &planned.next_hop {
        Some(hop) if planned.path.is_empty() => format!("a request goes to {hop}{why}\n"),
        Some(hop) => format!("a request goes to {hop}{why}: {}\n", path(&planned.path)),
        None => format!("{why}\n"),
    }
}

pub(super) fn stats(stats: &Stats) -> String {
    let headings =
        ["NEIGHBOUR", "ACCEPTED", "REFUSED", "WITHDRAWN", "SENT", "TAKEN BACK", "RENEWED", "LOST"];
    let rows = stats.neighbours.iter().map(|(cluster, n)| {
        let counts = [
            n.announcements_accepted,
            n.announcements_rejected,
            n.withdrawals_applied,
            n.announcements_sent,
            n.withdrawals_sent,
            n.renewals_sent,
            n.losses,
        ];
        let mut row = vec![cluster.to_string()];
        row.extend(counts.iter().map(ToString::to_string));
        row
    });
    let mut out = table(&headings, rows.collect());
    let refused = stats.neighbours.iter().flat_map(|(cluster, n)| {
        n.rejection_reasons
            .iter()
            .map(|(reason, n)| vec![cluster.to_string(), reason.to_string(), n.to_string()])
    });
    let refused: Vec<_> = refused.collect();
    if !refused.is_empty() {
        out.push_str("\nrefused, by reason:\n");
        out.push_str(&table(&["NEIGHBOUR", "REASON", "TIMES"], refused));
    }
    out.push_str(&format!(
        "\nheld by hold-down {}, by damping {}; ended by time {}\n",
        stats.hold_down_rejects, stats.suppression_rejects, stats.routes_purged
    ));
    let convergence = &stats.convergence;
    if let Some(average) = convergence.sum_ms.checked_div(convergence.n) {
        out.push_str(&format!(
            "converged {} times: in {average} ms on average, {} ms at most\n",
            convergence.n, convergence.max_ms
        ));
    }
    out
}

/// Keys in the original's form, a line each.
pub(super) fn keys(snapshot: &Value) -> String {
    let mut rows = Vec::new();
    let clusters = snapshot.get("clusters").and_then(Value::as_object);
    for (cluster, of) in clusters.into_iter().flatten() {
        let primary = of.get("primary_key_id").and_then(Value::as_str);
        for key in of.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let text = |field| key.get(field).and_then(Value::as_str).unwrap_or_default();
            let ends = key.get("expires_at").and_then(Value::as_f64);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a moment in ms, and a negative one is shown as the first"
            )]
            let ends = ends.map(|at| crate::text::date((at * 1000.0) as u64));
            let is_primary = primary == Some(text("key_id"));
            rows.push(vec![
                cluster.clone(),
                text("key_id").to_owned(),
                if is_primary { "primary" } else { "" }.to_owned(),
                ends.unwrap_or_default(),
                text("public_key").to_owned(),
            ]);
        }
    }
    if rows.is_empty() {
        return "no key is known\n".to_owned();
    }
    table(&["CLUSTER", "KEY", "", "ENDS", "PUBLIC KEY"], rows)
}

pub(super) fn effect(tables: &[PolicyDiff]) -> String {
    let mut out = String::new();
    let somebody = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".into());
    for diff in tables {
        let nothing = diff.permitted.is_empty() && diff.denied.is_empty() && diff.moved.is_empty();
        let what = if nothing { ": nothing would change" } else { "" };
        out.push_str(&format!("{}, {} routes{what}\n", diff.table, diff.n_routes));
        for (title, routes) in
            [("would be permitted", &diff.permitted), ("would be denied", &diff.denied)]
        {
            for (source, destination) in routes {
                out.push_str(&format!("  {destination} of {source} {title}\n"));
            }
        }
        for (destination, from, to) in &diff.moved {
            let (from, to) = (somebody(from), somebody(to));
            out.push_str(&format!("  {destination} would move from {from} to {to}\n"));
        }
    }
    out
}
