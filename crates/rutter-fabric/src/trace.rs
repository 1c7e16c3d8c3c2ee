//! Everything there is to say of one destination: `/routing/trace`, and what that lacks.

use rutter_protocol::Speaker;
use rutter_protocol::planner::{self, Ask};
use rutter_protocol::wire::Metrics;
use rutter_rib::Book;
use rutter_route::{
    AnyDestination, Attributes, CandidateExplanation, ClusterId, Criterion, Now, SourceId,
    SourceKind, Standing, TableName,
};

use crate::{Forwarding, Trace, TraceCandidate};

/// What decides after standing, preference and score unless policy says otherwise.
const TIE_BREAKERS: [Criterion; 3] = [Criterion::Hops, Criterion::Latency, Criterion::Reliability];

/// Whose trace.
pub(crate) struct Of<'a> {
    pub(crate) own: &'a ClusterId,
    pub(crate) fabric: &'a TableName,
    pub(crate) speaker: &'a Speaker,
}

/// The trace of a destination; `None`: the table isn't there.
pub(crate) fn trace(
    of: &Of<'_>,
    book: &Book,
    now: Now,
    forwarding: &Forwarding,
    destination: &ClusterId,
    avoid: &[ClusterId],
) -> Option<Trace> {
    let explanation = book.explain(now, of.fabric, destination)?;
    let mut candidates: Vec<_> =
        explanation.candidates.iter().map(|c| candidate(of, destination, avoid, c)).collect();
    let first = candidates.iter_mut().find(|c| !c.avoided && !c.standing.is_barred());
    if let Some(first) = first {
        first.selected = true;
    }
    let ask = Ask {
        destination: destination.clone(),
        avoid: avoid.to_vec(),
        visited: Vec::new(),
        hop_budget: u16::MAX,
    };
    let table = book.table::<ClusterId>(of.fabric)?;
    let fallback = forwarding.fallback_neighbour;
    Some(Trace {
        destination: destination.clone(),
        candidates,
        refused: of.speaker.refusals(&AnyDestination::Cluster(destination.clone())),
        decision: planner::next_hop(of.own, table, forwarding, fallback, &ask),
    })
}

fn candidate(
    of: &Of<'_>,
    destination: &ClusterId,
    avoid: &[ClusterId],
    explained: &CandidateExplanation,
) -> TraceCandidate {
    let attributes = &explained.attributes;
    let path = match attributes.path_list.is_empty() {
        true => vec![of.own.clone()],
        false => planner::from_here(of.own, &attributes.path_list),
    };
    let policy = &of.speaker.config().policy;
    let tie_breakers = match policy.tie_breakers.is_empty() {
        true => &TIE_BREAKERS[..],
        false => &policy.tie_breakers,
    };
    let held = explained.facts.iter().find(|fact| fact.fact == Standing::Held);
    let why = explained.facts.first().map(|fact| fact.reason.clone());
    TraceCandidate {
        advertiser: advertiser(of.own, &explained.route.source),
        metrics: Metrics {
            hops: attributes.hops,
            latency_us: attributes.latency_us,
            bandwidth_kbps: attributes.bandwidth_kbps,
            reliability_ppm: attributes.reliability_ppm,
            cost: attributes.cost,
        },
        score: policy.scoring.score(attributes),
        tiebreakers: tie_breakers.iter().map(|by| (name(*by), value(*by, attributes))).collect(),
        standing: explained.standing,
        why,
        avoided: path.iter().any(|c| c != destination && avoid.contains(c)),
        selected: false,
        held_for_ms: held.and_then(|fact| fact.ends_in_ms),
        path,
    }
}

/// Who says it: the neighbour, or this cluster itself.
fn advertiser(own: &ClusterId, source: &SourceId) -> ClusterId {
    let neighbour = (source.kind() == SourceKind::Neighbour).then(|| source.name().parse().ok());
    neighbour.flatten().unwrap_or_else(|| own.clone())
}

/// A criterion's name in configuration.
fn name(criterion: Criterion) -> String {
    let value = serde_json::to_value(criterion).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A route's value by a criterion, as far as the route alone has it.
fn value(criterion: Criterion, of: &Attributes) -> String {
    match criterion {
        Criterion::Preference => of.preference.to_string(),
        Criterion::Hops => of.hops.to_string(),
        Criterion::Latency => of.latency_us.to_string(),
        Criterion::Reliability => of.reliability_ppm.to_string(),
        Criterion::Bandwidth => of.bandwidth_kbps.to_string(),
        Criterion::Cost => of.cost.to_string(),
        Criterion::Metric => of.metric.to_string(),
        Criterion::Priority
        | Criterion::Standing
        | Criterion::Incumbent
        | Criterion::NodeId
        | Criterion::Score
        | Criterion::Equal
        | Criterion::Identity => String::new(),
    }
}
