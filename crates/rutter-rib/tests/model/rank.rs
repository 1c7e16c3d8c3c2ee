//! Selection, the model's way.

use std::cmp::Ordering;

use rutter_rib::ScoreWeights;
use rutter_route::{Attributes, Criterion, RouteKey, Standing};

/// A candidate as one view sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub key: RouteKey,
    pub standing: Standing,
    pub attributes: Attributes,
    pub incumbent: bool,
    /// Nominated: it ranks first although its source be offline.
    pub nominee: bool,
}

/// A ranked route: what `selected` must show.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub key: RouteKey,
    pub standing: Standing,
    pub attributes: Attributes,
    pub equal: bool,
}

fn by(c: Criterion, w: &ScoreWeights, a: &Candidate, b: &Candidate) -> Ordering {
    let (x, y) = (&a.attributes, &b.attributes);
    match c {
        Criterion::Standing => (a.standing as u8).cmp(&(b.standing as u8)),
        Criterion::Preference => y.preference.cmp(&x.preference),
        Criterion::Incumbent => b.incumbent.cmp(&a.incumbent),
        Criterion::NodeId => a.key.source.cmp(&b.key.source),
        Criterion::Priority => x.priority.cmp(&y.priority),
        Criterion::Metric => x.metric.cmp(&y.metric),
        Criterion::Score => score(w, x).cmp(&score(w, y)),
        Criterion::Hops => x.hops.cmp(&y.hops),
        Criterion::Latency => x.latency_us.cmp(&y.latency_us),
        Criterion::Reliability => y.reliability_ppm.cmp(&x.reliability_ppm),
        Criterion::Bandwidth => y.bandwidth_kbps.cmp(&x.bandwidth_kbps),
        Criterion::Cost => x.cost.cmp(&y.cost),
        Criterion::Equal => Ordering::Equal,
        Criterion::Identity => a.key.cmp(&b.key),
    }
}

/// The score as `ScoreWeights` words it, in thousandths of a point.
fn score(w: &ScoreWeights, a: &Attributes) -> u128 {
    let bandwidth = match a.bandwidth_kbps {
        0 => 0,
        kbps => u128::from(w.bandwidth) * 1_000_000 / u128::from(kbps),
    };
    u128::from(w.latency_ms) * u128::from(a.latency_us)
        + u128::from(w.hops) * u128::from(a.hops) * 1000
        + u128::from(w.cost) * u128::from(a.cost) * 1000
        + u128::from(w.unreliability) * u128::from(1_000_000 - a.reliability_ppm.min(1_000_000))
            / 1000
        + bandwidth
}

/// The criterion that tells `a` from `b`, and how.
pub fn compare(
    criteria: &[Criterion],
    w: &ScoreWeights,
    a: &Candidate,
    b: &Candidate,
) -> (Ordering, Criterion) {
    if a.nominee != b.nominee {
        return (b.nominee.cmp(&a.nominee), Criterion::Incumbent);
    }
    for c in criteria.iter().chain([&Criterion::Identity]) {
        let order = by(*c, w, a, b);
        if order != Ordering::Equal {
            return (order, *c);
        }
    }
    panic!("two candidates of one key: {a:?}")
}

/// The ranked list: selection by repeatedly taking the one that no other beats.
pub fn ranked(
    criteria: &[Criterion],
    w: &ScoreWeights,
    keep_incumbent: bool,
    candidates: &[Candidate],
) -> Vec<Candidate> {
    let usable = |c: &&Candidate| c.nominee || (c.standing as u8) < (Standing::Denied as u8);
    let mut left: Vec<Candidate> = candidates.iter().filter(usable).cloned().collect();
    let mut list: Vec<Candidate> = Vec::new();
    while !left.is_empty() {
        let unbeaten = |a: &Candidate| {
            left.iter().all(|b| a.key == b.key || compare(criteria, w, a, b).0 == Ordering::Less)
        };
        let at = left.iter().position(unbeaten).expect("the order is total");
        list.push(left.remove(at));
    }
    let sick = list.first().is_some_and(|c| c.standing == Standing::Unhealthy);
    if sick && keep_incumbent {
        match list.iter().position(|c| c.incumbent) {
            Some(at) => {
                let incumbent = list.remove(at);
                list.insert(0, incumbent);
            }
            None => list.clear(),
        }
    }
    list
}

/// Which of a ranked list are as good as the first.
pub fn shown(criteria: &[Criterion], w: &ScoreWeights, list: &[Candidate]) -> Vec<Shown> {
    let mark = criteria.iter().position(|c| *c == Criterion::Equal);
    let mut still = true;
    let mut shown = Vec::new();
    for c in list {
        let best = &list[0];
        let alike = match mark {
            None => false,
            Some(mark) => {
                c.nominee == best.nominee
                    && c.attributes.group.is_some()
                    && c.attributes.group == best.attributes.group
                    && criteria[..mark].iter().all(|k| by(*k, w, best, c) == Ordering::Equal)
            }
        };
        still = still && (c.key == best.key || alike);
        shown.push(Shown {
            key: c.key.clone(),
            standing: c.standing,
            attributes: c.attributes.clone(),
            equal: still,
        });
    }
    shown
}
